package schema

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// backwards numbers names from the last to the first, with holes.
func backwards(s *Schema) numbers {
	n := numbered(s)
	for name, number := range n.types {
		n.types[name] = 65000 - 10*number
	}
	for name, number := range n.relations {
		n.relations[name] = 65000 - 10*number
	}
	return n
}

func TestProgramsUseTheNumbersOfTheStore(t *testing.T) {
	s := mustLoad(t, `
definition user {}
definition team {
	relation member: user
	relation lead: user
	permission read = member
}
definition doc {
	relation owner: user | team#member | user:* | team#lead | team
	relation parent: doc | team
	permission read = parent->read
}
`)
	p, err := Compile(s, backwards(s))
	if err != nil {
		t.Fatal(err)
	}
	const user, team, doc = 64990, 64980, 64970
	const first, second, third = 64980, 64970, 64960 // members of a type
	owner := p.Slots[slotNamed(t, p, "doc#owner")]
	if diff := cmp.Diff([]Direct{
		{team, selfNumber, -1, []Traits{{}}},
		{team, second, slotNamed(t, p, "team#lead"), []Traits{{}}},
		{team, first, slotNamed(t, p, "team#member"), []Traits{{}}},
		{user, selfNumber, -1, []Traits{{}}},
		{user, wildcardNumber, -1, []Traits{{}}},
	}, owner.Direct); diff != "" {
		t.Errorf("what doc#owner stores: -want +got:\n%s", diff)
	}
	arrow := p.Nodes[p.Slots[slotNamed(t, p, "doc#read")].Root]
	if diff := cmp.Diff([]ArrowTarget{
		{doc, selfNumber, slotNamed(t, p, "doc#read")},
		{team, selfNumber, slotNamed(t, p, "team#read")},
	}, arrow.Arrows); diff != "" {
		t.Errorf("where parent->read leads: -want +got:\n%s", diff)
	}
	if !p.Reaches(slotNamed(t, p, "doc#read"), team, third) || p.Reaches(slotNamed(t, p, "doc#read"), team, second) {
		t.Error("doc#read must reach team#read and not team#lead")
	}
}

func TestNamesAndNumbersFindTheSameSlots(t *testing.T) {
	s := mustLoad(t, "definition user {}\ndefinition team {\n\trelation member: user\n}\ndefinition doc {\n\trelation member: team#member\n\tpermission read = member\n}\n")
	n := backwards(s)
	p, err := Compile(s, n)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for i, typ := range p.Types {
		byName, _ := p.TypeByName(typ.Name)
		byNumber, _ := p.TypeByNumber(n.types[typ.Name])
		if byName != int32(i) || byNumber != int32(i) {
			t.Errorf("type %s is %d by name and %d by number, want %d", typ.Name, byName, byNumber, i)
		}
		for slot := typ.FirstSlot; slot < typ.FirstSlot+typ.SlotCount; slot++ {
			found++
			s := p.Slots[slot]
			byName, _ := p.Slot(int32(i), s.Name)
			byNumber, _ := p.SlotByNumber(typ.Number, n.relations[[2]string{typ.Name, s.Name}])
			if byName != slot || byNumber != slot || s.Type != int32(i) {
				t.Errorf("%s#%s is slot %d by name and %d by number, want %d", typ.Name, s.Name, byName, byNumber, slot)
			}
			if s.Permission != (s.Name == "read") {
				t.Errorf("%s#%s: Permission is %t", typ.Name, s.Name, s.Permission)
			}
		}
	}
	if found != len(p.Slots) || found != 3 {
		t.Errorf("the types have %d slots of %d", found, len(p.Slots))
	}
}

func TestUnknownNamesAndNumbersAreNotFound(t *testing.T) {
	p := mustCompile(t, "definition user {}\ndefinition doc {\n\trelation owner: user\n}\n")
	_, type1 := p.TypeByName("dock")
	_, type2 := p.TypeByNumber(3)
	_, slot1 := p.Slot(0, "owner")
	_, slot2 := p.Slot(1, "ownr")
	_, slot3 := p.SlotByNumber(2, 3)
	_, slot4 := p.SlotByNumber(1, 2)
	_, kind1 := p.Kind(3, 0)
	_, kind2 := p.Kind(1, 2)
	for i, ok := range []bool{type1, type2, slot1, slot2, slot3, slot4, kind1, kind2} {
		if ok {
			t.Errorf("look-up %d found something", i+1)
		}
	}
}

// This is what an evaluator relies on to go through a program without checks
// of its own.
func TestTheNodesOfASlotAreATree(t *testing.T) {
	p := mustCompile(t, "definition user {}\ndefinition doc {\n\trelation own: user\n\trelation parent: doc\n"+
		"\tpermission all = own + (nil & parent->all - own) - (own + own) & some\n\tpermission some = own\n}\n")
	used := make([]int, len(p.Nodes))
	for slot := range p.Slots {
		used[p.Slots[slot].Root]++
		for i := range p.nodesOf(int32(slot)) {
			n := p.Nodes[i]
			for _, operand := range n.Operands {
				used[operand]++
				if operand >= i {
					t.Errorf("node %d has operand %d, which does not stand before it", i, operand)
				}
			}
			if diff := cmp.Diff(sorted(n.Operands), sorted(n.Cheap)); diff != "" {
				t.Errorf("node %d has other cheap operands than operands:\n%s", i, diff)
			}
			if n.Op == ExclusionOf && (len(n.Operands) != 2 || n.Cheap[0] != n.Operands[0]) {
				t.Errorf("exclusion %d does not keep its base first: %v, %v", i, n.Operands, n.Cheap)
			}
		}
	}
	for i, n := range used {
		if n != 1 {
			t.Errorf("node %d is used %d times", i, n)
		}
	}
}

func sorted(nodes []int32) []int32 { return slices.Sorted(slices.Values(nodes)) }

func TestEveryArrowOverOneRelationSharesItsTargets(t *testing.T) {
	p := mustCompile(t, "definition doc {\n\trelation parent: doc\n\tpermission one = parent->two\n\tpermission two = parent->two + parent->one\n}\n")
	var targets []*ArrowTarget
	for i := range p.Nodes {
		if p.Nodes[i].Op == TupleToUserset {
			targets = append(targets, &p.Nodes[i].Arrows[0])
		}
	}
	if len(targets) != 3 || targets[0] != targets[1] || targets[0] == targets[2] {
		t.Errorf("targets at %v", targets)
	}
}

func TestRecursionThroughDataCostsMoreThanAnyLongWayWithoutIt(t *testing.T) {
	p := mustCompile(t, "definition user {}\ndefinition doc {\n\trelation own: user\n\trelation parent: doc\n"+
		"\tpermission wide = "+strings.Repeat("parent->own + ", 50)+"own\n"+
		"\tpermission deep = own + parent->deep\n"+
		"\tpermission both = deep & wide\n}\n")
	root := p.Nodes[p.Slots[slotNamed(t, p, "doc#both")].Root]
	if root.Cheap[0] != root.Operands[1] || root.Cheap[1] != root.Operands[0] {
		t.Errorf("operands %v are tried in the order %v", root.Operands, root.Cheap)
	}
}
