package store

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Changes is what one revision changed.
type Changes struct {
	Revision uint64
	// UnixMillis is the proposer's clock.
	UnixMillis int64
	// Metadata is what the writer said of the change.
	Metadata []byte
	// Schema says that the revision wrote a schema.
	Schema bool
	Tuples []Change

	oldSchema uint64 // the revision of the schema that this one replaced, 0 for none
	// counter is the name of the registered counter that changed, if one did, and
	// oldCounter the revision of its version that this one ends, 0 for none;
	// counterGone says that its name was taken away.
	counter     string
	oldCounter  uint64
	counterGone bool
}

// Change is a new version of one tuple. A deletion has the traits that the
// tuple had.
type Change struct {
	Tuple   tuple.Tuple
	Deleted bool

	old uint64       // the revision of the live version that this one ends, 0 for none
	was tuple.Traits // of that version; known to the apply only
}

// The versions of a changelog record: what changed a registered counter has the
// second.
const (
	changelogVersion    = 1
	changelogOfCounters = 2
)

// encode returns the changelog record: version, clock, metadata, schema, tuples,
// and in the second version the counter.
func (c *Changes) encode(dst []byte) []byte {
	version := byte(changelogVersion)
	if c.counter != "" {
		version = changelogOfCounters
	}
	dst = appendUvarint(append(dst, version), uint64(c.UnixMillis))
	dst = appendBytes(dst, c.Metadata)
	dst = appendBool(dst, c.Schema)
	if c.Schema {
		dst = appendUvarint(dst, c.oldSchema)
	}
	dst = appendUvarint(dst, uint64(len(c.Tuples)))
	for _, t := range c.Tuples {
		dst = appendBool(dst, t.Deleted)
		dst = appendUvarint(dst, t.old)
		dst = appendTuple(dst, t.Tuple)
	}
	if c.counter == "" {
		return dst
	}
	dst = appendUvarint(appendBytes(dst, c.counter), c.oldCounter)
	return appendBool(dst, c.counterGone)
}

// decodeChanges reads a record; its slices point into value.
func decodeChanges(key, value []byte) (*Changes, error) {
	r := &reader{rest: value}
	version := r.byte()
	if len(key) != 9 || key[0] != tagChangelog || version < changelogVersion || version > changelogOfCounters {
		return nil, fmt.Errorf("%w: changelog record", ErrFormat)
	}
	c := &Changes{Revision: binary.BigEndian.Uint64(key[1:]), UnixMillis: int64(r.uvarint()), Metadata: r.optional()}
	if c.Schema = r.bool(); c.Schema {
		c.oldSchema = r.uvarint()
	}
	c.Tuples = make([]Change, r.count(2+minTupleWireBytes))
	for i := range c.Tuples {
		c.Tuples[i] = Change{Deleted: r.bool(), old: r.uvarint()}
		c.Tuples[i].Tuple = r.tuple()
	}
	if version == changelogOfCounters {
		c.counter, c.oldCounter, c.counterGone = r.counterName(), r.uvarint(), r.bool()
	}
	if !r.done() {
		return nil, fmt.Errorf("%w: damaged changelog record of revision %d", ErrFormat, c.Revision)
	}
	return c, nil
}

// Changes calls visit for what the revisions above `above` changed, in order,
// until it returns false; what it is given is valid during the call. It returns
// the newest revision that it has looked at, and a channel that is closed when
// there may be more: between two calls a watcher costs nothing. A revision below
// the horizon gives *HorizonError.
func (s *Store) Changes(ctx context.Context, above uint64, visit func(*Changes) bool) (reached uint64, more <-chan struct{}, err error) {
	v := s.acquireView()
	if v == nil {
		return 0, nil, ErrClosed
	}
	defer v.db.release()
	reached = max(above, v.applied)
	err = walkChangelog(v.db, above, v.applied, func(c *Changes) (bool, error) {
		// Looked at here, when the walk's iterator is there (S5).
		if horizon := v.db.horizon.Load(); above < horizon {
			return false, &HorizonError{Revision: above, Horizon: horizon}
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if !visit(c) {
			reached = c.Revision
			return false, nil
		}
		return true, nil
	})
	if horizon := v.db.horizon.Load(); err == nil && above < horizon {
		err = &HorizonError{Revision: above, Horizon: horizon}
	}
	return reached, v.superseded, err
}

// walkChangelog calls visit for the records of revisions above `above` and up
// to `upTo`, in order, until it returns false.
func walkChangelog(db pebble.Reader, above, upTo uint64, visit func(*Changes) (bool, error)) error {
	if above >= upTo {
		return nil
	}
	bounds := &pebble.IterOptions{LowerBound: changelogKey(above + 1), UpperBound: append(changelogKey(upTo), 0)}
	return scan(db, bounds, func(key, value []byte) (bool, error) {
		c, err := decodeChanges(key, value)
		if err != nil {
			return false, err
		}
		return visit(c)
	})
}
