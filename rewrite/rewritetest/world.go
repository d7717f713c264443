package rewritetest

import (
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// World is a schema with tuples, by name and by number.
type World struct {
	Schema  *schema.Schema
	Program *schema.Program
	Names   *tuple.Names
	// Named has the stored tuples in the order they were added, and Tuples
	// answers reads of them.
	Named  []tuple.Named
	Tuples *Tuples
}

// New compiles a schema and begins a world without tuples.
func New(s *schema.Schema) (*World, error) {
	names := &tuple.Names{}
	for _, d := range s.Definitions {
		members := make([]string, len(d.Members))
		for i, m := range d.Members {
			members[i] = m.MemberName()
		}
		var err error
		if names, _, err = names.Intern(d.Name, members); err != nil {
			return nil, fmt.Errorf("naming %s: %w", d.Name, err)
		}
	}
	for _, c := range s.Caveats {
		var err error
		if names, _, err = names.InternCaveat(c.Name); err != nil {
			return nil, fmt.Errorf("naming caveat %s: %w", c.Name, err)
		}
	}
	program, err := schema.Compile(s, names)
	if err != nil {
		return nil, err
	}
	return &World{Schema: s, Program: program, Names: names, Tuples: &Tuples{}}, nil
}

// Parse begins a world with a schema's text and tuples' texts.
func Parse(text string, tuples ...string) (*World, error) {
	s, err := schema.Parse("schema", text)
	if err != nil {
		return nil, err
	}
	w, err := New(s)
	if err != nil {
		return nil, err
	}
	for _, text := range tuples {
		if err := w.AddText(text); err != nil {
			return nil, err
		}
	}
	return w, nil
}

// AddText is Add for a tuple's text form.
func (w *World) AddText(text string) error {
	t, err := tuple.Parse(text)
	if err != nil {
		return err
	}
	return w.Add(t)
}

// Add stores a tuple that the schema allows; storing it again changes nothing.
func (w *World) Add(named tuple.Named) error {
	t, ok := w.Names.Tuple(named)
	if !ok {
		return fmt.Errorf("%s: the schema lacks one of its names", named)
	}
	slot, _ := w.Program.SlotByNumber(uint16(t.Object.Type), uint16(t.Relation))
	traits := schema.Traits{Caveat: uint16(t.Traits.Caveat), Expiration: t.Traits.ExpiresNanos != 0}
	for _, direct := range w.Program.Slots[slot].Direct {
		same := direct.SubjectType == uint16(t.Subject.Type) && direct.SubjectRelation == uint16(t.Subject.Relation)
		if same && slices.Contains(direct.Traits, traits) {
			if w.Tuples.Add(t) {
				w.Named = append(w.Named, named)
			}
			return nil
		}
	}
	return fmt.Errorf("%s: the schema does not allow this subject", named)
}

// Userset reads type:id#relation as what a question asks for.
func (w *World) Userset(text string) (slot int32, objectID []byte, err error) {
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		return 0, nil, err
	}
	index, ok := w.Program.TypeByName(typeName)
	if !ok {
		return 0, nil, fmt.Errorf("%s: the schema lacks its type", text)
	}
	slot, ok = w.Program.Slot(index, relation)
	if !ok {
		return 0, nil, fmt.Errorf("%s: the schema lacks its relation", text)
	}
	return slot, []byte(id), nil
}

// Subject reads type:id, type:id#relation or type:*.
func (w *World) Subject(text string) (tuple.Subject, error) {
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		return tuple.Subject{}, err
	}
	s, ok := w.Names.Subject(typeName, id, relation)
	if !ok {
		return tuple.Subject{}, fmt.Errorf("%s: the schema lacks one of its names", text)
	}
	return s, nil
}
