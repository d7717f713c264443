package spicedbtest

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/status"
)

// laxer are the texts whose layout only SpiceDB refuses: a line that ends with `...`,
// semicolons without a statement, and a line end in the parentheses of an arrow.
var laxer = regexp.MustCompile(`\.\.\.\s*[\r\n/]|;\s*;|\.(any|all)\s*\([^)]*[\r\n/]`)

// places are the problems of a refusal, each at the beginning of a line.
var places = regexp.MustCompile(`(?m)^\d+:\d+: `)

// TestRandomSchemas writes random schemas to both, every second one damaged. Both must
// take it, and tell the same of it, or refuse it for the same reason. Of several mistakes
// either may be told.
func TestRandomSchemas(t *testing.T) {
	both := start(t)
	taken, refused, apart := 0, 0, 0
	for n := range *schemasFlag {
		rng := rand.New(rand.NewPCG(*seedFlag, uint64(n)))
		text := randomText(rng, n, n%2 == 1)
		_, theirs := both.spicedb.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text})
		_, ours := both.tupelo.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text})
		switch {
		case refusal(theirs) != refusal(ours):
			apart++
			if !meantApart(text, theirs, ours) {
				t.Errorf("schema %d of -seed=%d:\n%s\n\nspicedb %v\ntupelo  %v", n, *seedFlag, text, theirs, ours)
			}
		case theirs != nil:
			refused++
		default:
			taken++
			both.described(t, text)
		}
	}
	t.Logf("%d schemas are taken, %d refused, %d differ as is meant", taken, refused, apart)
	if *schemasFlag > 200 && (taken < *schemasFlag/8 || refused < *schemasFlag/4) {
		t.Error("too few schemas are good, or bad")
	}
}

// meantApart reports whether only one may take a text, or whether the two may have another
// reason. TestSchemasThatAreApart has each of these.
func meantApart(text string, theirs, ours error) bool {
	told := status.Convert(ours).Message()
	switch {
	case strings.Contains(told, "cannot take this text"), strings.Contains(told, ", which takes the wildcard `"), strings.Contains(told, "unknown type `") && strings.Contains(text, "use typechecking"):
		return true
	case theirs == nil:
		return false
	case laxer.MatchString(text):
		return true
	case ours == nil: // what no definition includes is not looked at more closely
		return strings.Contains(theirs.Error(), "wildcard relations cannot be transitively included") || strings.Contains(theirs.Error(), "does not match regex pattern") && strings.Contains(text, "partial")
	}
	return len(places.FindAllString(told, 2)) > 1 || strings.HasPrefix(refusal(theirs), "Unknown")
}

// described compares what the two say of the schema that both have.
func (both sides) described(t *testing.T, text string) {
	t.Helper()
	var said [2]string
	for i, s := range []*side{both.spicedb, both.tupelo} {
		reflected, err := s.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{Consistency: full()})
		if err != nil {
			t.Fatal(s.name, err)
		}
		if strings.LastIndex(text, "/*") > 0 || strings.LastIndex(text, "//") > 0 { // a comment within a statement is no description of it there
			for _, d := range reflected.Definitions {
				d.Comment = ""
				for _, r := range d.Relations {
					r.Comment = ""
				}
				for _, p := range d.Permissions {
					p.Comment = ""
				}
			}
			for _, c := range reflected.Caveats {
				c.Comment = ""
			}
		}
		said[i] = spelled(reflected)
	}
	if said[0] != said[1] {
		t.Errorf("%s\n\nspicedb %s\ntupelo  %s", text, said[0], said[1])
	}
	printed, err := both.spicedb.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
	if err != nil {
		return // the schema has nothing in it
	}
	diff, err := both.tupelo.DiffSchema(t.Context(), &v1.DiffSchemaRequest{Consistency: full(), ComparisonSchema: printed.SchemaText})
	if err != nil || slices.ContainsFunc(diff.Diffs, func(d *v1.ReflectionSchemaDiff) bool { return !strings.Contains(compact(d), "DocCommentChanged") }) {
		t.Errorf("SpiceDB prints\n%s\nas\n%s\nwhich is not the same here: %v %v", text, printed.SchemaText, err, diff.GetDiffs())
	}
}

