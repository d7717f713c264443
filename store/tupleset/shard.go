package tupleset

import "sync"

// shard is a part of the cache with a lock and a bound of its own. It evicts by
// S3-FIFO (Yang, Zhang, Qiu, Yue, Rashmi: FIFO queues are all you need for cache
// eviction, 2023): what is new goes through a small queue and comes into the
// main one only if it was used there, or comes back soon after it left. So a
// scan passes through the small queue and leaves the main one as it was.
type shard struct {
	mu     sync.Mutex
	index  index
	small  queue
	main   queue
	ghosts []uint32 // of entries that left the small queue, by their hash
	limit  int
	closed bool

	loads, endings, evictions int64

	_ [64]byte // the next shard's lock is in another cache line
}

const (
	// smallShare of the memory is for what is new.
	smallShare = 10
	// promoted is how many uses bring an entry into the main queue.
	promoted = 2
	// ghostEvery bytes of the memory there is a place for a ghost.
	ghostEvery = 512
)

func (s *shard) bytes() int { return s.small.bytes + s.main.bytes + 4*len(s.ghosts) }

// insert takes in a new entry.
func (s *shard) insert(e *Entry) {
	e.bytes = e.size()
	s.index.add(e)
	if e.inMain = s.remembers(e.hash); e.inMain {
		s.main.push(e)
	} else {
		s.small.push(e)
	}
	s.evict()
}

// grow takes note that an entry of the shard is larger than it was.
func (s *shard) grow(e *Entry) {
	q := s.queueOf(e)
	q.bytes -= int(e.bytes)
	e.bytes = e.size()
	q.bytes += int(e.bytes)
	s.evict()
}

func (s *shard) queueOf(e *Entry) *queue {
	if e.inMain {
		return &s.main
	}
	return &s.small
}

// drop ends an entry: nobody finds it any more.
func (s *shard) drop(e *Entry) {
	e.ended.Store(true)
	s.index.remove(e)
	s.queueOf(e).remove(e)
}

// evict makes the shard fit into its limit.
func (s *shard) evict() {
	for s.bytes() > s.limit && (s.small.last != nil || s.main.last != nil) {
		if s.small.last != nil && (s.small.bytes > s.limit/smallShare || s.main.last == nil) {
			s.evictSmall()
		} else {
			s.evictMain()
		}
	}
}

func (s *shard) evictSmall() {
	e := s.small.last
	if e.uses.Load() < promoted {
		s.drop(e)
		s.evictions++
		s.remember(e.hash)
		return
	}
	s.small.remove(e)
	e.uses.Store(0)
	e.inMain = true
	s.main.push(e)
}

// evictMain drops the oldest entry or gives it another round for each use.
func (s *shard) evictMain() {
	e := s.main.last
	if n := e.uses.Load(); n > 0 {
		e.uses.Store(n - 1)
		s.main.remove(e)
		s.main.push(e)
		return
	}
	s.drop(e)
	s.evictions++
}

// remember notes the hash of an entry that leaves. A place has one ghost, the
// last; so they grow old as others come.
func (s *shard) remember(hash uint64) {
	if s.ghosts == nil {
		if s.limit < 2*ghostEvery {
			return
		}
		s.ghosts = make([]uint32, s.limit/ghostEvery)
	}
	s.ghosts[hash%uint64(len(s.ghosts))] = uint32(hash >> 32)
}

func (s *shard) remembers(hash uint64) bool {
	return len(s.ghosts) > 0 && s.ghosts[hash%uint64(len(s.ghosts))] == uint32(hash>>32)
}

// queue is a list of entries, the newest first.
type queue struct {
	first, last *Entry
	bytes       int
}

func (q *queue) push(e *Entry) {
	e.prev, e.next = nil, q.first
	if q.first != nil {
		q.first.prev = e
	} else {
		q.last = e
	}
	q.first = e
	q.bytes += int(e.bytes)
}

func (q *queue) remove(e *Entry) {
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		q.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		q.last = e.prev
	}
	e.prev, e.next = nil, nil
	q.bytes -= int(e.bytes)
}
