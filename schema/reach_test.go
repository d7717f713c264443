package schema

import (
	"slices"
	"strings"
	"testing"
)

// reached spells the kinds that a slot, given as type#name, can say yes for.
func reached(t *testing.T, p *Program, userset string) string {
	t.Helper()
	slot := slotNamed(t, p, userset)
	var kinds []string
	for _, typ := range p.Types {
		if p.Reaches(slot, typ.Number, selfNumber) {
			kinds = append(kinds, typ.Name)
		}
		if p.Reaches(slot, typ.Number, wildcardNumber) {
			kinds = append(kinds, typ.Name+":*")
		}
		for _, s := range p.Slots[typ.FirstSlot : typ.FirstSlot+typ.SlotCount] {
			if p.Reaches(slot, typ.Number, s.Number) {
				kinds = append(kinds, typ.Name+"#"+s.Name)
			}
		}
	}
	slices.Sort(kinds)
	return strings.Join(kinds, " ")
}

func slotNamed(t *testing.T, p *Program, userset string) int32 {
	t.Helper()
	typeName, name, _ := strings.Cut(userset, "#")
	typeIndex, ok := p.TypeByName(typeName)
	if !ok {
		t.Fatalf("no type %s", typeName)
	}
	slot, ok := p.Slot(typeIndex, name)
	if !ok {
		t.Fatalf("no slot %s", userset)
	}
	return slot
}

func TestReachIsWhatTheOperatorsLeavePossible(t *testing.T) {
	p := mustCompile(t, `
definition user {}
definition bot {}
definition team {
	relation member: user | team#member
	relation guest: user:*
}
definition folder {
	relation parent: folder
	relation reader: user | team#member
	permission read = reader + parent->read
}
definition doc {
	relation place: folder | team
	relation robot: bot
	relation human: user
	relation guest: team#guest
	permission none = nil
	permission either = robot + human
	permission both = either & human
	permission never = robot & human
	permission kept = robot - human
	permission inherited = place->read
	permission located = place->member
	permission selves = robot & both
	permission alias = both
}
`)
	cases := map[string]string{
		"team#member":   "team#member user",
		"team#guest":    "team#guest user user:*",
		"folder#parent": "folder folder#parent",
		"folder#reader": "folder#reader team#member user",
		"folder#read":   "folder#read folder#reader team#member user",
		"doc#guest":     "doc#guest team#guest user user:*",
		"doc#none":      "doc#none",
		"doc#either":    "bot doc#either doc#human doc#robot user",
		"doc#both":      "doc#both doc#human user",
		"doc#never":     "doc#never",
		"doc#kept":      "bot doc#kept doc#robot",
		"doc#inherited": "doc#inherited folder#read folder#reader team#member user",
		"doc#located":   "doc#located team#member user",
		"doc#selves":    "doc#selves",
		"doc#alias":     "doc#alias doc#both doc#human user",
	}
	for userset, want := range cases {
		if got := reached(t, p, userset); got != want {
			t.Errorf("%s reaches\n\t%s, want\n\t%s", userset, got, want)
		}
	}
}

func TestReachGoesRoundMutualRecursion(t *testing.T) {
	p := mustCompile(t, `
definition user {}
definition bot {}
definition left {
	relation right: right
	relation own: user
	relation all: right#seen
	permission seen = own + right->seen
	permission narrow = seen & right->seen
}
definition right {
	relation left: left
	relation own: bot
	permission seen = own + left->seen + left->all
}
`)
	const common = "bot left#all left#own left#seen right#own right#seen user"
	for _, userset := range []string{"left#all", "left#seen", "right#seen"} {
		if got := reached(t, p, userset); got != common {
			t.Errorf("%s reaches\n\t%s, want\n\t%s", userset, got, common)
		}
	}
	if got, want := reached(t, p, "left#narrow"), "bot left#all left#narrow left#own left#seen right#own right#seen user"; got != want {
		t.Errorf("left#narrow reaches\n\t%s, want\n\t%s", got, want)
	}
}

func TestReachOfUnknownKindsIsFalse(t *testing.T) {
	p := mustCompile(t, "definition user {}\ndefinition doc {\n\trelation owner: user\n}\n")
	slot := slotNamed(t, p, "doc#owner")
	for _, kind := range [][2]uint16{{0, 0}, {9, selfNumber}, {1, 9}, {9, 9}} {
		if p.Reaches(slot, kind[0], kind[1]) {
			t.Errorf("reaches kind %v, which the schema does not have", kind)
		}
	}
}

func TestWideningMissesNothing(t *testing.T) {
	p := mustCompile(t, `
definition user {}
definition doc {
	relation parent: doc
	relation owner: user
	relation other: user
	permission deep = owner & (other + parent->deep)
	permission side = parent->deep - owner
}
`)
	r := reacher{Program: p, words: len(p.reach[0])}
	exact := make([]bitset, len(p.reach))
	var all []int32
	for slot := range p.reach {
		exact[slot] = slices.Clone(p.reach[slot])
		clear(p.reach[slot])
		p.reach[slot].add(p.slotKind(int32(slot)))
		all = append(all, int32(slot))
	}
	r.widen(all)
	for slot, want := range exact {
		if lacks(p.reach[slot], want) {
			t.Errorf("%s: widened reach lacks kinds of the exact one", p.Slots[slot].Name)
		}
	}
}

// lacks reports whether s misses something of want.
func lacks(s, want bitset) bool { return slices.Clone(s).or(want) }
