package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/store/tuple"
)

// goldenLines compares lines with a file of testdata, which is of a format that is
// on disks.
func goldenLines(t *testing.T, name string, lines []string) {
	t.Helper()
	golden.File(t, filepath.Join("testdata", name), strings.Join(lines, "\n")+"\n", "a change here needs a new format version")
}

func tupleOf(ot tuple.TypeID, oid string, r tuple.RelationID, st tuple.TypeID, sid string, sr tuple.RelationID) tuple.Tuple {
	return tuple.Tuple{
		Object: tuple.Object{Type: ot, ID: []byte(oid)}, Relation: r,
		Subject: tuple.Subject{Type: st, ID: []byte(sid), Relation: sr},
	}
}

var sampleTuples = []tuple.Tuple{
	tupleOf(3, "gitclub", 2, 1, "alice", tuple.Self),
	tupleOf(3, "gitclub", 2, 1, "*", tuple.Wildcard),
	tupleOf(3, "gitclub", 2, 2, "core", 2),
	tupleOf(3, "gitclub2", 2, 2, "core", 2),
	tupleOf(300, "a", 400, 500, "b", 600),
}

// sampleTraits is a tuple that has every trait.
var sampleTraits = func() tuple.Tuple {
	t := tupleOf(3, "gitclub", 2, 1, "alice", tuple.Self)
	t.Traits = tuple.Traits{Caveat: 2, Context: []byte(`{"day":"tue"}`), ExpiresNanos: 1_900_000_000_000_000_000}
	return t
}()

func TestKeysAreGolden(t *testing.T) {
	var lines []string
	for _, tp := range sampleTuples {
		lines = append(lines,
			fmt.Sprintf("forward   %x", appendRevision(appendForward(nil, tp), 258)),
			fmt.Sprintf("reverse   %x", appendRevision(appendReverse(nil, tp), 258)))
	}
	lines = append(lines,
		fmt.Sprintf("name      %x", nameKey(3, 2)),
		fmt.Sprintf("schema    %x", schemaKey(258)),
		fmt.Sprintf("counter   %x", counterKey(sampleTuples[2].Shape())),
		fmt.Sprintf("changelog %x", changelogKey(258)),
		fmt.Sprintf("applied   %x", metaApplied),
		fmt.Sprintf("deleted   %x", valueDeleted),
		fmt.Sprintf("live      %x", appendLive(nil, tuple.Traits{})),
		fmt.Sprintf("traits    %x", appendLive(nil, sampleTraits.Traits)),
		fmt.Sprintf("caveat    %x", caveatKey(258)),
		fmt.Sprintf("counter   %x", counterKey(sampleTraits.Shape())),
		fmt.Sprintf("expiry    %x", expiryKey(sampleTraits)),
		fmt.Sprintf("format    %x", metaFormat),
		fmt.Sprintf("horizon   %x", metaHorizon),
		fmt.Sprintf("cluster   %x", metaCluster),
		fmt.Sprintf("keys      %x", metaKeys),
		fmt.Sprintf("outcome   %x", appendOutcomeKey(nil, []byte("k\x00"))),
		fmt.Sprintf("key order %x", appendKeyOrder(nil, 258)))
	goldenLines(t, "keys.golden", lines)
}

