package rewrite

import (
	"bytes"
	"container/heap"
	"sort"

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
	used            int // ids of the page that were stood on
	limit           int // of the next page
}

// merge makes one ascending list of many strands, each id once. It holds a part
// of each strand, so its memory is bounded by their number and not by what they
// have: this is how lists are in order, free of repeats, and can begin anywhere.
type merge struct {
	// read fills a strand's page with what follows an id.
	read func(s *strand, above []byte, limit int) error
	// counts says what a way through a tuple with traits is worth.
	counts  func(tuple.Traits) (passage, error)
	strands []*strand // a heap by the next id of each
	limit   int       // ids to read of a strand at once, at most
	id      []byte    // the last id given
	under   []byte    // scratch of skip
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
	s.at, s.used, s.limit = 0, 0, min(2*limit, m.limit)
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
		if way < s.way {
			says, err := m.says(s)
			if err != nil {
				return nil, closed, false, err
			}
			way = max(way, says)
		}
		if err := m.advance(s); err != nil {
			return nil, closed, false, err
		}
	}
	return m.id, way, true, nil
}

// says is what a strand says of the id at its head.
func (m *merge) says(s *strand) (passage, error) {
	traits := s.page.Traits(s.at)
	if traits.None() {
		return s.way, nil
	}
	worth, err := m.counts(traits)
	return min(s.way, worth), err
}

// advance moves the first strand on by one id.
func (m *merge) advance(s *strand) error {
	s.at++
	s.used++
	if s.at == s.page.Len() && s.page.More {
		if err := m.refill(s, m.id); err != nil {
			return err
		}
	}
	m.settle(s)
	return nil
}

// settle puts the first strand, which has moved on, in its place.
func (m *merge) settle(s *strand) {
	if s.at == s.page.Len() {
		heap.Pop(m)
	} else if len(m.strands) > 1 {
		heap.Fix(m, 0)
	}
}

// seek leaves out the ids that are below another.
func (m *merge) seek(id []byte) error {
	for len(m.strands) > 0 && bytes.Compare(m.head(0), id) < 0 {
		if err := m.skip(m.strands[0], id); err != nil {
			return err
		}
	}
	return nil
}

// skip moves the first strand on to its first id that is not below another, or
// as near to it as the page that it reads allows.
func (m *merge) skip(s *strand, id []byte) error {
	last := s.page.Len() - 1
	s.used++
	if s.at < last && bytes.Compare(s.page.ID(s.at+1), id) >= 0 {
		s.at++
	} else if bytes.Compare(s.page.ID(last), id) >= 0 {
		s.at += sort.Search(last-s.at, func(i int) bool { return bytes.Compare(s.page.ID(s.at+i), id) >= 0 })
	} else if s.at = last + 1; s.page.More {
		if 2*s.used < s.page.Len() {
			s.limit = max(1, s.limit/4) // most of it was passed over, and will be again
		}
		if m.under = below(m.under, id); bytes.Compare(m.under, s.page.ID(last)) < 0 {
			m.under = append(m.under[:0], s.page.ID(last)...)
		}
		if err := m.refill(s, m.under); err != nil {
			return err
		}
	}
	m.settle(s)
	return nil
}

// below returns, in memory that it may use, an id that is below another and above
// nearly all that are: above all of them whose bytes are no 0xff. Nil is below the
// first id that there can be.
func below(scratch, id []byte) []byte {
	last := len(id) - 1
	scratch = append(scratch[:0], id...)
	if id[last] > 1 {
		scratch[last]--
		return append(scratch, 0xff)
	}
	if last == 0 {
		return nil
	}
	return scratch[:last]
}

// wayOf returns the best that any strand says of an id; ids ascend from call to
// call. One strand stays where it is: who comes next may be far away.
func (m *merge) wayOf(id []byte) (passage, error) {
	if err := m.seek(id); err != nil || len(m.strands) == 0 || !bytes.Equal(m.head(0), id) {
		return closed, err
	}
	if len(m.strands) == 1 {
		return m.says(m.strands[0])
	}
	_, way, _, err := m.next()
	return way, err
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
