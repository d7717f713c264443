package store

import "encoding/binary"

// advanceHorizon forgets what only revisions below c.Revision can see. It walks
// the changelog up to there, not the data: each change says which older version
// it ended.
func (b *batch) advanceHorizon(c AdvanceHorizon) error {
	target := min(c.Revision, b.state.applied)
	if target <= b.state.horizon {
		return nil
	}
	if err := b.flush(b.state.applied); err != nil {
		return err
	}
	// Before anything is removed: see Store.horizon.
	b.store.horizon.Store(target)
	b.state.horizon = target
	err := walkChangelog(b.db, 0, target, func(past changes) (bool, error) {
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
func (b *batch) forget(past changes) error {
	for _, t := range past.tuples {
		if t.old != 0 {
			if err := b.removeVersion(t, t.old); err != nil {
				return err
			}
		}
		if t.deleted {
			if err := b.removeVersion(t, past.revision); err != nil {
				return err
			}
		}
	}
	if past.oldSchema != 0 {
		if err := b.writes.Delete(schemaKey(past.oldSchema), nil); err != nil {
			return err
		}
	}
	return b.writes.Delete(changelogKey(past.revision), nil)
}

func (b *batch) removeVersion(t change, revision uint64) error {
	b.key = appendRevision(appendForward(b.key[:0], t.tuple), revision)
	if err := b.writes.Delete(b.key, nil); err != nil {
		return err
	}
	b.key = appendRevision(appendReverse(b.key[:0], t.tuple), revision)
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
	err = walkChangelog(v.db, 0, v.applied, func(past changes) (bool, error) {
		if past.unixMillis > cutoffUnixMillis || seen > maxChanges {
			return false, nil
		}
		seen += max(1, len(past.tuples))
		revision, ok = past.revision, true
		return true, nil
	})
	return revision, ok, err
}
