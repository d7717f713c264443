package schematest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/tupelodb/tupelo/schema"
)

func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }

func TestEveryRandomSchemaIsValid(t *testing.T) {
	all := []Options{
		{},
		{NegativeRecursion: true},
		{MaxResources: 1, MaxRelations: 1, MaxPermissions: 1, MaxDepth: 1},
		{MaxResources: 99, MaxRelations: 99, MaxPermissions: 99, MaxDepth: 99},
		{Caveats: true, Expiration: true, ArrowFunctions: true, Self: true},
		{Caveats: true, ArrowFunctions: true},
		{Expiration: true, Self: true},
	}
	for seed := range uint64(300) {
		s := Random(source(seed), all[seed%uint64(len(all))])
		if err := schema.Check(s); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

func TestTheSameSourceGivesTheSameSchema(t *testing.T) {
	for seed := range uint64(50) {
		if a, b := Random(source(seed), Options{}), Random(source(seed), Options{}); !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d gives two schemas", seed)
		}
	}
	if reflect.DeepEqual(Random(source(1), Options{}), Random(source(2), Options{})) {
		t.Error("two seeds give one schema")
	}
}

func TestExclusionsAreStratifiedUnlessAskedOtherwise(t *testing.T) {
	unstratified := 0
	for seed := range uint64(300) {
		if s := Random(source(seed), Options{}); !Stratified(s) {
			t.Fatalf("seed %d: a permission depends on itself through what it excludes", seed)
		}
		if !Stratified(Random(source(seed), Options{NegativeRecursion: true})) {
			unstratified++
		}
	}
	if unstratified == 0 {
		t.Error("NegativeRecursion never gave negative recursion")
	}
}

func TestNegativeRecursionIsSeenThroughOtherMembers(t *testing.T) {
	cases := map[string]bool{
		"permission bad = all - parent->bad":                                    false,
		"permission bad = all - via\npermission via = parent->bad":              false,
		"permission bad = all - (all - (all & held))\nrelation held: doc#bad":   false,
		"permission good = (all + parent->good) - banned":                       true,
		"permission good = all - parent->all\npermission other = parent->other": true,
	}
	for members, want := range cases {
		s, err := schema.Load("test.zed", "definition user {}\ndefinition doc {\n"+
			"relation parent: doc\nrelation all: user\nrelation banned: user\n"+members+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		if got := Stratified(s); got != want {
			t.Errorf("%s\nStratified is %t, want %t", members, got, want)
		}
	}
}

// features counts what occurs in schemas.
type features map[string]int

func (f features) count(s *schema.Schema) {
	for _, d := range s.Definitions {
		for r := range d.Relations() {
			for _, t := range r.Types {
				f.restriction(s, d, t)
			}
		}
		for p := range d.Permissions() {
			f.expression(s, d, p, p.Expr)
		}
	}
}

func (f features) restriction(s *schema.Schema, d *schema.Definition, t *schema.TypeRef) {
	if t.Caveat != "" {
		f["caveat"]++
	}
	if t.Expiration {
		f["expiration"]++
	}
	if t.Caveat != "" && t.Expiration {
		f["caveat and expiration"]++
	}
	target, _ := s.Definition(t.Type)
	m, _ := target.Member(t.Relation)
	switch m := m.(type) {
	case *schema.Relation:
		f["userset of a relation"]++
		if t.Type == d.Name && m.Name == memberRelation {
			f["nested team"]++
		}
	case *schema.Permission:
		f["userset of a permission"]++
	default:
		f["object"]++
	}
	if t.Wildcard {
		f["wildcard"]++
	}
}

func (f features) expression(s *schema.Schema, d *schema.Definition, p *schema.Permission, e schema.Expr) {
	switch e := e.(type) {
	case *schema.Itself:
		f["self"]++
	case *schema.Nil:
		f["nil"]++
	case *schema.Ref:
		m, _ := d.Member(e.Name)
		if _, ok := m.(*schema.Permission); ok {
			f["reference to a permission"]++
		}
	case *schema.Arrow:
		f.arrow(s, d, p, e)
	case *schema.Binary:
		f["operator "+e.Op.String()]++
		f.expression(s, d, p, e.Left)
		f.expression(s, d, p, e.Right)
	}
}

func (f features) arrow(s *schema.Schema, d *schema.Definition, p *schema.Permission, e *schema.Arrow) {
	f["arrow"]++
	f["arrow of form "+fmt.Sprint(e.Form)]++
	if e.Target == lackedTarget {
		f["arrow to nothing"]++
		return
	}
	m, _ := d.Member(e.Relation)
	for _, t := range m.(*schema.Relation).Types {
		target, _ := s.Definition(t.Type)
		if _, ok := target.Member(e.Target); !ok {
			f["arrow to a type that lacks the target"]++
		}
		if t.Relation != "" {
			f["arrow over a userset"]++
		}
		if t.Type == d.Name && e.Target == p.Name {
			f["arrow to itself"]++
		}
	}
}

func TestAFewDozenSchemasUseEveryConstruct(t *testing.T) {
	f := make(features)
	for seed := range uint64(48) {
		f.count(Random(source(seed), Options{}))
	}
	for _, feature := range []string{"caveat", "expiration", "self", "arrow of form 1", "arrow of form 2"} {
		if f[feature] > 0 {
			t.Errorf("%s occurs without being asked for", feature)
		}
	}
	for seed := range uint64(48) {
		f.count(Random(source(seed), Options{Caveats: true, Expiration: true, ArrowFunctions: true, Self: true}))
	}
	for _, feature := range []string{
		"operator +", "operator &", "operator -", "nil", "arrow", "reference to a permission",
		"object", "wildcard", "userset of a relation", "userset of a permission", "nested team",
		"caveat", "expiration", "caveat and expiration", "self", "arrow of form 1", "arrow of form 2", "arrow over a userset", "arrow to a type that lacks the target", "arrow to nothing", "arrow to itself",
	} {
		if f[feature] < 3 {
			t.Errorf("%s occurs %d times in 48 schemas", feature, f[feature])
		}
	}
}
