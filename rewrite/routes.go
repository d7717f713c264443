package rewrite

import (
	"fmt"
	"slices"

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

// routes returns the ways to a slot.
func (e *Engine) routes(target int32) (*routes, error) {
	made := e.known[target].Load()
	if made == nil {
		made = newRoutes(e.program, target)
		e.known[target].Store(made)
	}
	return made, made.err
}

func newRoutes(p *schema.Program, target int32) *routes {
	s := survey{program: p, entries: make(map[int32][]entry)}
	s.visit(target)
	r := &routes{
		target:    target,
		bySubject: make(map[tuple.Kind][]link),
		bySource:  make(map[int32][]link),
		bySelf:    make(map[tuple.TypeID][]landing),
		same:      s.sameObject(),
		err:       s.err,
	}
	for _, slot := range s.order {
		for _, e := range s.entries[slot] {
			r.enter(p, slot, e)
		}
	}
	for _, links := range r.bySubject {
		r.keepSources(links)
	}
	for _, links := range r.bySource {
		r.keepSources(links)
	}
	return r
}

// entry is a leaf of a slot's expression, and what it says of the slot.
type entry struct {
	node *schema.Node
	way  passage
}

// survey collects the slots that lead to a target.
type survey struct {
	program *schema.Program
	entries map[int32][]entry
	order   []int32
	err     error
}

// visit goes through all that a slot depends on, without recursion: schemas may
// be thousands of slots deep.
func (s *survey) visit(target int32) {
	s.order = append(s.order, target)
	s.entries[target] = nil
	for done := 0; done < len(s.order); done++ {
		slot := s.order[done]
		s.leaves(slot, s.program.Slots[slot].Root, certain)
		for _, e := range s.entries[slot] {
			for _, from := range s.from(slot, e.node) {
				if _, ok := s.entries[from]; !ok {
					s.entries[from] = nil
					s.order = append(s.order, from)
				}
			}
		}
	}
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
func (s *survey) from(slot int32, node *schema.Node) (slots []int32) {
	switch node.Op {
	case schema.This:
		for _, d := range s.program.Slots[slot].Direct {
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

// sameObject finds for each slot what follows from it at the same object.
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
	for _, slot := range s.order {
		all := []landing{{slot, certain}}
		for done := 0; done < len(all); done++ {
			for _, next := range up[all[done].slot] {
				all = reach(all, landing{next.slot, min(next.way, all[done].way)})
			}
		}
		// What was first reached perhaps and then for certain stands twice.
		same[slot] = best(all)
	}
	return same
}

// reach adds a landing unless the list has it as good or better.
func reach(all []landing, l landing) []landing {
	known := slices.ContainsFunc(all, func(k landing) bool { return k.slot == l.slot && k.way >= l.way })
	if known {
		return all
	}
	return append(all, l)
}

// best keeps the last of each slot's landings, which is the surest.
func best(all []landing) (kept []landing) {
	for i, l := range all {
		later := slices.ContainsFunc(all[i+1:], func(k landing) bool { return k.slot == l.slot })
		if !later {
			kept = append(kept, l)
		}
	}
	return kept
}

// enter adds the links by which an entry lets somebody into a slot.
func (r *routes) enter(p *schema.Program, slot int32, e entry) {
	into := &p.Slots[slot]
	switch e.node.Op {
	case schema.This:
		for _, d := range into.Direct {
			kind := tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
			r.bySubject[kind] = r.add(r.bySubject[kind], kind, usersetKind(p, into), slot, e.way)
			if d.Slot >= 0 {
				r.bySource[d.Slot] = r.add(r.bySource[d.Slot], kind, usersetKind(p, into), slot, e.way)
			}
		}
	case schema.Self:
		own := tuple.TypeID(p.Types[into.Type].Number)
		for _, at := range r.same[slot] {
			r.bySelf[own] = best(reach(r.bySelf[own], landing{at.slot, min(at.way, e.way)}))
		}
	case schema.TupleToUserset:
		tupleset := &p.Slots[e.node.Slot]
		for _, a := range e.node.Arrows {
			kind := tuple.Kind{Type: tuple.TypeID(a.SubjectType), Relation: tuple.RelationID(a.SubjectRelation)}
			r.bySource[a.Slot] = r.add(r.bySource[a.Slot], kind, usersetKind(p, tupleset), slot, e.way)
		}
	}
}

// add puts a link into a list, or what it leads to into the one for the same tuples.
func (r *routes) add(links []link, subject, object tuple.Kind, slot int32, way passage) []link {
	i := slices.IndexFunc(links, func(l link) bool { return l.subject == subject && l.object == object })
	if i < 0 {
		i = len(links)
		links = append(links, link{subject: subject, object: object})
	}
	l := &links[i]
	for _, at := range r.same[slot] {
		at.way = min(at.way, way)
		l.lands = best(reach(l.lands, at))
		if at.slot == r.target {
			l.final = max(l.final, at.way)
		}
	}
	return links
}

// keepSources drops the landings from which nothing leads on.
func (r *routes) keepSources(links []link) {
	for i := range links {
		links[i].lands = slices.DeleteFunc(links[i].lands, func(at landing) bool { return len(r.bySource[at.slot]) == 0 })
	}
}
