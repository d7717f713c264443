package tuple

import (
	"errors"
	"strings"
	"testing"
)

func TestTextRoundTrips(t *testing.T) {
	for _, text := range []string{
		"repository:gitclub#maintainer@team:core#member",
		"repository:gitclub#reader@user:alice",
		"repository:gitclub#reader@user:*",
		"doc:x#viewer@user:a[office_hours]",
		`doc:x#viewer@user:*[office_hours:{"days":["tue","]\\\""],"n":{"a":1}}]`,
		"doc:x#viewer@user:a[expiration:2030-01-31T12:00:00.123456789Z]",
		`doc:x#viewer@team:a#m[c:{}][expiration:2030-01-31T12:00:00Z]`,
		`doc:x#viewer@user:a[Acme/inRange]`,
		"acme/repository:a/b|c-d=e+f_g#reader@acme/user:A9",
	} {
		n, err := Parse(text)
		if err != nil || n.String() != text {
			t.Errorf("%s: %q, %v", text, n, err)
		}
	}
}

func TestEllipsisIsNoRelation(t *testing.T) {
	n, err := Parse("doc:x#viewer@user:alice#...")
	if err != nil || n.SubjectRelation != "" {
		t.Errorf("%+v, %v", n, err)
	}
}

func TestBadTextsAreTypedErrors(t *testing.T) {
	for text, want := range map[string]error{
		"":                                                      ErrSyntax,
		"repository:gitclub#reader":                             ErrSyntax,
		"repository:gitclub@user:alice":                         ErrSyntax,
		"repository#reader@user:alice":                          ErrSyntax,
		":x#reader@user:alice":                                  ErrSyntax,
		"repository:x#@user:alice":                              ErrSyntax,
		"repository:x#reader@user":                              ErrSyntax,
		"repository:x#reader@user:a#":                           ErrSyntax,
		"repository:x#reader@user:*#m":                          ErrSyntax,
		"repository:#reader@user:a":                             ErrObjectID,
		"repository:*#reader@user:a":                            ErrObjectID,
		"repository:x y#reader@user:a":                          ErrObjectID,
		"repository:x#reader@user:é":                            ErrObjectID,
		"repository:x#reader@user:a\x00":                        ErrObjectID,
		"repository:x#reader@user:a@b":                          ErrObjectID,
		"Repository:x#reader@user:a":                            ErrSyntax,
		"r:x#reader@user:a[]":                                   ErrSyntax,
		"r:x#reader@user:a[caveat":                              ErrSyntax,
		"r:x#reader@user:a[caveat:1]":                           ErrSyntax,
		"r:x#reader@user:a[a][b]":                               ErrSyntax,
		"r:x#reader@user:a[expiration:x]":                       ErrSyntax,
		"r:x#reader@user:a[expiration:1970-01-01T00:00:00Z]":    ErrSyntax,
		"r:x#reader@user:a[expiration:2700-01-01T00:00:00Z]":    ErrSyntax, // wraps to 2115 in nanoseconds
		"r:x#reader@user:a[expiration:2030-01-01T00:00:00Z][c]": ErrSyntax,
		"r:x#reader@user:a[c]x":                                 ErrSyntax,
		"r:" + strings.Repeat("x", 1025) + "#reader@user:a":     ErrObjectID,
	} {
		if n, err := Parse(text); !errors.Is(err, want) {
			t.Errorf("%q: %+v, %v; want %v", text, n, err, want)
		}
	}
}

func FuzzTupleParser(f *testing.F) {
	f.Add("repository:gitclub#maintainer@team:core#member")
	f.Add("a:b#c@d:*")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSyntax) && !errors.Is(err, ErrObjectID) {
				t.Fatalf("untyped error %v", err)
			}
			return
		}
		again, err := Parse(n.String())
		if err != nil || again != n {
			t.Fatalf("%q: %+v, then %+v, %v", text, n, again, err)
		}
	})
}
