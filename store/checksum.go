package store

import (
	"crypto/sha256"
	"encoding/binary"
)

// Checksum returns the newest revision and a hash of every key and value at
// it. Replicas that applied the same log have the same (S2).
func (s *Store) Checksum() (revision uint64, sum [sha256.Size]byte, err error) {
	v := s.acquireView()
	if v == nil {
		return 0, sum, ErrClosed
	}
	defer v.db.release()
	it, err := v.db.NewIter(nil)
	if err != nil {
		return 0, sum, err
	}
	defer func() {
		if closeErr := it.Close(); err == nil {
			err = closeErr
		}
	}()
	hash := sha256.New()
	var lengths [8]byte
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return 0, sum, err
		}
		// The iterator may be ahead of the view; what it holds is what counts.
		if string(it.Key()) == string(metaApplied) {
			revision = binary.BigEndian.Uint64(value)
		}
		binary.BigEndian.PutUint32(lengths[:4], uint32(len(it.Key())))
		binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
		hash.Write(lengths[:])
		hash.Write(it.Key())
		hash.Write(value)
	}
	return revision, [sha256.Size]byte(hash.Sum(nil)), it.Error()
}
