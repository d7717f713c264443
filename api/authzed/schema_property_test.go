package authzed

import (
	"math/rand/v2"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
)

func randomSchema(seed uint64) *schema.Schema {
	rng := rand.New(rand.NewPCG(seed, 5))
	return schematest.Random(rng, schematest.Options{
		MaxDepth: 1 + rng.IntN(4), NegativeRecursion: true, Caveats: true, Expiration: true, ArrowFunctions: true, Self: true,
	})
}

func TestARandomSchemaDiffersFromItselfInNothing(t *testing.T) {
	c := newClient(t)
	for seed := range uint64(40) {
		text := schema.Format(randomSchema(seed))
		c.write(t, text)
		before, err := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		read, err := c.ReadSchema(t.Context(), &v1.ReadSchemaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		diff, err := c.DiffSchema(t.Context(), &v1.DiffSchemaRequest{ComparisonSchema: read.SchemaText})
		if err != nil || len(diff.Diffs) != 0 {
			t.Fatalf("seed %d: %v, %v\n%s", seed, diff, err, text)
		}
		c.write(t, read.SchemaText)
		after, err := c.ReflectSchema(t.Context(), &v1.ReflectSchemaRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, after, protocmp.Transform(), protocmp.IgnoreFields(before, "read_at")); diff != "" {
			t.Fatalf("seed %d: -before +after\n%s", seed, diff)
		}
	}
}

func TestADiffOneWayUndoesTheOtherWay(t *testing.T) {
	for seed := range uint64(200) {
		one, two := randomSchema(seed), randomSchema(seed+1000)
		var there, back differences
		there.schemas(one, two)
		back.schemas(two, one)
		undone := make(map[string]int)
		for _, d := range there {
			undone[opposite(d)]++
		}
		for _, d := range back {
			if key := named(d); undone[key] == 0 {
				t.Fatalf("seed %d: nothing there is undone by %s", seed, key)
			} else {
				undone[key]--
			}
		}
		if len(there) != len(back) {
			t.Fatalf("seed %d: %d differences there, %d back", seed, len(there), len(back))
		}
	}
}

func FuzzAnyTextIsComparedOrRefused(f *testing.F) {
	f.Add(gitclub)
	f.Add("definition user {}\ndefinition doc {\n\trelation one: nobody#ever | doc:*\n\tpermission two = three->four - (one & two)\n}")
	f.Add("use self\nuse partial\npartial one { ...one }\ndefinition user {\n...one\npermission all = self\n}")
	f.Add("caveat one(num int, num string) { num > 'x' }")
	for seed := range uint64(5) {
		f.Add(schema.Format(randomSchema(seed)))
	}
	f.Fuzz(func(t *testing.T, text string) {
		tree, err := otherSchema(text)
		if err != nil {
			if _, told := err.(*statusError); !told {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		var none differences
		if none.schemas(tree, tree); len(none) != 0 {
			t.Fatalf("%v", none)
		}
		u := newUses(tree)
		for kind := range u.members {
			u.references(u.below(kind))
			u.references(u.above(kind))
		}
	})
}

// named names a difference by its kind and what it is about.
func named(d *v1.ReflectionSchemaDiff) string {
	switch d := d.Diff.(type) {
	case *v1.ReflectionSchemaDiff_DefinitionAdded:
		return "+" + d.DefinitionAdded.Name
	case *v1.ReflectionSchemaDiff_DefinitionRemoved:
		return "-" + d.DefinitionRemoved.Name
	case *v1.ReflectionSchemaDiff_RelationAdded:
		return "+" + d.RelationAdded.ParentDefinitionName + "#" + d.RelationAdded.Name
	case *v1.ReflectionSchemaDiff_RelationRemoved:
		return "-" + d.RelationRemoved.ParentDefinitionName + "#" + d.RelationRemoved.Name
	case *v1.ReflectionSchemaDiff_PermissionAdded:
		return "+" + d.PermissionAdded.ParentDefinitionName + "=" + d.PermissionAdded.Name
	case *v1.ReflectionSchemaDiff_PermissionRemoved:
		return "-" + d.PermissionRemoved.ParentDefinitionName + "=" + d.PermissionRemoved.Name
	case *v1.ReflectionSchemaDiff_PermissionExprChanged:
		return "~" + d.PermissionExprChanged.ParentDefinitionName + "=" + d.PermissionExprChanged.Name
	case *v1.ReflectionSchemaDiff_RelationSubjectTypeAdded:
		return "+" + typeChanged(d.RelationSubjectTypeAdded)
	case *v1.ReflectionSchemaDiff_RelationSubjectTypeRemoved:
		return "-" + typeChanged(d.RelationSubjectTypeRemoved)
	}
	return "? " + d.String()
}

func typeChanged(c *v1.ReflectionRelationSubjectTypeChange) string {
	return c.Relation.ParentDefinitionName + "#" + c.Relation.Name + "@" + c.ChangedSubjectType.String()
}

// opposite names the difference that undoes one.
func opposite(d *v1.ReflectionSchemaDiff) string {
	name := named(d)
	switch name[0] {
	case '+':
		return "-" + name[1:]
	case '-':
		return "+" + name[1:]
	}
	return name
}

func TestWhatAMemberDependsOnIsWhatItIsComputableFrom(t *testing.T) {
	for seed := range uint64(200) {
		u := newUses(randomSchema(seed))
		for kind, made := range u.of { // usersets alone, of which both calls go by all
			made.tuplesets, made.wildcards = nil, nil
			u.of[kind] = made
		}
		below := make(map[subjectKind]map[subjectKind]bool)
		for kind := range u.members {
			below[kind] = u.below(kind)
		}
		for kind := range u.members {
			above := u.above(kind)
			for other := range u.members {
				if kind != other && above[other] != below[other][kind] {
					t.Fatalf("seed %d: %v above %v: %t; below: %t", seed, other, kind, above[other], below[other][kind])
				}
			}
		}
	}
}

func TestWhoCanHaveAPermissionIsComputedToHaveIt(t *testing.T) {
	for seed := range uint64(100) {
		tree := randomSchema(seed)
		program, err := schema.Compile(tree, textNumbers{tree})
		if err != nil {
			t.Fatal(err)
		}
		u := newUses(tree)
		for _, subject := range program.Types {
			above := u.above(subjectKind{subject.Name, ""})
			for slot, s := range program.Slots {
				kind := subjectKind{program.Types[s.Type].Name, s.Name}
				if program.Reaches(int32(slot), subject.Number, 0) && !above[kind] {
					t.Fatalf("seed %d: a %s can be in %v, which is not computable for it", seed, subject.Name, kind)
				}
			}
		}
	}
}

// textNumbers numbers the names of a schema in the order of the text.
type textNumbers struct{ schema *schema.Schema }

func (n textNumbers) TypeNumber(name string) (uint16, bool) {
	for i, d := range n.schema.Definitions {
		if d.Name == name {
			return uint16(i + 1), true
		}
	}
	return 0, false
}

func (n textNumbers) RelationNumber(typeName, name string) (uint16, bool) {
	d, _ := n.schema.Definition(typeName)
	for i, member := range d.MemberNames() {
		if member == name {
			return uint16(i + 2), true
		}
	}
	return 0, false
}

func (n textNumbers) CaveatNumber(name string) (uint16, bool) {
	for i, c := range n.schema.Caveats {
		if c.Name == name {
			return uint16(i + 1), true
		}
	}
	return 0, false
}
