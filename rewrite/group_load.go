package rewrite

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"sort"

	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// groupLoad goes up from a subject to all groups of a family that it is in, and
// builds the entry that is kept of it. The next one to go up is that of a group in
// which the subject is directly: all its members share what is found.
type groupLoad struct {
	family *family
	level  int
	// goals are what was reached; those up to `through` were gone on from. Of others
	// that are spared it is known where they lead.
	goals       goals
	spared      []bool
	conditional bool // a tuple with traits was met
	tooMany     bool
	left        *int // reads
	page        tuple.Page
	sets        tupleset.Builder
	order       []int32
}

const (
	// maxGroupReads is what the last attempt at an entry may read.
	maxGroupReads = 8192
	// lastAttempt comes after as many that were put off.
	lastAttempt = 5
)

// findGroups finds out what groups of a kind the run's subject is in, if it may be
// worth the effort: about as much as was spent already. It reports whether more is
// known than before.
func (r *run) findGroups(k int32, spent int) (bool, error) {
	b := r.belonging(k)
	f := r.engine.groups.family(k)
	b.refused = true // whatever comes of it, once for a subject is enough
	for _, subject := range [...]tuple.Subject{r.subject, r.wildcard} {
		if subject.Relation == tuple.Wildcard && !r.covered(f) || subject.ID == nil {
			continue
		}
		if r.kept.view.Look(subject, f.target) != nil {
			continue
		}
		reads := min(spent+tupleset.UsualGroupsAfter, maxGroupReads)
		if _, err := r.loadGroups(f, subject, 0, &reads); err != nil {
			return false, err
		}
	}
	before := b.count
	whole := b.whole
	r.lookUpGroups(b, k)
	b.refused = true
	return b.count > before || b.whole && !whole, nil
}

// loadGroups loads one entry, and reports whether it is there now. It may read four
// times as much for each time that it was put off before, and takes what it did off
// reads, below zero even: then whoever asked for it is put off.
func (r *run) loadGroups(f *family, subject tuple.Subject, level int, reads *int) (bool, error) {
	entry, ok := r.kept.view.Begin(subject, f.target)
	if !ok {
		return false, nil
	}
	granted := min(*reads<<(2*min(entry.Earned, lastAttempt)), maxGroupReads)
	left := granted
	l := r.kept.loads[level]
	if l == nil {
		l = &groupLoad{}
		r.kept.loads[level] = l
	}
	l.begin(r.engine, f, level, &left)
	err := l.goUp(r, subject)
	*reads -= granted - left
	switch {
	case err != nil:
		entry.Cancel()
		if r.ctx.Err() == nil {
			err = nil // it is nothing to the question, which is answered by walking
		}
		return false, err
	case left < 0 && granted < maxGroupReads:
		entry.Defer()
		return false, nil
	}
	l.tooMany = l.tooMany || left < 0
	l.build(r.engine, &entry)
	entry.Fill(&l.sets)
	return true, nil
}

// build makes the set of what was reached.
func (l *groupLoad) build(e *Engine, entry *tupleset.GroupLoad) {
	g, b := e.groups, &l.sets
	if !l.tooMany {
		l.order = l.order[:0]
		for at := range l.goals.list {
			if g.of[l.goals.list[at].slot] != noGroup {
				l.order = append(l.order, int32(at))
			}
		}
		slices.SortFunc(l.order, func(x, y int32) int {
			return cmp.Or(cmp.Compare(l.goals.list[x].slot, l.goals.list[y].slot), bytes.Compare(l.goals.id(x), l.goals.id(y)))
		})
		b.Reset(entry.Newest)
		if l.conditional {
			b.NoteConditions()
		}
		for _, slot := range l.family.kinds {
			b.Begin(usersetKind(g.program, &g.program.Slots[slot]))
			first := sort.Search(len(l.order), func(i int) bool { return l.goals.list[l.order[i]].slot >= slot })
			for _, at := range l.order[first:] {
				if l.goals.list[at].slot != slot {
					break
				}
				b.Add(l.goals.id(at), tuple.Traits{})
			}
		}
	}
	if l.tooMany || b.Bytes() > entry.LimitBytes {
		b.Reset(entry.Newest)
		b.Begin(l.family.target)
		b.Leave()
	}
}