func TestChangelogRecordsAreGolden(t *testing.T) {
	c := &Changes{Revision: 9, UnixMillis: 1700000000000, Metadata: []byte("why"), Schema: true, oldSchema: 3, Tuples: []Change{
		{Tuple: sampleTuples[0]}, {Tuple: sampleTuples[2], Deleted: true, old: 7}, {Tuple: sampleTraits},
	}}
	goldenLines(t, "changelog.golden", []string{fmt.Sprintf("%x", c.encode(nil))})
	back, err := decodeChanges(changelogKey(9), c.encode(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(c, back, cmp.AllowUnexported(Changes{}, Change{})); diff != "" {
		t.Error(diff)
	}
}

func TestTupleKeysRoundTripInBothDirections(t *testing.T) {
	for _, want := range sampleTuples {
		for _, key := range [][]byte{appendForward(nil, want), appendReverse(nil, want)} {
			k, ok := decodeTupleKey(appendRevision(key, 77))
			if !ok || k.revision != 77 || !k.tuple().Equal(want) {
				t.Errorf("%x: %v %+v", key, ok, k)
			}
		}
	}
}

// TestKeyOrder proves what seeks rely on: an object's tuples are together
// although its id begins another's, and newer versions come first.
func TestKeyOrder(t *testing.T) {
	var keys [][]byte
	for _, tp := range sampleTuples {
		keys = append(keys, appendRevision(appendForward(nil, tp), 9), appendRevision(appendForward(nil, tp), 8))
	}
	if !slices.IsSortedFunc(keys, bytes.Compare) {
		t.Error("keys are not in the order of objects, subjects and falling revisions")
	}
}

// TestSplitKeepsPebblesContract checks the properties that Pebble's Split
// documents, on whole keys, on cut ones and on noise.
func TestSplitKeepsPebblesContract(t *testing.T) {
	var keys [][]byte
	for _, tp := range sampleTuples {
		for _, full := range [][]byte{appendForward(nil, tp), appendReverse(nil, tp)} {
			full = appendRevision(full, 9)
			for n := 1; n <= len(full); n++ {
				keys = append(keys, full[:n], append(bytes.Clone(full[:n]), 0xff))
			}
		}
	}
	keys = append(keys, nameKey(1, 2), changelogKey(3), metaApplied, appendKeyOrder(nil, 3))
	for _, key := range []string{"k", "k\x00", "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		keys = append(keys, appendOutcomeKey(nil, []byte(key)))
	}
	for _, a := range keys {
		if n := splitKey(a); n < 0 || n > len(a) || splitKey(a[:n]) != n {
			t.Fatalf("split of %x is %d, of its prefix %d", a, n, splitKey(a[:n]))
		}
		for _, b := range keys {
			pa, pb := a[:splitKey(a)], b[:splitKey(b)]
			if bytes.Compare(a, b) <= 0 && bytes.Compare(pa, pb) > 0 {
				t.Fatalf("%x <= %x, but their prefixes are not in order", a, b)
			}
			if bytes.Compare(pa, pb) < 0 && bytes.Compare(a, b) >= 0 {
				t.Fatalf("prefix of %x < prefix of %x, but the keys are not in order", a, b)
			}
		}
	}
}

func TestAfterIsAboveEveryKeyWithThePrefix(t *testing.T) {
	for _, prefix := range [][]byte{{1}, {1, 0xff}, {0xfe, 0xff, 0xff}} {
		end := after(prefix)
		if bytes.Compare(append(bytes.Clone(prefix), 0xff, 0xff, 0xff), end) >= 0 {
			t.Errorf("after(%x) = %x", prefix, end)
		}
	}
	if after([]byte{0xff}) != nil {
		t.Error("nothing is above ff")
	}
}

func FuzzKeyDecoder(f *testing.F) {
	for _, tp := range sampleTuples {
		f.Add(appendRevision(appendForward(nil, tp), 1))
		f.Add(appendRevision(appendReverse(nil, tp), 1<<40))
	}
	f.Fuzz(func(t *testing.T, key []byte) {
		if n := splitKey(key); n < 0 || n > len(key) || splitKey(key[:n]) != n {
			t.Fatalf("split of %x is %d", key, n)
		}
		k, ok := decodeTupleKey(key)
		if !ok {
			return
		}
		again := appendForward(nil, k.tuple())
		if k.tag == tagReverse {
			again = appendReverse(nil, k.tuple())
		}
		if again = appendRevision(again, k.revision); !bytes.Equal(again, key) {
			t.Fatalf("%x decodes to what encodes to %x", key, again)
		}
	})
}

func FuzzChangelogDecoder(f *testing.F) {
	f.Add((&Changes{UnixMillis: 5, Schema: true, Tuples: []Change{{Tuple: sampleTuples[0]}}}).encode(nil))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := decodeChanges(changelogKey(4), value)
		if err == nil && !bytes.Equal(c.encode(nil), value) {
			t.Fatalf("%x decodes to what encodes to %x", value, c.encode(nil))
		}
	})
}
