package rewrite

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// routes are the ways on which a subject can come to be in a target slot: the
// rewrite read against its direction. They are compiled from the schema, once
// for each target that is asked for.
//
//	user:alice ──link──> team#member ──link──> repository#reader ─ same object ─> repository#read
//
// A source is a slot whose members are handed on through tuples: by the
// usersets that relations store, and by arrows. A link is one shape of such
// tuples; whoever follows it lands at an object, in the slots of that object
// which follow from it.
//
// Whoever is in an intersection is in each of its operands, so the way through
// one of them finds all; whoever is in an exclusion is in its first operand.
// Such a way shows who may be there, and is not certain.
type routes struct {
	target int32
	// bySubject has the links of stored subjects, by the kind stored, and
	// bySource those of the members of a slot.
	bySubject map[tuple.Kind][]link
	bySource  map[int32][]link
	// bySelf has the slots of a type that have the object itself as a subject.
	bySelf map[tuple.TypeID][]landing
	// same says for each slot on the way in which slots its members are at the
	// same object, itself among them.
	same map[int32][]landing
	err  error // the program holds what nobody can follow
}

// link is a shape of tuples that lead on.
type link struct {
	subject tuple.Kind // as stored; the id is that of the subject or source
	object  tuple.Kind // the type and relation of the objects that store it
	// lands are the sources at the object; final says whether its target slot
	// is reached.
	lands []landing
	final passage
}

// landing is a slot that is reached, for certain or perhaps.
type landing struct {
	slot int32
	way  passage
}

// passage is what a way says about who took it.
type passage uint8

const (
	closed  passage = iota // there is no way
	perhaps                // only those who took it can be there
	certain                // whoever took it is there
)

// Where each of n permissions follows from the others there are n² ways between
// them. What a schema may take of them at all is bounded, and what an engine keeps
// of all its targets together.
const (
	maxWays     = 1 << 22
	maxKeptWays = 1 << 21
)

// routes returns the ways to a slot.
func (e *Engine) routes(target int32) (*routes, error) {
	return e.keep(&e.known[target], func() (*routes, int) { return newRoutes(e.program, target, nil) })
}

// waysTo returns the ways to a leaf of a sieve. It is a slot of its own, whose
// number is behind those of the others.
func (e *Engine) waysTo(l *leaf) (*routes, error) {
	return e.keep(&l.ways, func() (*routes, int) { return newRoutes(e.program, int32(len(e.program.Slots)), l) })
}

// keep returns what was made before, or makes it and keeps it if there is room.
func (e *Engine) keep(known *atomic.Pointer[routes], make func() (*routes, int)) (*routes, error) {
	made := known.Load()
	if made == nil {
		var ways int
		made, ways = make()
		if e.keptWays.Add(int64(ways)) <= maxKeptWays {
			known.Store(made)
		} else {
			e.keptWays.Add(int64(-ways))
		}
	}
	return made, made.err
}

// newRoutes also says how many ways there are. The target is a slot of the program,
// or stands for a leaf.
func newRoutes(p *schema.Program, target int32, l *leaf) (*routes, int) {
	s := survey{program: p, target: target, leaf: l, entries: make(map[int32][]entry), matters: map[int32]bool{target: true}, best: make([]passage, len(p.Slots)+1)}
	s.visit()
	r := &routes{
		target:    target,
		bySubject: make(map[tuple.Kind][]link),
		bySource:  make(map[int32][]link),
		bySelf:    make(map[tuple.TypeID][]landing),
	}
	r.same = s.sameObject()
	for _, slot := range s.order {
		for _, e := range s.entries[slot] {
			r.enter(&s, slot, e)
		}
	}
	for _, links := range r.bySubject {
		r.settle(&s, links)
	}
	for _, links := range r.bySource {
		r.settle(&s, links)
	}
	for own, all := range r.bySelf {
		r.bySelf[own] = s.surest(all)
	}
	if s.err != nil {
		return &routes{err: s.err}, 1
	}
	return r, s.ways
}

// entry is a leaf of a slot's expression, and what it says of the slot.
type entry struct {
	node *schema.Node
	way  passage
}

// survey collects the slots that lead to a target.
type survey struct {
	program *schema.Program
	target  int32
	leaf    *leaf // what the target stands for, if it is no slot of the program
	entries map[int32][]entry
	order   []int32
	// matters has the target and the slots whose members are handed on: it is
	// to these only that a way is worth noting.
	matters map[int32]bool
	best    []passage // by slot, all closed: scratch
	ways    int
	err     error
}

// spend counts ways, and reports whether there may be as many.
func (s *survey) spend(ways int) bool {
	if s.ways += ways; s.ways > maxWays && s.err == nil {
		s.err = &WorkError{Unit: "ways through the schema", Limit: maxWays}
	}
	return s.err == nil
}

// visit goes through all that a slot depends on, without recursion: schemas may
// be thousands of slots deep.
func (s *survey) visit() {
	s.order = append(s.order, s.target)
	s.entries[s.target] = nil
	for done := 0; done < len(s.order); done++ {
		slot := s.order[done]
		for _, n := range s.expressions(slot) {
			s.leaves(slot, n, certain)
		}
		for _, e := range s.entries[slot] {
			for _, from := range s.from(e.node) {
				s.matters[from] = s.matters[from] || e.node.Op != schema.ComputedUserset
				if _, ok := s.entries[from]; !ok {
					s.entries[from] = nil
					s.order = append(s.order, from)
				}
			}
		}
	}
}

// expressions are those whose union is a slot.
func (s *survey) expressions(slot int32) []int32 {
	if slot == s.target && s.leaf != nil {
		return s.leaf.nodes
	}
	return []int32{s.program.Slots[slot].Root}
}

