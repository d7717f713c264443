package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// advanceHorizon forgets what only revisions below c.Revision can see, and
// idempotency keys whose time has passed.
func (b *batch) advanceHorizon(c AdvanceHorizon) error {
	if err := b.raiseHorizon(c.Revision); err != nil {
		return err
	}
	return b.forgetKeys(c.UnixMillis, forgottenByHorizon)
}

// raiseHorizon walks the changelog up to there, not the data: each change says
// which older version it ended.
func (b *batch) raiseHorizon(to uint64) error {
	target := min(to, b.state.applied)
	if target <= b.state.horizon {
		return nil
	}
	if err := b.flush(b.state.applied); err != nil {
		return err
	}
	// Before anything is removed: see database.horizon.
	b.db.horizon.Store(target)
	b.state.horizon = target
	err := walkChangelog(b.db, 0, target, func(past *Changes) (bool, error) {
		return true, b.forget(past)
	})
	if err != nil {
		return err
	}
	return b.writes.Set(metaHorizon, binary.BigEndian.AppendUint64(nil, target), nil)
}

// forget removes the versions that a revision at or below the horizon ended,
// and its changelog record. A tombstone goes with the version that it ended:
// nobody can read below it any more.
func (b *batch) forget(past *Changes) error {
	for _, t := range past.Tuples {
		if t.old != 0 {
			if err := b.removeVersion(t, t.old); err != nil {
				return err
			}
		}
		if t.Deleted {
			if err := b.removeVersion(t, past.Revision); err != nil {
				return err
			}
		}
	}
	if past.oldSchema != 0 {
		if err := b.writes.Delete(schemaKey(past.oldSchema), nil); err != nil {
			return err
		}
	}
	if past.counter != "" {
		if err := b.forgetRegistered(past); err != nil {
			return err
		}
	}
	return b.writes.Delete(changelogKey(past.Revision), nil)
}

// forgetRegistered removes the version of a counter that a change ended, and the
// change's own if that says that there is none.
func (b *batch) forgetRegistered(past *Changes) error {
	b.key = appendRegistered(b.key[:0], past.counter)
	name := len(b.key)
	if past.oldCounter != 0 {
		b.key = appendRevision(b.key, past.oldCounter)
		if err := b.writes.Delete(b.key, nil); err != nil {
			return err
		}
	}
	if !past.counterGone {
		return nil
	}
	b.key = appendRevision(b.key[:name], past.Revision)
	return b.writes.Delete(b.key, nil)
}

func (b *batch) removeVersion(t Change, revision uint64) error {
	b.key = appendRevision(appendForward(b.key[:0], t.Tuple), revision)
	if err := b.writes.Delete(b.key, nil); err != nil {
		return err
	}
	b.key = appendRevision(appendReverse(b.key[:0], t.Tuple), revision)
	return b.writes.Delete(b.key, nil)
}

// GCTarget returns the newest revision that was written at or before cutoff,
// in milliseconds since 1970, to propose as the next horizon. It looks at no
// more than about maxChanges changes, so that one AdvanceHorizon stays short;
// ok is false if there is nothing to forget.
func (s *Store) GCTarget(cutoffUnixMillis int64, maxChanges int) (revision uint64, ok bool, err error) {
	v := s.acquireView()
	if v == nil {
		return 0, false, ErrClosed
	}
	defer v.db.release()
	seen := 0
	err = walkChangelog(v.db, 0, v.applied, func(past *Changes) (bool, error) {
		if past.UnixMillis > cutoffUnixMillis || seen > maxChanges {
			return false, nil
		}
		seen += max(1, len(past.Tuples))
		revision, ok = past.Revision, true
		return true, nil
	})
	return revision, ok, err
}

// Expired returns live tuples that have expired at an instant, in milliseconds
// since 1970, the earliest first, at most limit: what to propose in a
// DeleteExpired.
func (s *Store) Expired(unixMillis int64, limit int) (list []tuple.Tuple, err error) {
	v := s.acquireView()
	if v == nil {
		return nil, ErrClosed
	}
	defer v.db.release()
	bounds := &pebble.IterOptions{
		LowerBound: []byte{tagExpiry},
		UpperBound: binary.BigEndian.AppendUint64([]byte{tagExpiry}, uint64(unixMillis)*uint64(time.Millisecond)+1),
	}
	err = scan(v.db, bounds, func(key, _ []byte) (bool, error) {
		if len(list) >= limit {
			return false, nil
		}
		// The rest of the key is a forward key that lacks its revision.
		k, ok := decodeTupleKey(appendRevision(bytes.Clone(key[1+8:]), 0))
		if !ok {
			return false, fmt.Errorf("%w: expiration %x", ErrFormat, key)
		}
		t := k.tuple()
		t.Traits.ExpiresNanos = int64(binary.BigEndian.Uint64(key[1:]))
		list = append(list, t)
		return true, nil
	})
	return list, err
}
