package schema

import (
	"fmt"
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

func TestALongWayThroughDataIsFollowedExactly(t *testing.T) {
	const length = 10 * maxReachPasses
	for _, step := range []int{1, length - 1, 7} { // the ways may go with and against the text
		var b strings.Builder
		b.WriteString("definition user {}\ndefinition bot {}\ndefinition doc {\nrelation parent: doc\nrelation own: user\nrelation robot: bot\n")
		for i := range length {
			fmt.Fprintf(&b, "permission p%03d = parent->p%03d\n", i, (i+step)%length)
		}
		// Were the intersection taken for a union, bots would be everywhere.
		b.WriteString("permission narrow = own + (robot & parent->p000)\npermission entry = parent->p000 + parent->narrow\n}")
		p := mustCompile(t, strings.Replace(b.String(), "permission p005 =", "permission p005 = parent->narrow +", 1))
		for _, userset := range []string{"doc#p000", "doc#p004", "doc#p300", "doc#entry"} {
			slot := slotNamed(t, p, userset)
			user, _ := p.TypeByName("user")
			bot, _ := p.TypeByName("bot")
			if !p.Reaches(slot, p.Types[user].Number, selfNumber) || p.Reaches(slot, p.Types[bot].Number, selfNumber) {
				t.Errorf("step %d: %s must reach user and not bot", step, userset)
			}
		}
	}
}

func TestAComponentThatTakesTooManyPassesReachesTooMuchRatherThanTooLittle(t *testing.T) {
	p := mustCompile(t, `
definition user {}
definition bot {}
definition doc {
	relation parent: doc
	relation owner: user
	relation other: user
	relation robot: bot
	permission deep = owner & (other + parent->deep)
	permission side = (parent->deep - owner) + (robot & parent->side)
	permission last = parent->first
	permission first = parent->side + parent->last
}
`)
	exact := slices.Clone(p.reach)
	g := newGraph(p)
	for passes := range 3 {
		p.reach = nil
		r := reacher{Program: p, words: len(exact[0]), passes: passes}
		for slot := range exact {
			p.reach = append(p.reach, make(bitset, r.words))
			p.reach[slot].add(p.slotKind(int32(slot)))
		}
		for _, component := range g.components {
			r.settle(component)
		}
		for slot, want := range exact {
			if lacks(p.reach[slot], want) {
				t.Errorf("%d passes: %s lacks kinds that it reaches", passes, p.Slots[slot].Name)
			}
		}
	}
}

// lacks reports whether s misses something of want.
func lacks(s, want bitset) bool { return slices.Clone(s).or(want) }
