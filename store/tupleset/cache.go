package tupleset

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Cache holds tuplesets within a bound of memory. It is safe for concurrent use;
// looking takes no lock.
type Cache struct {
	seed     maphash.Seed
	shards   []shard
	setLimit int
	hits     atomic.Int64
	misses   atomic.Int64
}

const (
	maxShards     = 64
	minShardBytes = 1 << 20
	// maxSetBytes is the largest set, if the cache is large enough: some 16,000
	// usersets.
	maxSetBytes = 512 << 10
	// setsInShard is how many of the largest sets a shard can hold at least.
	setsInShard = 8
)

// New returns a cache that takes at most limitBytes, but for what is being
// loaded.
func New(limitBytes int64) *Cache {
	shards := 1
	for shards < maxShards && int64(shards)*2*minShardBytes <= limitBytes {
		shards *= 2
	}
	c := &Cache{seed: maphash.MakeSeed(), shards: make([]shard, shards)}
	limit := int(limitBytes / int64(shards))
	c.setLimit = min(maxSetBytes, limit/setsInShard)
	for i := range c.shards {
		c.shards[i].limit = limit
		c.shards[i].index.reset()
	}
	return c
}

// SetLimit is the memory that one set may take.
func (c *Cache) SetLimit() int { return c.setLimit }

// Look returns the entry that says what a tupleset is at a revision, or nil.
// Without one, load says that it may be worthwhile to Begin a load.
func (c *Cache) Look(object tuple.Object, relation tuple.RelationID, revision uint64) (e *Entry, load bool) {
	hash := c.hash(object, relation)
	e = c.shard(hash).index.find(hash, object, relation)
	if e == nil {
		return nil, true
	}
	// The order counts: the set is there once the state says so.
	switch e.state.Load() {
	case pending:
		return nil, false
	case deferred:
		return nil, true
	}
	if e.ended.Load() || e.set.newest > revision {
		return nil, false
	}
	e.use()
	return e, false
}

// Begin registers a load and returns its entry, and which of the budgets it may
// spend; nil if somebody else is at it, or has done it. The caller takes an
// iterator only now (C2), and ends with Fill, Defer or Cancel.
func (c *Cache) Begin(object tuple.Object, relation tuple.RelationID) (e *Entry, earned int) {
	hash := c.hash(object, relation)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, 0
	}
	e = &Entry{hash: hash, id: string(object.ID), typ: object.Type, relation: relation}
	if before := s.index.find(hash, object, relation); before != nil {
		if before.state.Load() != deferred {
			return nil, 0
		}
		e.earned = before.earned + 1
		s.drop(before)
	}
	s.insert(e)
	s.loads++
	return e, int(e.earned)
}

// Fill ends a load with what was built, and returns the entry. If the tupleset
// has changed since Begin, others will not find it.
func (c *Cache) Fill(e *Entry, b *Builder) *Entry {
	set := b.set()
	s := c.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	e.set = set
	e.state.Store(held)
	if !e.ended.Load() {
		s.grow(e)
	}
	return e
}

// Defer ends a load that spent its budget; the next may spend more.
func (c *Cache) Defer(e *Entry) { e.state.Store(deferred) }

// Cancel takes an entry out: its load failed, or its owner knows that it is past.
func (c *Cache) Cancel(e *Entry) {
	s := c.shard(e.hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !e.ended.Load() {
		s.drop(e)
	}
}

// maxPassed is how many changes of kinds that its set does not hold an entry
// outlives: they may have become few enough to hold.
const maxPassed = 1024

// End ends what the cache has of a tupleset in which a tuple of a kind changed,
// loads under way too. A set that does not speak of the kind goes on.
func (c *Cache) End(object tuple.Object, relation tuple.RelationID, kind tuple.Kind) {
	c.end(object, relation, func(e *Entry) bool {
		if e.state.Load() != held || e.set.holds(kind) {
			return true
		}
		e.passed++
		return e.passed > maxPassed
	})
}

// EndHeld is End but for loads under way, which breaks C3; for tests.
func (c *Cache) EndHeld(object tuple.Object, relation tuple.RelationID) {
	c.end(object, relation, func(e *Entry) bool { return e.state.Load() == held })
}

func (c *Cache) end(object tuple.Object, relation tuple.RelationID, ends func(*Entry) bool) {
	hash := c.hash(object, relation)
	s := c.shard(hash)
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.index.find(hash, object, relation); e != nil && ends(e) {
		s.drop(e)
		s.endings++
	}
}

// Clear drops everything.
func (c *Cache) Clear() { c.clear(false) }

// Close drops everything and takes in nothing any more.
func (c *Cache) Close() { c.clear(true) }

func (c *Cache) clear(closed bool) {
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		s.closed = s.closed || closed
		for s.small.last != nil {
			s.drop(s.small.last)
		}
		for s.main.last != nil {
			s.drop(s.main.last)
		}
		s.index.reset()
		s.ghosts = nil
		s.mu.Unlock()
	}
}

// Count adds what a reader found to the figures.
func (c *Cache) Count(hits, misses int64) {
	if hits > 0 {
		c.hits.Add(hits)
	}
	if misses > 0 {
		c.misses.Add(misses)
	}
}

// Stats are figures of a cache, since it was made but for the last two.
type Stats struct {
	Hits      int64 // reads that a set answered
	Misses    int64 // reads that went to the database
	Loads     int64 // sets begun to be read
	Endings   int64 // sets that a write ended
	Evictions int64 // sets that others took the place of
	Entries   int
	Bytes     int64
}

// Add sums up the figures of two caches.
func (s *Stats) Add(o Stats) {
	s.Hits += o.Hits
	s.Misses += o.Misses
	s.Loads += o.Loads
	s.Endings += o.Endings
	s.Evictions += o.Evictions
	s.Entries += o.Entries
	s.Bytes += o.Bytes
}

// Stats returns the present figures.
func (c *Cache) Stats() Stats {
	st := Stats{Hits: c.hits.Load(), Misses: c.misses.Load()}
	for i := range c.shards {
		s := &c.shards[i]
		s.mu.Lock()
		st.Loads += s.loads
		st.Endings += s.endings
		st.Evictions += s.evictions
		st.Entries += s.index.live
		st.Bytes += int64(s.bytes())
		s.mu.Unlock()
	}
	return st
}

func (c *Cache) hash(object tuple.Object, relation tuple.RelationID) uint64 {
	h := maphash.Bytes(c.seed, object.ID) ^ (uint64(object.Type)<<16|uint64(relation))*0x9e3779b97f4a7c15
	h ^= h >> 29
	return h * 0xff51afd7ed558ccd
}

// shard takes the high bits of a hash; the index takes the low ones.
func (c *Cache) shard(hash uint64) *shard {
	return &c.shards[(hash>>48)%uint64(len(c.shards))]
}
