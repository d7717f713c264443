package store

import (
	"errors"
	"math"
	"time"

	"github.com/tupelodb/tupelo/store/tuple"
)

// write applies a Write: every check first, then every change.
func (b *batch) write(revision uint64, c Write) error {
	if err := b.checkPreconditions(revision, c.Preconditions); err != nil {
		return err
	}
	if len(c.Updates) >= b.store.manyUpdates {
		return b.writeMany(revision, c)
	}
	b.begin()
	for i, u := range c.Updates {
		if err := b.update(revision, i, u); err != nil {
			b.rollback()
			return err
		}
	}
	return b.writeChanges(Changes{Revision: revision, UnixMillis: c.UnixMillis, Metadata: c.Metadata, Tuples: b.changes})
}

// begin starts the changes of one command.
func (b *batch) begin() {
	b.changes, b.undo = b.changes[:0], b.undo[:0]
}

// update checks one update and notes its change.
func (b *batch) update(revision uint64, i int, u Update) error {
	if u.Op != Delete && !b.state.allowed[u.Tuple.Shape()] {
		return refuse(&NotAllowedError{Index: i, Tuple: u.Tuple.Clone()})
	}
	b.key = appendForward(b.key[:0], u.Tuple)
	now, err := b.current(b.key)
	switch {
	case err != nil:
		return err
	case now.namedBy == revision:
		return refuse(&DuplicateUpdateError{Index: i, Tuple: u.Tuple.Clone()})
	case u.Op == Create && now.live:
		return refuse(&TupleExistsError{Index: i, Tuple: u.Tuple.Clone()})
	}
	b.set(revision, u.Tuple, now, u.Op != Delete)
	return nil
}

// set makes a tuple, whose forward key is in b.key, live or not. One that is
// so already gets no new version, but counts as named by the command.
func (b *batch) set(revision uint64, t tuple.Tuple, now version, live bool) {
	c, changes := changeOf(t, now, live)
	if !changes {
		now.namedBy = revision
		b.stage(b.key, now)
		return
	}
	b.stage(b.key, version{revision: revision, live: live, traits: t.Traits, namedBy: revision})
	b.changes = append(b.changes, c)
}

// changeOf returns the change that makes a tuple live or not, given its newest
// version, and whether that is one.
func changeOf(t tuple.Tuple, now version, live bool) (c Change, changes bool) {
	if now.live == live && (!live || now.traits.Equal(t.Traits)) {
		return Change{}, false
	}
	c = Change{Tuple: t, Deleted: !live}
	if now.live {
		c.old, c.was = now.revision, now.traits
	}
	if !live {
		c.Tuple.Traits = now.traits
	}
	return c, true
}

// writeChanges puts new versions, counters and the changelog into the batch.
func (b *batch) writeChanges(c Changes) error {
	if len(c.Tuples) == 0 && !c.Schema && c.counter == "" {
		return nil
	}
	for i := range c.Tuples {
		if err := b.writeVersion(c.Revision, &c.Tuples[i]); err != nil {
			return err
		}
	}
	return b.writeRecord(&c)
}

// writeRecord puts the changelog's record of a revision into the batch.
func (b *batch) writeRecord(c *Changes) error {
	b.value = c.encode(b.value[:0])
	return b.writes.Set(changelogKey(c.Revision), b.value, nil)
}

// writeVersion puts one new version into both indexes, and keeps counters and
// the index of expirations in step.
func (b *batch) writeVersion(revision uint64, c *Change) error {
	b.key = appendRevision(appendForward(b.key[:0], c.Tuple), revision)
	if err := b.setVersion(b.key, c); err != nil {
		return err
	}
	b.key = appendRevision(appendReverse(b.key[:0], c.Tuple), revision)
	if err := b.setVersion(b.key, c); err != nil {
		return err
	}
	return b.keepStep(c)
}

// setVersion puts a new version into the index that its key is of.
func (b *batch) setVersion(key []byte, c *Change) error {
	value := valueDeleted
	if !c.Deleted {
		b.value = appendLive(b.value[:0], c.Tuple.Traits)
		value = b.value
	}
	return b.writes.Set(key, value, nil)
}

// keepStep keeps the counters, the index of expirations and the cache of
// tuplesets in step with a new version.
func (b *batch) keepStep(c *Change) error {
	if b.db.tuplesets != nil {
		b.changed = append(b.changed, changedSet{c.Tuple.Object, c.Tuple.Relation, c.Tuple.Subject})
	}
	if c.old != 0 {
		ended := c.Tuple
		ended.Traits = c.was
		b.count(ended.Shape(), -1)
		if c.was.ExpiresNanos != 0 {
			if err := b.writes.Delete(expiryKey(ended), nil); err != nil {
				return err
			}
		}
	}
	if c.Deleted {
		return nil
	}
	b.count(c.Tuple.Shape(), 1)
	if c.Tuple.Traits.ExpiresNanos == 0 {
		return nil
	}
	return b.writes.Set(expiryKey(c.Tuple), nil, nil)
}

