package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Schema is a schema as it was written.
type Schema struct {
	// Revision is the revision that wrote it.
	Revision uint64
	Text     string
}

// state is what the apply knows of the database without reading it. Only the
// apply changes it; every part is also on disk, written in the same batch.
type state struct {
	format    uint64
	applied   uint64
	horizon   uint64
	clusterID [16]byte
	named     bool // clusterID is set
	// keys is how many idempotency keys are remembered, oldest the first of them
	// unless its revision is forgotten's or below: those are forgotten.
	keys      uint64
	oldest    keyed
	forgotten uint64
	names     *tuple.Names
	schema    *Schema // nil before the first
	// schemaRecord is the schema as it is stored.
	schemaRecord []byte
	allowed      map[tuple.Shape]bool
	steps        groupSteps // of what is allowed
	counters     map[tuple.Shape]uint64
	// shapes are the keys of counters in order: every shape that was ever
	// stored. It is replaced, not changed, so that readers can hold it.
	shapes []tuple.Shape
}

// view is what readers see of the state: immutable, replaced by each apply.
type view struct {
	db        *database
	format    uint64
	applied   uint64
	clusterID [16]byte
	named     bool
	names     *tuple.Names
	schema    *Schema
	shapes    []tuple.Shape
	keys      uint64
	// superseded is closed when there is a newer view.
	superseded chan struct{}
}

func (st *state) view(db *database) *view {
	return &view{
		db: db, format: st.format, applied: st.applied, clusterID: st.clusterID, named: st.named,
		names: st.names, schema: st.schema, shapes: st.shapes, keys: st.keys,
		superseded: make(chan struct{}),
	}
}

// loadState reads the state from a database, for a build that knows formats up
// to newest.
func loadState(db *database, newest uint64) (*state, error) {
	st := &state{
		names:    &tuple.Names{},
		allowed:  make(map[tuple.Shape]bool),
		counters: make(map[tuple.Shape]uint64),
	}
	var err error
	if st.format, err = loadFormat(db, newest); err != nil {
		return nil, err
	}
	if st.applied, err = getUint64(db, metaApplied); err != nil {
		return nil, err
	}
	if st.horizon, err = getUint64(db, metaHorizon); err != nil {
		return nil, err
	}
	id, err := get(db, metaCluster)
	if err != nil {
		return nil, err
	}
	st.named = copy(st.clusterID[:], id) == len(st.clusterID)
	if err := st.loadKeys(db); err != nil {
		return nil, err
	}
	if err := st.loadNames(db); err != nil {
		return nil, err
	}
	if err := st.loadCounters(db); err != nil {
		return nil, err
	}
	return st, st.loadSchema(db)
}

// loadNames replays the interning: keys come in the order of the ids.
func (st *state) loadNames(db *database) error {
	err := scanTag(db, tagCaveat, func(key, value []byte) error {
		names, id, err := st.names.InternCaveat(string(value))
		if err != nil {
			return err
		}
		if !bytes.Equal(key, caveatKey(id)) {
			return fmt.Errorf("%w: caveat %q is out of order", ErrFormat, value)
		}
		st.names = names
		return nil
	})
	if err != nil {
		return err
	}
	return scanTag(db, tagName, func(key, value []byte) error {
		k := decodeKind(key[idsOffset:])
		typeName, relations := string(value), []string(nil)
		if k.Relation != tuple.Self {
			typeName, relations = st.names.TypeName(k.Type), []string{string(value)}
		}
		names, gained, err := st.names.Intern(typeName, relations)
		if err != nil {
			return err
		}
		if len(gained) != 1 || gained[0].Type != k.Type || gained[0].Relation != k.Relation {
			return fmt.Errorf("%w: name %q is out of order", ErrFormat, value)
		}
		st.names = names
		return nil
	})
}

func (st *state) loadCounters(db *database) error {
	return scanTag(db, tagCounter, func(key, value []byte) error {
		shape, err := decodeCounterKey(key)
		if err != nil {
			return err
		}
		st.counters[shape] = binary.BigEndian.Uint64(value)
		st.shapes = append(st.shapes, shape)
		return nil
	})
}

func (st *state) loadSchema(db *database) error {
	err := scanTag(db, tagSchema, func(key, value []byte) error {
		if st.schema != nil {
			return nil // the newest comes first
		}
		body, err := decodeSchemaRecord(value)
		if err != nil {
			return err
		}
		allowed, err := allowedShapes(st.names, body)
		if err != nil {
			return err
		}
		st.schema = &Schema{Revision: decodeRevision(key), Text: body.Text}
		st.schemaRecord, st.allowed, st.steps = slices.Clone(value), allowed, newGroupSteps(allowed)
		return nil
	})
	return err
}

// addToCounter changes the number of live tuples of a shape.
func (st *state) addToCounter(s tuple.Shape, delta int64) {
	n, known := st.counters[s]
	st.counters[s] = n + uint64(delta)
	if !known {
		at, _ := slices.BinarySearchFunc(st.shapes, s, tuple.Shape.Compare)
		st.shapes = slices.Insert(slices.Clone(st.shapes), at, s)
	}
}

const schemaRecordVersion = 1

func encodeSchemaRecord(c WriteSchema) []byte {
	return appendSchemaBody([]byte{schemaRecordVersion}, c)
}

func decodeSchemaRecord(value []byte) (WriteSchema, error) {
	r := &reader{rest: value}
	if r.byte() != schemaRecordVersion {
		return WriteSchema{}, fmt.Errorf("%w: schema record", ErrFormat)
	}
	body := readSchemaBody(r)
	if !r.done() {
		return WriteSchema{}, fmt.Errorf("%w: damaged schema record", ErrFormat)
	}
	return body, nil
}

func get(db *database, key []byte) ([]byte, error) {
	value, closer, err := db.Get(key)
	if err == pebble.ErrNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return slices.Clone(value), closer.Close()
}

func getUint64(db *database, key []byte) (uint64, error) {
	value, err := get(db, key)
	if err != nil || value == nil {
		return 0, err
	}
	return decodeUint64(key, value)
}

func decodeUint64(key, value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: key %x has %d bytes", ErrFormat, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

// scanTag calls visit for every key of a tag in order.
func scanTag(db *database, tag byte, visit func(key, value []byte) error) error {
	bounds := &pebble.IterOptions{LowerBound: []byte{tag}, UpperBound: []byte{tag + 1}}
	return scan(db, bounds, func(key, value []byte) (bool, error) { return true, visit(key, value) })
}