// TestSchemasThatAreAlike writes what both must take, or refuse for the same reason.
func TestSchemasThatAreAlike(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		for i, text := range []string{
			"caveat hasIP(x ipaddress) { x.in_cidr('10.0.0.0/8') }\ndefinition user {\n\trelation any: user with hasIP\n}", "caveat A(x int) { x > 1 }\ndefinition user {\n\trelation any: user with A\n}",
			"caveat 1a_(x int) { x > 1 }\ndefinition user {\n\trelation any: user with 1a_\n}", "use partial\npartial Ab {\n\trelation own: user\n}\ndefinition user {\n\t...Ab\n}",
			"caveat before(x int) { /* a } */ x > 1 }\ndefinition user {}", "caveat behind(x int) { x > 1 /* { */ }\ndefinition user {}", "caveat within(x int) { x /* a */ > 1 }\ndefinition user {}", "caveat lines(x int) { // a }\n\tx > 1 // {\n}\ndefinition user {}",
			"definition user {\n\trelation any: User\n}", "definition user {\n\trelation any: us\n}", "definition user {\n\trelation any: user#Any\n}", "definition user {\n\trelation any: user\n\tpermission all = Any\n}",
			"definition user {\n\trelation any: user\n\tpermission all = any->Any\n}", "definition user {\n\trelation any: user\n\tpermission all = Any->any\n}", "definition _user {}", "definition user {\n\trelation _any: user\n}", "definition user {\n\tpermission _all = nil\n}",
			"use partial\npartial odd {\n\trelation A: user\n}\ndefinition user {}", "use typechecking\ndefinition user {}\ndefinition team {}\ndefinition doc {\n\trelation any: user | team\n\tpermission all: user = any\n}",
			"use deprecation\n@deprecated(warn)\ndefinition user {}", "caveat count(x uint) { x > 3u }\ndefinition user {}", "caveat count(x uint) { x > 3 }\ndefinition user {}", "definition user {\n\trelation any: user#...; permission all = any->any\n}",
			"definition user {\n\trelation any: user#... | user\n}", "use self\nuse expiration\nuse typechecking\nuse partial\nuse import\ndefinition user {}", "definition user {}\nuse self", "use import\nimport \"./x.zed\"\ndefinition user {}", "definition aaa / bbb {}", "definition aaa//bbb {}",
			"definition user {\n\trelation any: user\n\tpermission all = any->nothing\n}", "definition user {\n\trelation any: user\n\tpermission all = any.all(nothing)\n}",
		} {
			unary(s, fmt.Sprint(i, " ", text), s.WriteSchema, &v1.WriteSchemaRequest{Schema: text})
		}
	})
}

// TestSchemasThatAreApart writes what only one takes, or what they refuse for reasons of
// their own.
func TestSchemasThatAreApart(t *testing.T) {
	both := start(t)
	both.compare(t, func(s *side) {
		for i, text := range []string{
			"definition user {};;definition team {}", "definition user {\n\trelation any: user#...\n\trelation all: user\n}", "definition user {\n\trelation any: user\n\tpermission all = any.all(any\n\t)\n}", "use partial\npartial a/b {\n\trelation any: user\n}\ndefinition user {\n\t...a/b\n}",
			"use typechecking\ndefinition user {\n\trelation any: user\n\tpermission all: user | nobody = any\n}",
			"caveat literal(x duration) { x > duration('x') }\ndefinition user {}", "caveat behind(x list<int>, y int) { x.all(z, z > 1) && y > 1.5 }\ndefinition user {}", "caveat aéc(x int) { x > 1 }\ndefinition user {}",
			"use partial\npartial any {\n}\npartial any {\n}\ndefinition user {}", "use partial\npartial any {\n\t...any\n}\ndefinition user {}", "use partial\npartial any {\n\t...nothing\n}\ndefinition user {\n\t...any\n}", "definition user {\n\tpermission any = all\n\tpermission all = any\n}",
			"definition user {}\ndefinition team {\n\trelation any: user:*\n\trelation all: user | doc#any\n}\ndefinition doc {\n\trelation any: team#any\n}",
			"definition team {\n\trelation any: folder\n\tpermission all = any->own\n}\ndefinition folder {\n\trelation own: doc:*\n}\ndefinition doc {\n\trelation any: team:*\n\tpermission all = any->all\n}",
		} {
			step := fmt.Sprint(i, " ", text)
			if unary(s, step, s.WriteSchema, &v1.WriteSchemaRequest{Schema: text}) != nil {
				s.answers[step] = "taken"
			}
		}
	},
		difference{`^[0-3] `, `InvalidArgument SCHEMA_PARSE_ERROR`, `taken`, `the layout leaves no doubt of what is meant`},
		difference{`^4 `, `taken`, `FailedPrecondition SCHEMA_TYPE_ERROR`, `a type that there is not is one, too`},
		difference{`^[56] `, `taken`, `InvalidArgument SCHEMA_PARSE_ERROR`, `the expression would fail whatever is asked, or compares what the same compiler refuses elsewhere`},
		difference{`^7 `, `taken`, `InvalidArgument SCHEMA_PARSE_ERROR`, `the protocol lets no relationship name it`},
		difference{`^8 `, `taken`, `InvalidArgument SCHEMA_PARSE_ERROR`, `which of the two is meant?`},
		difference{`^(9|10) `, `Unknown`, `InvalidArgument SCHEMA_PARSE_ERROR`, `Unknown tells a client nothing`},
		difference{`^11 `, `Unknown`, `FailedPrecondition SCHEMA_TYPE_ERROR`, `likewise`},
		difference{`^12 `, `FailedPrecondition SCHEMA_TYPE_ERROR`, `taken`, `a wildcard behind a userset is answered`},
		difference{`^13 `, `taken`, `FailedPrecondition SCHEMA_TYPE_ERROR`, `an arrow over a wildcard is refused wherever it is, and not only where no other relation of that name is met before`},
	)
}