// typeOf is the type of a slot's objects, as an index of the program.
func (s *survey) typeOf(slot int32) int32 {
	if slot == s.target && s.leaf != nil {
		slot = s.leaf.home
	}
	return s.program.Slots[slot].Type
}

// leaves adds the entries of an expression.
func (s *survey) leaves(slot, n int32, way passage) {
	node := &s.program.Nodes[n]
	switch node.Op {
	case schema.UnionOf:
		for _, operand := range node.Operands {
			s.leaves(slot, operand, way)
		}
	case schema.IntersectionOf:
		s.leaves(slot, node.Cheap[0], perhaps)
	case schema.ExclusionOf:
		s.leaves(slot, node.Operands[0], perhaps)
	case schema.This, schema.ComputedUserset, schema.TupleToUserset, schema.Self:
		if node.All {
			way = perhaps
		}
		s.entries[slot] = append(s.entries[slot], entry{node, way})
	case schema.Nothing:
	default:
		s.err = fmt.Errorf("%w: %d", ErrProgram, node.Op)
	}
}

// from lists the slots whose members an entry takes.
func (s *survey) from(node *schema.Node) (slots []int32) {
	switch node.Op {
	case schema.This:
		for _, d := range s.program.Slots[node.Slot].Direct {
			if d.Slot >= 0 {
				slots = append(slots, d.Slot)
			}
		}
	case schema.ComputedUserset:
		slots = append(slots, node.Slot)
	case schema.TupleToUserset:
		for _, a := range node.Arrows {
			slots = append(slots, a.Slot)
		}
	}
	return slots
}

// sameObject finds for each slot what follows from it at the same object, of the
// slots that matter.
func (s *survey) sameObject() map[int32][]landing {
	up := make(map[int32][]landing)
	for _, slot := range s.order {
		for _, e := range s.entries[slot] {
			if e.node.Op == schema.ComputedUserset {
				up[e.node.Slot] = append(up[e.node.Slot], landing{slot, e.way})
			}
		}
	}
	same := make(map[int32][]landing, len(s.order))
	var all []landing
	for _, slot := range s.order {
		all = append(all[:0], landing{slot, certain})
		s.best[slot] = certain
		// What is first reached perhaps and then for certain comes twice.
		for done := 0; done < len(all) && s.spend(1+len(up[all[done].slot])); done++ {
			for _, next := range up[all[done].slot] {
				if way := min(next.way, all[done].way); way > s.best[next.slot] {
					s.best[next.slot] = way
					all = append(all, landing{next.slot, way})
				}
			}
		}
		same[slot] = s.surest(all)
	}
	return same
}

// surest lists the slots that matter of a list of landings, each once and with
// the surest of its ways. It leaves the scratch clean.
func (s *survey) surest(all []landing) (kept []landing) {
	for _, l := range all {
		s.best[l.slot] = max(s.best[l.slot], l.way)
	}
	for _, l := range all {
		if s.best[l.slot] != closed && s.matters[l.slot] {
			kept = append(kept, landing{l.slot, s.best[l.slot]})
		}
		s.best[l.slot] = closed
	}
	return kept
}

// enter adds the links by which an entry lets somebody into a slot.
func (r *routes) enter(s *survey, slot int32, e entry) {
	p := s.program
	switch e.node.Op {
	case schema.This:
		into := &p.Slots[e.node.Slot]
		for _, d := range into.Direct {
			kind := tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
			r.bySubject[kind] = r.add(s, r.bySubject[kind], kind, usersetKind(p, into), slot, e.way)
			if d.Slot >= 0 {
				r.bySource[d.Slot] = r.add(s, r.bySource[d.Slot], kind, usersetKind(p, into), slot, e.way)
			}
		}
	case schema.Self:
		own := tuple.TypeID(p.Types[s.typeOf(slot)].Number)
		r.bySelf[own] = r.land(s, r.bySelf[own], slot, e.way)
	case schema.TupleToUserset:
		tupleset := &p.Slots[e.node.Slot]
		for _, a := range e.node.Arrows {
			kind := tuple.Kind{Type: tuple.TypeID(a.SubjectType), Relation: tuple.RelationID(a.SubjectRelation)}
			r.bySource[a.Slot] = r.add(s, r.bySource[a.Slot], kind, usersetKind(p, tupleset), slot, e.way)
		}
	}
}

// land adds what follows at an object whose slot is reached.
func (r *routes) land(s *survey, lands []landing, slot int32, way passage) []landing {
	if !s.spend(len(r.same[slot])) {
		return lands
	}
	for _, at := range r.same[slot] {
		lands = append(lands, landing{at.slot, min(at.way, way)})
	}
	return lands
}

// add puts a link into a list, or what it leads to into the one for the same tuples.
func (r *routes) add(s *survey, links []link, subject, object tuple.Kind, slot int32, way passage) []link {
	i := slices.IndexFunc(links, func(l link) bool { return l.subject == subject && l.object == object })
	if i < 0 {
		i = len(links)
		links = append(links, link{subject: subject, object: object})
	}
	links[i].lands = r.land(s, links[i].lands, slot, way)
	return links
}

// settle makes each landing of links one, notes whether the target is among them,
// and drops those from which nothing leads on.
func (r *routes) settle(s *survey, links []link) {
	for i := range links {
		l := &links[i]
		l.lands = s.surest(l.lands)
		for _, at := range l.lands {
			if at.slot == r.target {
				l.final = at.way
			}
		}
		l.lands = slices.DeleteFunc(l.lands, func(at landing) bool { return len(r.bySource[at.slot]) == 0 })
	}
}