func (l *groupLoad) begin(e *Engine, f *family, level int, reads *int) {
	l.family, l.level, l.left = f, level, reads
	l.goals.seed = e.seed
	l.goals.reset()
	l.spared = l.spared[:0]
	l.conditional, l.tooMany = false, false
}

// goUp reaches everything. It stops early if that is too much.
func (l *groupLoad) goUp(r *run, subject tuple.Subject) error {
	g := r.engine.groups
	if subject.Relation >= tuple.FirstRelation {
		if slot, ok := g.program.SlotByNumber(uint16(subject.Type), uint16(subject.Relation)); ok && l.family.within[slot] {
			l.reach(slot, subject.ID) // a userset is a member of itself
		}
	} else if err := l.storedIn(r, subject); err != nil {
		return err
	}
	for at := int32(0); int(at) < len(l.goals.list) && !l.stopped(); at++ {
		slot := l.goals.list[at].slot
		for _, above := range g.up[slot] {
			if l.family.within[above] && !l.spared[at] {
				l.note(l.goals.beside(at, above))
			}
		}
		if g.of[slot] == noGroup || l.spared[at] {
			continue
		}
		kind := usersetKind(g.program, &g.program.Slots[slot])
		group := tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: l.goals.id(at)}
		if known, err := l.ofGroup(r, group, subject); known || err != nil {
			if err != nil {
				return err
			}
			continue
		}
		if err := l.storedIn(r, group); err != nil {
			return err
		}
	}
	return nil
}

func (l *groupLoad) stopped() bool { return l.tooMany || *l.left < 0 }

// ofGroup takes in what is kept of a group that was reached. What is not kept is
// loaded first if the subject is no group itself.
func (l *groupLoad) ofGroup(r *run, group, subject tuple.Subject) (known bool, err error) {
	set := r.kept.view.Look(group, l.family.target)
	if set == nil && l.level == 0 && subject.Relation < tuple.FirstRelation {
		reads := max(*l.left, tupleset.UsualGroupsAfter)
		loaded, err := r.loadGroups(l.family, group, 1, &reads)
		*l.left -= max(*l.left, tupleset.UsualGroupsAfter) - reads
		if err != nil || !loaded {
			return false, err
		}
		set = r.kept.view.Look(group, l.family.target)
	}
	if set == nil {
		return false, nil
	}
	p := r.engine.program
	if _, held := set.Section(l.family.target); !held {
		l.tooMany = true
		return true, nil
	}
	l.conditional = l.conditional || !set.Unconditional()
	for _, slot := range l.family.kinds {
		section, _ := set.Section(usersetKind(p, &p.Slots[slot]))
		for i := range section.Len() {
			l.spared[l.reach(slot, section.ID(i))] = true
		}
	}
	return true, nil
}

// storedIn reaches the relations of the family that store a subject.
func (l *groupLoad) storedIn(r *run, subject tuple.Subject) error {
	g := r.engine.groups
	for _, slot := range g.stores[subject.Kind()] {
		if !l.family.within[slot] {
			continue
		}
		into := usersetKind(g.program, &g.program.Slots[slot])
		var above []byte
		for more := true; more && !l.stopped(); more = l.page.More {
			if err := r.ctx.Err(); err != nil {
				return fmt.Errorf("evaluation stopped: %w", err)
			}
			*l.left--
			r.cost.Reads++
			err := r.reader.Objects(subject, into.Type, into.Relation, above, pageSize, &l.page)
			if err = checkPage(&l.page, err); err != nil {
				return fmt.Errorf("reading the groups of %q: %w", subject.ID, err)
			}
			for i := range l.page.Len() {
				if !l.page.Traits(i).None() {
					l.conditional = true
					continue
				}
				l.reach(slot, l.page.ID(i))
			}
			if l.page.More {
				above = append(above[:0], l.page.ID(l.page.Len()-1)...)
			}
		}
	}
	return nil
}

// reach notes a slot at an object.
func (l *groupLoad) reach(slot int32, id []byte) int32 {
	at := l.goals.at(slot, id)
	l.note(at)
	return at
}

func (l *groupLoad) note(at int32) {
	if int(at) == len(l.spared) {
		l.spared = append(l.spared, false)
	}
	l.tooMany = l.tooMany || len(l.goals.list) > tupleset.MaxGroups
}
