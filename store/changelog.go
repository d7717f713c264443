package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// changes is what one revision changed, as the changelog keeps it.
type changes struct {
	revision   uint64
	unixMillis int64
	// schema says that the revision wrote a schema; oldSchema is the revision
	// of the one it replaced, 0 for none.
	schema    bool
	oldSchema uint64
	tuples    []change
}

// change is a new version of one tuple.
type change struct {
	tuple   tuple.Tuple
	deleted bool
	// old is the revision of the live version that this one ends, 0 for none.
	old uint64
}

const changelogVersion = 1

// encode returns the changelog record: version, clock, schema, tuples.
func (c *changes) encode(dst []byte) []byte {
	dst = appendUvarint(append(dst, changelogVersion), uint64(c.unixMillis))
	dst = appendBool(dst, c.schema)
	if c.schema {
		dst = appendUvarint(dst, c.oldSchema)
	}
	dst = appendUvarint(dst, uint64(len(c.tuples)))
	for _, t := range c.tuples {
		dst = appendBool(dst, t.deleted)
		dst = appendUvarint(dst, t.old)
		dst = appendTuple(dst, t.tuple)
	}
	return dst
}

// decodeChanges reads a record; its tuples point into value.
func decodeChanges(key, value []byte) (changes, error) {
	r := &reader{rest: value}
	if len(key) != 9 || key[0] != tagChangelog || r.byte() != changelogVersion {
		return changes{}, fmt.Errorf("%w: changelog record", ErrFormat)
	}
	c := changes{revision: binary.BigEndian.Uint64(key[1:]), unixMillis: int64(r.uvarint())}
	if c.schema = r.bool(); c.schema {
		c.oldSchema = r.uvarint()
	}
	c.tuples = make([]change, r.count(2+minTupleWireBytes))
	for i := range c.tuples {
		c.tuples[i] = change{deleted: r.bool(), old: r.uvarint()}
		c.tuples[i].tuple = r.tuple()
	}
	if !r.done() {
		return changes{}, fmt.Errorf("%w: damaged changelog record of revision %d", ErrFormat, c.revision)
	}
	return c, nil
}

// walkChangelog calls visit for the records of revisions above `above` and up
// to `upTo`, in order, until it returns false.
func walkChangelog(db pebble.Reader, above, upTo uint64, visit func(changes) (bool, error)) (err error) {
	if above >= upTo {
		return nil
	}
	it, err := db.NewIter(&pebble.IterOptions{
		LowerBound: changelogKey(above + 1),
		UpperBound: append(changelogKey(upTo), 0),
	})
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		c, err := decodeChanges(it.Key(), value)
		if err != nil {
			return err
		}
		if more, err := visit(c); err != nil || !more {
			return err
		}
	}
	return it.Error()
}
