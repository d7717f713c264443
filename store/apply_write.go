package store

import (
	"context"
	"math"

	"github.com/tupelodb/tupelo/store/tuple"
)

// write applies a Write: every check first, then every change.
func (b *batch) write(revision uint64, c Write) error {
	if err := b.checkPreconditions(revision, c.Preconditions); err != nil {
		return err
	}
	b.begin()
	for i, u := range c.Updates {
		if err := b.update(revision, i, u); err != nil {
			b.rollback()
			return err
		}
	}
	return b.writeChanges(changes{revision: revision, unixMillis: c.UnixMillis, tuples: b.changes})
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
	if now.live == live {
		now.namedBy = revision
		b.stage(b.key, now)
		return
	}
	c := change{tuple: t, deleted: !live}
	if now.live {
		c.old = now.revision
	}
	b.stage(b.key, version{revision: revision, live: live, namedBy: revision})
	b.changes = append(b.changes, c)
}

// writeChanges puts new versions, counters and the changelog into the batch.
func (b *batch) writeChanges(c changes) error {
	if len(c.tuples) == 0 && !c.schema {
		return nil
	}
	for _, t := range c.tuples {
		value, delta := valueLive, int64(1)
		if t.deleted {
			value, delta = valueDeleted, -1
		}
		b.key = appendRevision(appendForward(b.key[:0], t.tuple), c.revision)
		if err := b.writes.Set(b.key, value, nil); err != nil {
			return err
		}
		b.key = appendRevision(appendReverse(b.key[:0], t.tuple), c.revision)
		if err := b.writes.Set(b.key, value, nil); err != nil {
			return err
		}
		b.count(t.tuple.Shape(), delta)
	}
	b.value = c.encode(b.value[:0])
	return b.writes.Set(changelogKey(c.revision), b.value, nil)
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
	for i, p := range list {
		matches, err := b.anyMatches(p.Filter)
		if err != nil {
			return err
		}
		if matches != p.MustMatch {
			return refuse(&PreconditionError{Index: i, Precondition: p})
		}
	}
	return nil
}

// anyMatches reports whether a committed tuple is selected. Counters answer
// filters without ids; for the others every span is exact, so that the apply
// never searches through tuples that do not match.
func (b *batch) anyMatches(f tuple.Filter) (bool, error) {
	var counted []tuple.Shape
	for _, s := range b.state.shapes {
		if b.state.counters[s] > 0 && f.MatchesShape(b.state.names, s) {
			counted = append(counted, s)
		}
	}
	if len(counted) == 0 || (f.ObjectID == "" && f.SubjectID == "") {
		return len(counted) > 0, nil
	}
	it, err := b.reads()
	if err != nil {
		return false, err
	}
	found := false
	err = visitSpans(context.Background(), it, spans(f, b.state.names, counted), math.MaxUint64, nil,
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
	err := walkChangelog(b.db, c.ReadAt, revision, func(past changes) (bool, error) {
		for _, t := range past.tuples {
			if !t.deleted && c.Filter.Matches(b.state.names, t.tuple) {
				candidates = append(candidates, t.tuple.Clone())
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
	return b.writeChanges(changes{revision: revision, unixMillis: c.UnixMillis, tuples: b.changes})
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
