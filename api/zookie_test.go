package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/golden"
)

var (
	here      = fingerprintOf(testClusterID)
	elsewhere = fingerprintOf([16]byte{99})

	sampleRevisions = []uint64{1, 2, 127, 128, 300, 1 << 20, 1 << 32, math.MaxUint64}
)

// Clients keep zookies for years: these texts may never change their meaning.
func TestTokensKeepTheirForm(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "cluster %x\n", testClusterID)
	for _, revision := range sampleRevisions {
		text := here.zookie(revision)
		fmt.Fprintf(&b, "zookie %d\n  %s\n  %s\n", revision, text, hexOf(t, text))
	}
	for _, c := range sampleCursors() {
		text := here.cursor(c)
		fmt.Fprintf(&b, "cursor %d of request %x at %q\n  %s\n  %s\n", c.revision, c.request, c.position, text, hexOf(t, text))
	}
	golden.File(t, "testdata/tokens.golden", b.String())
}

func hexOf(t *testing.T, text string) string {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", data)
}

func sampleCursors() []cursor {
	return []cursor{
		{1, hashRead(&tupelov1.ReadRequest{}), []byte{0}},
		{300, hashRead(&tupelov1.ReadRequest{Filter: &tupelov1.Filter{ObjectType: "repository"}}), []byte("where the store goes on")},
	}
}

func TestAZookieGivesBackItsRevision(t *testing.T) {
	for _, revision := range sampleRevisions {
		got, err := here.parseZookie(here.zookie(revision))
		if err != nil || got != revision {
			t.Errorf("revision %d came back as %d, %v", revision, got, err)
		}
	}
}

func TestACursorGivesBackItsParts(t *testing.T) {
	for _, c := range sampleCursors() {
		got, err := here.parseCursor(here.cursor(c), c.request)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c, got, cmp.AllowUnexported(cursor{})); diff != "" {
			t.Error(diff)
		}
	}
}

func TestATokenOfAnotherClusterIsForeign(t *testing.T) {
	if _, err := here.parseZookie(elsewhere.zookie(7)); !errors.Is(err, ErrForeignZookie) {
		t.Errorf("zookie: %v", err)
	}
	c := sampleCursors()[0]
	if _, err := here.parseCursor(elsewhere.cursor(c), c.request); !errors.Is(err, ErrForeignCursor) {
		t.Errorf("cursor: %v", err)
	}
}

func TestACursorOfAnotherRequestIsForeign(t *testing.T) {
	c := sampleCursors()[0]
	for _, other := range []*tupelov1.ReadRequest{
		{Filter: &tupelov1.Filter{ObjectType: "team"}},
		{Filter: &tupelov1.Filter{ObjectId: "team"}},
		{Filter: &tupelov1.Filter{Relation: "team"}},
		{Filter: &tupelov1.Filter{SubjectType: "team"}},
		{Filter: &tupelov1.Filter{SubjectId: "team"}},
		{Filter: &tupelov1.Filter{SubjectRelation: ptr("team")}},
		{Filter: &tupelov1.Filter{SubjectRelation: ptr("")}},
		{Filter: &tupelov1.Filter{ObjectIdPrefix: "team"}},
		{Consistency: fully()},
		{Consistency: atLeast(here.zookie(1))},
		{Consistency: exactly(here.zookie(1))},
		{Consistency: exactly(here.zookie(2))},
	} {
		if _, err := here.parseCursor(here.cursor(c), hashRead(other)); !errors.Is(err, ErrForeignCursor) {
			t.Errorf("%v: %v", other, err)
		}
	}
	// What does not change the answer may be spelled differently, or change.
	for _, same := range []*tupelov1.ReadRequest{
		{Filter: &tupelov1.Filter{}},
		{Consistency: minimizeLatency()},
		{Limit: 17, Cursor: "abc"},
	} {
		if _, err := here.parseCursor(here.cursor(c), hashRead(same)); err != nil {
			t.Errorf("%v: %v", same, err)
		}
	}
}

func TestEveryDamagedCharacterOfATokenIsNoticed(t *testing.T) {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ \n"
	c := sampleCursors()[1]
	zookie, cursorText := here.zookie(300), here.cursor(c)
	for i := range max(len(zookie), len(cursorText)) {
		for _, r := range alphabet {
			if bad, ok := replaced(zookie, i, byte(r)); ok {
				if _, err := here.parseZookie(bad); !errors.Is(err, ErrDamagedZookie) {
					t.Fatalf("zookie %q: %v", bad, err)
				}
			}
			if bad, ok := replaced(cursorText, i, byte(r)); ok {
				if _, err := here.parseCursor(bad, c.request); !errors.Is(err, ErrDamagedCursor) {
					t.Fatalf("cursor %q: %v", bad, err)
				}
			}
		}
	}
}

func replaced(text string, i int, c byte) (string, bool) {
	if i >= len(text) || text[i] == c {
		return "", false
	}
	return text[:i] + string(c) + text[i+1:], true
}

