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
	hash := sha256.New()
	var lengths [8]byte
	err = scan(v.db, nil, func(key, value []byte) (bool, error) {
		// The scan may be ahead of the view; what it finds is what counts.
		if string(key) == string(metaApplied) {
			revision = binary.BigEndian.Uint64(value)
		}
		binary.BigEndian.PutUint32(lengths[:4], uint32(len(key)))
		binary.BigEndian.PutUint32(lengths[4:], uint32(len(value)))
		hash.Write(lengths[:])
		hash.Write(key)
		hash.Write(value)
		return true, nil
	})
	return revision, [sha256.Size]byte(hash.Sum(nil)), err
}
