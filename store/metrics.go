package store

import "github.com/tupelodb/tupelo/store/tupleset"

// Metrics is what the storage engine measures of itself.
type Metrics struct {
	DiskBytes        uint64 // all files of the database
	CacheBytes       int64  // blocks held
	CacheHits        int64
	CacheMisses      int64
	MemTableBytes    uint64
	Flushes          int64
	Compactions      int64
	L0Sublevels      int   // each is one more place to look for a read
	ReadAmp          int   // places to look, all levels
	CompactionBytes  int64 // estimated work that compactions are behind
	IteratorsOpen    int64
	IteratorsOfPool  int
	RevisionsApplied uint64
	Horizon          uint64
	IdempotencyKeys  uint64 // remembered
	// Tuplesets are the figures of the cache of tuplesets, both ways; zero without one.
	Tuplesets tupleset.Stats
	// Groups are those of what is kept of groups.
	Groups tupleset.Stats
}

// Metrics returns the present figures; the zero value once the store is closed.
func (s *Store) Metrics() Metrics {
	v := s.acquireView()
	if v == nil {
		return Metrics{}
	}
	defer v.db.release()
	m := v.db.DB.Metrics()
	var tuplesets, groups tupleset.Stats
	if v.db.tuplesets != nil {
		tuplesets, groups = v.db.tuplesets.Stats(), v.db.groups.Stats()
		if v.db.reversed != nil {
			tuplesets.Add(v.db.reversed.Stats())
		}
	}
	return Metrics{
		DiskBytes:        m.DiskSpaceUsage(),
		CacheBytes:       m.BlockCache.Size,
		CacheHits:        m.BlockCache.Hits,
		CacheMisses:      m.BlockCache.Misses,
		MemTableBytes:    m.MemTable.Size,
		Flushes:          m.Flush.Count,
		Compactions:      m.Compact.Count,
		L0Sublevels:      int(m.Levels[0].Sublevels),
		ReadAmp:          m.ReadAmp(),
		CompactionBytes:  int64(m.Compact.EstimatedDebt),
		IteratorsOpen:    m.TableIters,
		IteratorsOfPool:  v.db.iterators.size(),
		RevisionsApplied: v.applied,
		Horizon:          s.Horizon(),
		IdempotencyKeys:  v.keys,
		Tuplesets:        tuplesets,
		Groups:           groups,
	}
}
