package rewrite

import (
	"bytes"
	"container/heap"

	"github.com/tupelodb/tupelo/store/tuple"
)

// strand is a run of ids in ascending order: the other halves of the tuples
// that one half is in, or those of a fixed list.
type strand struct {
	object, subject tuple.Kind
	id              []byte // of the half that is known
	fixed           [][]byte
	way             passage // what being in the run says
	page            tuple.Page
	at              int // in the page
	limit           int // of the next page
}

// merge makes one ascending list of many strands, each id once. It holds a part
// of each strand, so its memory is bounded by their number and not by what they
// have: this is how lists are in order, free of repeats, and can begin anywhere.
type merge struct {
	// read fills a strand's page with what follows an id.
	read    func(s *strand, above []byte, limit int) error
	strands []*strand // a heap by the next id of each
	limit   int       // ids to read of a strand at once, at most
	id      []byte    // the last id given
}

// A merge holds mergeIDs ids, or smallestPage of each strand if that is more.
// Strands begin with that much, so that the first id is there soon.
const (
	mergeIDs     = 1 << 14
	smallestPage = 8
)

func (m *merge) add(s *strand) { m.strands = append(m.strands, s) }

// begin reads the first ids of every strand, those above `above`.
func (m *merge) begin(above []byte) error {
	m.limit = max(smallestPage, min(pageSize, mergeIDs/max(1, len(m.strands))))
	kept := m.strands[:0]
	for _, s := range m.strands {
		s.limit = smallestPage
		if err := m.refill(s, above); err != nil {
			return err
		}
		if s.page.Len() > 0 {
			kept = append(kept, s)
		}
	}
	m.strands = kept
	heap.Init(m)
	return nil
}

// refill reads the next page of a strand, twice as much as before.
func (m *merge) refill(s *strand, above []byte) error {
	if s.object.Type == 0 {
		s.page.Reset()
		for _, id := range s.fixed {
			if above == nil || bytes.Compare(id, above) > 0 {
				s.page.Append(id, tuple.Traits{})
			}
		}
		return nil
	}
	limit := s.limit
	s.at, s.limit = 0, min(2*limit, m.limit)
	return m.read(s, above, limit)
}

// next returns the next id, and the best that any strand says of it. The id is
// valid until the next call.
func (m *merge) next() (id []byte, way passage, ok bool, err error) {
	if len(m.strands) == 0 {
		return nil, closed, false, nil
	}
	m.id = append(m.id[:0], m.head(0)...)
	for len(m.strands) > 0 && bytes.Equal(m.head(0), m.id) {
		s := m.strands[0]
		says := s.way
		if !s.page.Traits(s.at).None() {
			says = min(says, perhaps) // the tuple counts only under a condition
		}
		way = max(way, says)
		if err := m.advance(s); err != nil {
			return nil, closed, false, err
		}
	}
	return m.id, way, true, nil
}

// advance moves the first strand on by one id.
func (m *merge) advance(s *strand) error {
	s.at++
	if s.at == s.page.Len() && s.page.More {
		if err := m.refill(s, m.id); err != nil {
			return err
		}
	}
	if s.at == s.page.Len() {
		heap.Pop(m)
	} else if len(m.strands) > 1 {
		heap.Fix(m, 0)
	}
	return nil
}

func (m *merge) head(i int) []byte { return m.strands[i].page.ID(m.strands[i].at) }

// Len, Less, Swap, Push and Pop are for package heap.

// Len is the number of strands.
func (m *merge) Len() int { return len(m.strands) }

// Less orders strands by their next id.
func (m *merge) Less(i, j int) bool { return bytes.Compare(m.head(i), m.head(j)) < 0 }

// Swap swaps two strands.
func (m *merge) Swap(i, j int) { m.strands[i], m.strands[j] = m.strands[j], m.strands[i] }

// Push adds a strand.
func (m *merge) Push(s any) { m.strands = append(m.strands, s.(*strand)) }

// Pop takes the last strand off.
func (m *merge) Pop() any {
	last := m.strands[len(m.strands)-1]
	m.strands = m.strands[:len(m.strands)-1]
	return last
}
