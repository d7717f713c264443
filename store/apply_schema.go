package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
)

// writeSchema applies a WriteSchema: interns the names, refuses to strand
// tuples, and replaces the schema. A schema equal to the present one is kept.
func (b *batch) writeSchema(revision uint64, c WriteSchema) error {
	names, gained, err := internDefinitions(b.state.names, c.Definitions)
	if err != nil {
		return refuse(err)
	}
	names, caveats, err := internCaveats(names, c.Caveats)
	if err != nil {
		return refuse(err)
	}
	allowed, err := allowedShapes(names, c)
	if err != nil {
		return refuse(err)
	}
	if stranded := b.stranded(allowed); len(stranded) > 0 {
		return refuse(&StrandedError{Stranded: stranded})
	}
	record := encodeSchemaRecord(c)
	if bytes.Equal(record, b.state.schemaRecord) {
		return nil
	}
	for _, g := range gained {
		if err := b.writes.Set(nameKey(g.Type, g.Relation), []byte(g.Name), nil); err != nil {
			return err
		}
	}
	for _, id := range caveats {
		if err := b.writes.Set(caveatKey(id), []byte(names.CaveatName(id)), nil); err != nil {
			return err
		}
	}
	if err := b.writes.Set(schemaKey(revision), record, nil); err != nil {
		return err
	}
	change := Changes{Revision: revision, UnixMillis: c.UnixMillis, Schema: true}
	if b.state.schema != nil {
		change.oldSchema = b.state.schema.Revision
	}
	b.state.names, b.state.allowed, b.state.steps = names, allowed, newGroupSteps(allowed)
	b.newSchema = true
	b.state.schema = &Schema{Revision: revision, Text: c.Text}
	b.state.schemaRecord = record
	return b.writeChanges(change)
}

// stranded lists the shapes that hold tuples and are not allowed.
func (b *batch) stranded(allowed map[tuple.Shape]bool) []Stranded {
	var list []Stranded
	for _, s := range b.state.shapes {
		if n := b.state.counters[s]; n > 0 && !allowed[s] {
			list = append(list, Stranded{Shape: s, Count: n, Text: b.state.names.ShapeText(s)})
		}
	}
	return list
}

// internDefinitions gives every name of a schema its id, in the schema's order.
func internDefinitions(names *tuple.Names, list []Definition) (*tuple.Names, []tuple.Interned, error) {
	var all []tuple.Interned
	for _, d := range list {
		next, gained, err := names.Intern(d.Type, d.Relations)
		if err != nil {
			return nil, nil, fmt.Errorf("definition %s: %w", d.Type, err)
		}
		names, all = next, append(all, gained...)
	}
	return names, all, nil
}

// internCaveats gives every caveat its id, and returns the new ones.
func internCaveats(names *tuple.Names, list []string) (*tuple.Names, []tuple.CaveatID, error) {
	var gained []tuple.CaveatID
	for _, name := range list {
		next, id, err := names.InternCaveat(name)
		if err != nil {
			return nil, nil, fmt.Errorf("caveat %s: %w", name, err)
		}
		if next != names {
			gained = append(gained, id)
		}
		names = next
	}
	return names, gained, nil
}

// allowedShapes returns what a schema allows to be stored.
func allowedShapes(names *tuple.Names, c WriteSchema) (map[tuple.Shape]bool, error) {
	allowed := make(map[tuple.Shape]bool)
	for _, d := range c.Definitions {
		t, _ := names.Type(d.Type)
		for _, a := range d.Allowed {
			relation, ok := names.Relation(t, a.Relation)
			if !ok {
				return nil, fmt.Errorf("%w: %s#%s is not defined", ErrBadCommand, d.Type, a.Relation)
			}
			kind, ok := allowedKind(names, a)
			if !ok {
				return nil, fmt.Errorf("%w: %s#%s allows the undefined %s#%s",
					ErrBadCommand, d.Type, a.Relation, a.SubjectType, a.SubjectRelation)
			}
			shape := tuple.Shape{Type: t, Relation: relation, Subject: kind, Expires: a.Expires}
			if a.Caveat != "" {
				if shape.Caveat, ok = names.Caveat(a.Caveat); !ok || !slices.Contains(c.Caveats, a.Caveat) {
					return nil, fmt.Errorf("%w: %s#%s needs the undefined caveat %s", ErrBadCommand, d.Type, a.Relation, a.Caveat)
				}
			}
			allowed[shape] = true
		}
	}
	return allowed, nil
}

func allowedKind(names *tuple.Names, a Allowed) (tuple.Kind, bool) {
	t, ok := names.Type(a.SubjectType)
	if !ok || a.Wildcard {
		return tuple.Kind{Type: t, Relation: tuple.Wildcard}, ok && a.SubjectRelation == ""
	}
	if a.SubjectRelation == "" {
		return tuple.Kind{Type: t, Relation: tuple.Self}, true
	}
	r, ok := names.Relation(t, a.SubjectRelation)
	return tuple.Kind{Type: t, Relation: r}, ok
}
