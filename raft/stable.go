package raft

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	hraft "github.com/hashicorp/raft"
)

const (
	stableTerm   = "CurrentTerm" // where hashicorp/raft keeps its current term
	stableNodeID = "NodeID"      // where this package keeps whose log it is
)

// bootstrap begins an empty log with the first membership. Term and entry go
// into one batch: hashicorp/raft's own bootstrap writes one after the other, and
// a crash between them leaves a node that neither starts nor bootstraps.
func (s *logStore) bootstrap(c hraft.Configuration) error {
	first := &hraft.Log{Index: 1, Term: 1, Type: hraft.LogConfiguration, Data: hraft.EncodeConfiguration(c)}
	err := s.commit(func(b *pebble.Batch) error {
		putEntry(b, first)
		return b.Set(stableName([]byte(stableTerm)), binary.BigEndian.AppendUint64(nil, 1), nil)
	})
	if err != nil {
		return fmt.Errorf("bootstrap the raft log: %w", err)
	}
	s.bounds.Lock()
	defer s.bounds.Unlock()
	s.bounds.last = 1
	return nil
}

// configuration returns the membership in force at an index, as the log knows
// it, and the index from which it is; index 0 if the log knows none.
func (s *logStore) configuration(at uint64) (c hraft.Configuration, index uint64, err error) {
	s.closing.RLock()
	defer s.closing.RUnlock()
	if s.db == nil {
		return c, 0, errLogClosed
	}
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: []byte{configurationKey}, UpperBound: []byte{configurationKey + 1},
	})
	if err != nil {
		return c, 0, fmt.Errorf("read the raft log's memberships: %w", err)
	}
	defer it.Close()
	if !it.SeekLT(indexKey(configurationKey, at+1)) {
		return c, 0, it.Error()
	}
	index = indexOf(it.Key())
	value, err := it.ValueAndErr()
	if err != nil {
		return c, 0, fmt.Errorf("read the raft log's membership at %d: %w", index, err)
	}
	c, err = decodeConfiguration(value)
	return c, index, err
}

// decodeConfiguration is hashicorp/raft's decoder without its panic.
func decodeConfiguration(b []byte) (c hraft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%w: a membership in the raft log: %v", ErrDamaged, r)
		}
	}()
	return hraft.DecodeConfiguration(b), nil
}

// Set keeps a stable value.
func (s *logStore) Set(key, value []byte) error {
	return s.commit(func(b *pebble.Batch) error { return b.Set(stableName(key), value, nil) })
}

// Get returns a stable value; empty if it was never set.
func (s *logStore) Get(key []byte) ([]byte, error) { return s.read(stableName(key)) }

// SetUint64 keeps a stable number.
func (s *logStore) SetUint64(key []byte, v uint64) error {
	err := s.Set(key, binary.BigEndian.AppendUint64(nil, v))
	if err != nil {
		s.die(err)
	}
	return err
}

// GetUint64 returns a stable number; 0 if it was never set.
func (s *logStore) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	switch {
	case err != nil || len(value) == 0:
		return 0, err
	case len(value) != 8:
		return 0, fmt.Errorf("%w: the stable number %q is %d bytes", ErrDamaged, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func stableName(key []byte) []byte { return append([]byte{stableKey}, key...) }