func TestWhatIsNoTokenIsDamaged(t *testing.T) {
	sealed := func(form byte, body ...byte) string { return sealToken(append(here.begin(nil, form), body...)) }
	request := sampleCursors()[0].request
	tail := append(request[:], 'x')
	for name, text := range map[string]string{
		"empty":                       "",
		"not base64":                  "Not a zookie!",
		"cut short":                   here.zookie(300)[:10],
		"cut by a character":          here.zookie(300)[:len(here.zookie(300))-1],
		"with a line end":             here.zookie(300) + "\n",
		"with a line end inside":      here.zookie(300)[:8] + "\n" + here.zookie(300)[8:],
		"padded":                      here.zookie(1<<20) + "=",
		"too long":                    strings.Repeat("A", maxTokenText+1),
		"of an unknown version":       sealed(0x02, 1),
		"of revision 0":               sealed(zookieForm, 0),
		"a long spelling of 1":        sealed(zookieForm, 0x81, 0x00),
		"an endless number":           sealed(zookieForm, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01),
		"a number cut off":            sealed(zookieForm, 0x80),
		"with a tail":                 sealed(zookieForm, 1, 2),
		"a cursor, or a zookie there": sealed(cursorForm^zookieForm, append([]byte{1}, tail...)...),
	} {
		if revision, err := here.parseZookie(text); !errors.Is(err, ErrDamagedZookie) {
			t.Errorf("zookie %s: %d, %v", name, revision, err)
		}
		if c, err := here.parseCursor(text, request); !errors.Is(err, ErrDamagedCursor) {
			t.Errorf("cursor %s: %v, %v", name, c, err)
		}
	}
	if _, err := here.parseZookie(here.cursor(sampleCursors()[0])); !errors.Is(err, ErrDamagedZookie) {
		t.Errorf("a cursor passes for a zookie: %v", err)
	}
	if _, err := here.parseCursor(here.zookie(1), request); !errors.Is(err, ErrDamagedCursor) {
		t.Errorf("a zookie passes for a cursor: %v", err)
	}
	if _, err := here.parseCursor(sealed(cursorForm, append([]byte{1}, request[:]...)...), request); !errors.Is(err, ErrDamagedCursor) {
		t.Errorf("a cursor without a position passes: %v", err)
	}
}

// Whatever the bytes are: an error of one of the two kinds, or a revision whose
// one spelling they are.
func FuzzParseZookie(f *testing.F) {
	for _, revision := range sampleRevisions {
		f.Add(here.zookie(revision))
		f.Add(elsewhere.zookie(revision))
	}
	f.Add(here.cursor(sampleCursors()[0]))
	f.Fuzz(func(t *testing.T, text string) {
		revision, err := here.parseZookie(text)
		switch {
		case errors.Is(err, ErrDamagedZookie), errors.Is(err, ErrForeignZookie):
		case err != nil:
			t.Errorf("an error of no kind: %v", err)
		case revision == 0 || here.zookie(revision) != text:
			t.Errorf("%q is taken for revision %d, whose zookie is %q", text, revision, here.zookie(revision))
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	for _, c := range sampleCursors() {
		f.Add(here.cursor(c), c.request[:])
		f.Add(elsewhere.cursor(c), c.request[:])
	}
	f.Add(here.zookie(1), make([]byte, 8))
	f.Fuzz(func(t *testing.T, text string, requestBytes []byte) {
		var request requestHash
		copy(request[:], requestBytes)
		c, err := here.parseCursor(text, request)
		switch {
		case errors.Is(err, ErrDamagedCursor), errors.Is(err, ErrForeignCursor):
		case err != nil:
			t.Errorf("an error of no kind: %v", err)
		case len(c.position) == 0 || here.cursor(c) != text:
			t.Errorf("%q is taken for %v, whose cursor is %q", text, c, here.cursor(c))
		}
	})
}

// Checksums guard against accidents; this shows that the fuzzer's inputs get
// past them too, to the parsing behind.
func FuzzTokenBody(f *testing.F) {
	f.Add([]byte{1}, zookieForm)
	f.Add([]byte{0x81, 0x00}, zookieForm)
	f.Add([]byte("\x01 request position"), cursorForm)
	f.Fuzz(func(t *testing.T, body []byte, form byte) {
		text := sealToken(append(here.begin(nil, form), body...))
		if revision, err := here.parseZookie(text); err == nil && here.zookie(revision) != text {
			t.Errorf("%x is taken for revision %d", body, revision)
		}
		if len(body) < 10 {
			return
		}
		var request requestHash
		copy(request[:], body[1:])
		if c, err := here.parseCursor(text, request); err == nil && here.cursor(c) != text {
			t.Errorf("%x is taken for %v", body, c)
		}
	})
}

func TestAZookieCostsItsBytesAndItsText(t *testing.T) {
	text := here.zookie(1 << 40)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := here.parseZookie(text); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("parsing allocates %v times", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = here.zookie(1 << 40) }); n > 2 {
		t.Errorf("making allocates %v times", n)
	}
}
