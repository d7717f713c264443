package schema

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is in a tree must be sayable in a text, or Format would write one that
// does not load.
func TestATreeThatWasBuiltNeedsItsFeatures(t *testing.T) {
	user := &TypeRef{Type: "user", Expiration: true}
	s := &Schema{
		Uses:     []*Use{{Flag: "slef"}},
		Caveats:  []*Caveat{{Name: "empty"}, {Name: "untyped", Params: []*Param{{Name: "count"}}}},
		Partials: []*Partial{{Name: "common"}},
		Imports:  []*Import{{Path: "other.zed"}},
		Definitions: []*Definition{{Name: "user", Body: Body{
			Members: []Member{
				&Relation{Name: "friend", Types: []*TypeRef{user}},
				&Permission{Name: "mine", Expr: &Itself{}},
			},
			Includes: []*Include{{Name: "commn", At: 7, Count: 3}},
		}}},
	}
	err := Check(s)
	if err == nil {
		t.Fatal("the schema passes")
	}
	want := []string{
		"import `other.zed` cannot be followed here",
		"unknown feature `slef`",
		"caveat `empty` has no parameter",
		"parameter `count` has no type",
		"partials need `use partial`",
		"unknown partial `commn`",
		"tuples that expire need `use expiration`",
		"`self` needs `use self`",
	}
	var got []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if !strings.HasPrefix(line, "    hint:") {
			got = append(got, line)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	Format(s) // must not panic, wherever the include says that it stands
}

func TestWhatPartialsBringIsBounded(t *testing.T) {
	var b strings.Builder
	b.WriteString("use partial\npartial p0 {\n\trelation own: user\n}\n")
	for i := range 40 {
		b.WriteString("partial p" + string(rune('a'+i%26)) + strings.Repeat("x", 1+i/26) + " {\n")
		previous := "p0"
		if i > 0 {
			previous = "p" + string(rune('a'+(i-1)%26)) + strings.Repeat("x", 1+(i-1)/26)
		}
		b.WriteString("\t..." + previous + "\n\t..." + previous + "\n}\n")
	}
	b.WriteString("definition user {}\n")
	if got := problemsOf(t, b.String()); !strings.Contains(got.Error(), "partials bring more than 20000 relations and permissions") {
		t.Errorf("%.300s", got)
	}
}
