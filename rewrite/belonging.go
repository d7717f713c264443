package rewrite

import (
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// belonging is what is known of the groups of one kind that the run's subject is in.
type belonging struct {
	turn uint64 // of the run's subject that it is of
	// sections are the groups of the subject, and those of the wildcard that
	// covers it; some belong to both.
	sections [2]tupleset.Section
	count    int
	// whole says that there are no others, not under conditions either: who is not
	// in a group here is not in it.
	whole bool
	// refused says that there is no use in trying to find out more.
	refused bool
}

// has reports whether the subject is known to be in a group.
func (b *belonging) has(id []byte) bool { return b.sections[0].Has(id) || b.sections[1].Has(id) }

// kept is what a run has at hand of groups.
type kept struct {
	view tupleset.GroupView
	turn uint64 // counts the run's subjects
	all  []belonging
	// met is how many groups the search has gone through for the present subject.
	met   int
	loads [2]*groupLoad
}

// release lets go of what is not to be held until the next call.
func (k *kept) release() {
	k.view.Close()
	for i, l := range k.loads {
		if l != nil && cap(l.goals.list) > keepLoaded {
			k.loads[i] = nil
		}
	}
}

// keepLoaded is how many groups scratch may hold.
const keepLoaded = 1 << 10

// belonging returns what is known of the groups of a kind that the subject is in.
func (r *run) belonging(k int32) *belonging {
	b := &r.kept.all[k]
	if b.turn != r.kept.turn {
		r.lookUpGroups(b, k)
	}
	return b
}

func (r *run) lookUpGroups(b *belonging, k int32) {
	*b = belonging{turn: r.kept.turn}
	// A subject without an id stands for all of which no tuple speaks.
	if !r.kept.view.On() || len(r.subject.ID) == 0 {
		b.refused = true
		return
	}
	f := r.engine.groups.family(k)
	b.whole = true
	b.add(0, r.kept.view.Look(r.subject, f.target), f)
	if r.covered(f) {
		b.add(1, r.kept.view.Look(r.wildcard, f.target), f)
	}
}

// covered reports whether a wildcard can bring the subject into groups of a family.
func (r *run) covered(f *family) bool {
	return r.subject.Relation == tuple.Self && f.wildcards[r.subject.Type]
}

// add takes in what is kept of the subject or its wildcard.
func (b *belonging) add(i int, set *tupleset.Set, f *family) {
	if set == nil {
		b.whole = false
		return
	}
	section, held := set.Section(f.target)
	b.sections[i] = section
	b.count += section.Len()
	b.whole = b.whole && held && set.Unconditional()
	b.refused = b.refused || !held
}

// membership answers a goal by what is kept of the subject's groups, if it can.
func (r *run) membership(g int32) (found value, known bool) {
	goal := &r.goals.list[g]
	k := r.engine.groups.of[goal.slot]
	if k == noGroup {
		return no, false
	}
	b := r.belonging(k)
	switch {
	case b.count > 0 && b.has(r.goals.id(g)):
		goal.state = settledYes
		return yes, true
	case b.whole:
		goal.state = settledNo
		return no, true
	}
	return no, false
}

// anyGroup is anyOf where the target is a kind of group of which it is known in
// which the subject is: yes if the relation stores one of them. The fewer are gone
// through, those that are stored or those that the subject is in.
func (r *run) anyGroup(g int32, relation *schema.Slot, kind tuple.Kind, target int32, hops int) (found outcome, known bool, err error) {
	b := r.belonging(r.engine.groups.of[target])
	switch {
	case b.count == 0, !b.whole && b.count > pageSize:
		return isNo, b.whole, nil
	case b.count > fewGroups:
		read := r.read(hops)
		if err := r.stretch(read, g, relation, kind, min(b.count, pageSize)); err != nil {
			return isUnclear, false, err
		}
		if !read.page.More {
			found, err := r.storedAmong(b, &read.page)
			return found, b.whole || found.value == yes, err
		}
	}
	found, err = r.amongStored(b, g, relation, kind)
	return found, b.whole || found.value == yes, err
}

// fewGroups are looked for one by one, however few are stored.
const fewGroups = 2

// stretch reads the first subjects of one kind that a relation stores at goal g's object.
func (r *run) stretch(read *reading, g int32, relation *schema.Slot, kind tuple.Kind, limit int) error {
	object := r.object(g)
	r.cost.Reads++
	err := r.reader.Subjects(object, tuple.RelationID(relation.Number), kind, nil, limit, &read.page)
	if err = checkPage(&read.page, err); err != nil {
		return r.readError(object, relation, err)
	}
	return nil
}

// storedAmong looks for what is stored among the groups of the subject.
func (r *run) storedAmong(b *belonging, page *tuple.Page) (outcome, error) {
	sum := isNo
	if err := r.spend(page.Len()); err != nil {
		return isUnclear, err
	}
	for i := range page.Len() {
		if !b.has(page.ID(i)) {
			continue
		}
		counts, err := r.condition(page.Traits(i))
		switch {
		case err != nil:
			return isUnclear, err
		case counts.value() == yes:
			return isYes, nil
		case counts.value() == undecided:
			sum = isUnclear
		}
	}
	return sum, nil
}

// amongStored looks for the groups of the subject among what is stored.
func (r *run) amongStored(b *belonging, g int32, relation *schema.Slot, kind tuple.Kind) (outcome, error) {
	sum, object := isNo, r.object(g)
	for s := range b.sections {
		for i := range b.sections[s].Len() {
			subject := tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: b.sections[s].ID(i)}
			found, err := r.lookUp(object, relation, subject)
			if err == nil {
				err = r.spend(1)
			}
			if err != nil || found == yes {
				return isYes, err
			}
			if found == undecided {
				sum = isUnclear
			}
		}
	}
	return sum, nil
}

// meet counts groups that the search goes through, and once they are many tries to
// find out all that the subject is in. It reports whether that brought anything.
func (r *run) meet(k int32, groups int) (bool, error) {
	r.kept.met += groups
	b := r.belonging(k)
	if b.refused || b.whole || r.kept.met <= r.kept.view.After() {
		return false, nil
	}
	return r.findGroups(k, r.kept.met)
}