// count changes a counter; commit writes it.
func (b *batch) count(shape tuple.Shape, delta int64) {
	b.state.addToCounter(shape, delta)
	if !b.dirty[shape] {
		b.dirty[shape] = true
		b.dirtyOrder = append(b.dirtyOrder, shape)
	}
}

// checkPreconditions refuses the command if one of them does not hold.
func (b *batch) checkPreconditions(revision uint64, list []Precondition) error {
	if len(list) == 0 {
		return nil
	}
	if err := b.flush(revision); err != nil {
		return err
	}
	budget := search{left: b.store.searchLimit, unlimited: b.state.format < formatCounters}
	for i, p := range list {
		matches, err := b.anyMatches(p.Filter, budget.look)
		if errors.Is(err, errSearchedEnough) {
			return refuse(&SearchError{Index: i, Limit: b.store.searchLimit})
		}
		if err != nil {
			return err
		}
		if matches != p.MustMatch {
			return refuse(&PreconditionError{Index: i, Precondition: p})
		}
	}
	return nil
}

// maxSearched is how many keys the preconditions of one command may look at; it
// decides what the apply does, so it is part of the format.
const maxSearched = 50000

// search bounds what a command looks at.
type search struct {
	left      int
	unlimited bool // before the format that brought the limit
}

func (s *search) look() error {
	if s.left--; s.left < 0 && !s.unlimited {
		return errSearchedEnough
	}
	return nil
}

// anyMatches reports whether a committed tuple is selected. Counters answer
// filters without ids. With an id every span is exact: all that the search can
// pass by there are versions that ended. With a prefix there may be tuples too
// that the rest of the filter does not select, a step for each object, relation
// and kind.
func (b *batch) anyMatches(f tuple.Filter, look func() error) (bool, error) {
	var counted []tuple.Shape
	for _, s := range b.state.shapes {
		if b.state.counters[s] > 0 && f.MatchesShape(b.state.names, s) {
			counted = append(counted, s)
		}
	}
	if len(counted) == 0 || (f.ObjectID == "" && f.ObjectIDPrefix == "" && f.SubjectID == "") {
		return len(counted) > 0, nil
	}
	it, err := b.reads()
	if err != nil {
		return false, err
	}
	found := false
	err = visitSpans(it, spans(f, b.state.names, counted), math.MaxUint64, nil, look,
		func([]byte, tuple.Tuple) bool {
			found = true
			return false
		})
	return found, err
}

// deleteByFilter deletes the tuples that the proposer found and that are still
// there, and those that came since it looked.
func (b *batch) deleteByFilter(revision uint64, c DeleteByFilter, result *Result) error {
	if c.ReadAt < b.state.horizon {
		return refuse(&HorizonError{Revision: c.ReadAt, Horizon: b.state.horizon})
	}
	if err := b.checkPreconditions(revision, c.Preconditions); err != nil {
		return err
	}
	if err := b.flush(revision); err != nil {
		return err
	}
	candidates := c.Tuples
	err := walkChangelog(b.db, c.ReadAt, revision, func(past *Changes) (bool, error) {
		for _, t := range past.Tuples {
			if !t.Deleted && c.Filter.Matches(b.state.names, t.Tuple) {
				candidates = append(candidates, t.Tuple.Clone())
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	b.begin()
	left, err := b.deleteLive(revision, candidates, c.Limit)
	if err != nil {
		return err
	}
	left = left || c.More
	if left && !c.AllowPartial {
		b.rollback()
		return refuse(&TooManyError{Limit: c.Limit})
	}
	result.Deleted, result.Complete = len(b.changes), !left
	return b.writeChanges(Changes{Revision: revision, UnixMillis: c.UnixMillis, Metadata: c.Metadata, Tuples: b.changes})
}

// deleteLive notes the deletion of those candidates that are live, up to a
// limit; left says that there were more.
func (b *batch) deleteLive(revision uint64, candidates []tuple.Tuple, limit int) (left bool, err error) {
	for _, t := range candidates {
		b.key = appendForward(b.key[:0], t)
		now, err := b.current(b.key)
		if err != nil {
			return false, err
		}
		if !now.live {
			continue
		}
		if len(b.changes) >= limit {
			return true, nil
		}
		b.set(revision, t, now, false)
	}
	return false, nil
}

// deleteExpired deletes those of the listed tuples that have expired by the
// command's clock. One that was written anew since the proposer looked stays.
func (b *batch) deleteExpired(revision uint64, c DeleteExpired) error {
	b.begin()
	for _, t := range c.Tuples {
		b.key = appendForward(b.key[:0], t)
		now, err := b.current(b.key)
		if err != nil {
			return err
		}
		if now.live && now.namedBy != revision && hasExpired(now.traits, c.UnixMillis) {
			b.set(revision, t, now, false)
		}
	}
	return b.writeChanges(Changes{Revision: revision, UnixMillis: c.UnixMillis, Tuples: b.changes})
}

func hasExpired(t tuple.Traits, unixMillis int64) bool {
	return t.ExpiresNanos != 0 && t.ExpiresNanos <= unixMillis*int64(time.Millisecond)
}
