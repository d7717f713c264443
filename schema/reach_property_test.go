package schema_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// A world is a schema with random tuples, for the question what a slot can say
// yes to. Everything is spelled with names and looked at in the plainest way.
type world struct {
	*schema.Schema
	subjects []subject             // all there are, stored or not
	tuples   map[userset][]subject // what each relation of each object stores
	asked    subject               // the current subject
	members  map[userset]bool      // which usersets it is in
}

type object struct{ typeName, id string }

type userset struct {
	object
	name string
}

// subject is an object (relation "") , a userset, or a wildcard (id "*").
type subject struct {
	object
	relation string
}

const idsPerType = 3

func newWorld(rng *rand.Rand, s *schema.Schema) *world {
	w := &world{Schema: s, tuples: make(map[userset][]subject)}
	for _, d := range s.Definitions {
		w.subjects = append(w.subjects, subject{object{d.Name, "*"}, ""})
		for _, o := range objects(d.Name) {
			w.subjects = append(w.subjects, subject{o, ""})
			for _, name := range d.MemberNames() {
				w.subjects = append(w.subjects, subject{o, name})
			}
			for r := range d.Relations() {
				for range rng.IntN(4) {
					of := userset{o, r.Name}
					w.tuples[of] = append(w.tuples[of], randomSubject(rng, r))
				}
			}
		}
	}
	return w
}

func objects(typeName string) (all []object) {
	for i := range idsPerType {
		all = append(all, object{typeName, fmt.Sprint(i)})
	}
	return all
}

func randomSubject(rng *rand.Rand, r *schema.Relation) subject {
	t := r.Types[rng.IntN(len(r.Types))]
	if t.Wildcard {
		return subject{object{t.Type, "*"}, ""}
	}
	return subject{object{t.Type, fmt.Sprint(rng.IntN(idsPerType))}, t.Relation}
}

// find computes all usersets that the subject is in: it adds those that
// follow from the ones found so far until there are no more. Exclusions take nothing
// away, as there may always be a world where what they exclude is empty.
func (w *world) find(s subject) {
	w.asked, w.members = s, make(map[userset]bool)
	for before := -1; before < len(w.members); {
		before = len(w.members)
		for _, d := range w.Definitions {
			for _, o := range objects(d.Name) {
				for _, m := range d.Members {
					if of := (userset{o, m.MemberName()}); w.holds(of, m, s) {
						w.members[of] = true
					}
				}
			}
		}
	}
}

func (w *world) holds(of userset, m schema.Member, s subject) bool {
	if s.object == of.object && s.relation == of.name {
		return true
	}
	if p, ok := m.(*schema.Permission); ok {
		return w.evaluate(of.object, p.Expr)
	}
	for _, stored := range w.tuples[of] {
		wildcard := stored.id == "*" && stored.typeName == s.typeName && s.relation == ""
		if stored == s || wildcard || stored.relation != "" && w.members[userset{stored.object, stored.relation}] {
			return true
		}
	}
	return false
}

func (w *world) evaluate(o object, e schema.Expr) bool {
	switch e := e.(type) {
	case *schema.Ref:
		return w.members[userset{o, e.Name}]
	case *schema.Itself:
		return w.asked.relation == "" && w.asked.object == o
	case *schema.Arrow:
		if e.All() {
			return w.all(o, e)
		}
		for _, stored := range w.tuples[userset{o, e.Relation}] {
			if w.members[userset{stored.object, e.Target}] {
				return true
			}
		}
	case *schema.Binary:
		switch e.Op {
		case schema.Union:
			return w.evaluate(o, e.Left) || w.evaluate(o, e.Right)
		case schema.Intersection:
			return w.evaluate(o, e.Left) && w.evaluate(o, e.Right)
		}
		return w.evaluate(o, e.Left)
	}
	return false
}

// all reports whether every object that a relation of o stores has the subject.
func (w *world) all(o object, e *schema.Arrow) bool {
	for _, stored := range w.tuples[userset{o, e.Relation}] {
		if !w.members[userset{stored.object, e.Target}] {
			return false
		}
	}
	return len(w.tuples[userset{o, e.Relation}]) > 0
}

// reaches asks the program what the world is asked.
func reaches(t *testing.T, p *schema.Program, of userset, s subject) bool {
	t.Helper()
	numbers := make(map[string]uint16)
	for i := range p.Types {
		numbers[p.Types[i].Name] = p.Types[i].Number
	}
	typeIndex, _ := p.TypeByName(of.typeName)
	slot, ok := p.Slot(typeIndex, of.name)
	if !ok {
		t.Fatalf("no slot %v", of)
	}
	relation := uint16(0)
	switch {
	case s.id == "*":
		relation = 1
	case s.relation != "":
		subjectType, _ := p.TypeByName(s.typeName)
		subjectSlot, _ := p.Slot(subjectType, s.relation)
		relation = p.Slots[subjectSlot].Number
	}
	return p.Reaches(slot, numbers[s.typeName], relation)
}

func TestReachNeverDeniesAPossibleYes(t *testing.T) {
	yes, denied := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 4))
		s := schematest.Random(rng, schematest.Options{NegativeRecursion: true, ArrowFunctions: true, Self: true, Caveats: seed%2 == 0, Expiration: true})
		p := mustCompile(t, s)
		w := newWorld(rng, s)
		for _, subject := range w.subjects {
			w.find(subject)
			for of := range w.members {
				yes++
				if !reaches(t, p, of, subject) {
					t.Fatalf("seed %d: %v is in %v, but its kind is not reached\n%s", seed, subject, of, schema.Format(s))
				}
			}
			denied += deniedUsersets(t, p, w, subject)
		}
	}
	if yes < 10_000 || denied < 10_000 {
		t.Errorf("only %d memberships and %d denials: the test tests little", yes, denied)
	}
}

// deniedUsersets counts the usersets that the program says the subject cannot be in.
func deniedUsersets(t *testing.T, p *schema.Program, w *world, s subject) (n int) {
	for _, d := range w.Definitions {
		for _, o := range objects(d.Name) {
			for _, name := range d.MemberNames() {
				if !reaches(t, p, userset{o, name}, s) {
					n++
				}
			}
		}
	}
	return n
}
