package store

import (
	"cmp"
	"slices"

	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// groupSteps says which tuples are those of groups, by the relation that stores
// them: each with the kinds of group that may follow from them.
//
// A group is a userset that some relation stores. The store does not know what a
// permission is made of, so it takes a permission that is stored to be made of all
// relations of its type: more than there is, and nothing is missing.
type groupSteps map[tuple.Kind][]tuple.Kind

// newGroupSteps finds the steps among the shapes that a schema allows.
func newGroupSteps(allowed map[tuple.Shape]bool) groupSteps {
	relations := make(map[tuple.Kind]bool)       // that store anything
	storedIn := make(map[tuple.Kind]relationSet) // by group, the relations that store it
	for s := range allowed {
		relation := tuple.Kind{Type: s.Type, Relation: s.Relation}
		relations[relation] = true
		if s.Subject.Relation >= tuple.FirstRelation {
			if storedIn[s.Subject] == nil {
				storedIn[s.Subject] = make(relationSet)
			}
			storedIn[s.Subject][relation] = true
		}
	}
	into := make(map[tuple.Kind][]tuple.Kind) // by relation, the groups that it is a part of
	for group := range storedIn {
		if relations[group] {
			into[group] = append(into[group], group)
			continue
		}
		for relation := range relations {
			if relation.Type == group.Type {
				into[relation] = append(into[relation], group)
			}
		}
	}
	steps := make(groupSteps, len(into))
	for relation := range into {
		steps[relation] = follow(relation, into, storedIn)
	}
	return steps
}

type relationSet map[tuple.Kind]bool

// follow lists the groups that may follow from the members of a relation, in order.
func follow(relation tuple.Kind, into map[tuple.Kind][]tuple.Kind, storedIn map[tuple.Kind]relationSet) []tuple.Kind {
	var groups []tuple.Kind
	found := make(map[tuple.Kind]bool)
	seen := relationSet{relation: true}
	for queue := []tuple.Kind{relation}; len(queue) > 0; queue = queue[1:] {
		for _, group := range into[queue[0]] {
			if found[group] {
				continue
			}
			found[group] = true
			groups = append(groups, group)
			for next := range storedIn[group] {
				if !seen[next] {
					seen[next] = true
					queue = append(queue, next)
				}
			}
		}
	}
	slices.SortFunc(groups, func(a, b tuple.Kind) int {
		return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Relation, b.Relation))
	})
	return groups
}

// announceGroups tells loads of groups that what is to be ended changes some.
func (b *batch) announceGroups() {
	if b.db.groups == nil {
		return
	}
	changes := b.newSchema
	for i := range b.changed {
		if c := &b.changed[i]; !changes {
			_, changes = b.state.steps[tuple.Kind{Type: c.object.Type, Relation: c.relation}]
		}
	}
	if changes {
		b.db.groups.Announce(b.state.applied)
	}
}

// endGroups ends what is kept of the groups that were changed. After a new schema
// nothing is left to be ended.
func (b *batch) endGroups() {
	if b.db.groups == nil {
		return
	}
	if b.newSchema {
		b.db.groups.Clear()
		b.newSchema = false
		return
	}
	for i := range b.changed {
		c := &b.changed[i]
		if targets, ok := b.state.steps[tuple.Kind{Type: c.object.Type, Relation: c.relation}]; ok {
			b.db.groups.Step(c.subject, targets)
		}
	}
}

// Groups returns what is kept of the groups that subjects are in, for a reader that
// evaluates by the schema which a revision wrote; nil if there is nothing, or if
// that is not the newest schema: what the apply ends follows from that one.
func (n *Snapshot) Groups(schemaRevision uint64) (*tupleset.Groups, uint64) {
	if n.view.schema == nil || n.view.schema.Revision != schemaRevision || n.revision < schemaRevision {
		return nil, 0
	}
	return n.view.db.groups, n.revision
}
