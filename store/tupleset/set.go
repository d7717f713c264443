package tupleset

import (
	"bytes"
	"encoding/binary"
	"sort"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Set is the newest state of one tupleset, all subjects of an object and
// relation, in one piece of memory. It never changes.
//
//	sections:2 │ type:2 relation:2 count:4 start:4 │ ... │ ends:4 ... records │ ...
//	             └─ one for each kind, ascending ──┘       └─ at start ─────┘
//
// A record is a subject's id; with traits, and then the highest bit of its end
// is set, NUL, caveat:2, expires:8 and the context follow. Ends count from the
// first record of the section. A kind with too many subjects has the count
// notHeld and no records; a kind that has no section has no subjects.
type Set struct {
	newest uint64
	data   []byte
}

const (
	headBytes    = 2
	sectionBytes = 2 + 2 + 4 + 4
	endBytes     = 4
	traitsBytes  = 2 + 8

	notHeld  = 1<<32 - 1
	withMore = 1 << 31 // in an end: traits follow the id
)

// Newest is the revision from which on the set holds.
func (s *Set) Newest() uint64 { return s.newest }

// Find returns the traits of the subject of a kind with an id, if it is in the
// set; held is false if the set cannot say. The context belongs to the set.
func (s *Set) Find(kind tuple.Kind, id []byte) (traits tuple.Traits, found, held bool) {
	sec, ok := s.section(kind)
	if !ok {
		return traits, false, true
	}
	if sec.count == notHeld {
		return traits, false, false
	}
	i := sec.search(id)
	if i == int(sec.count) {
		return traits, false, true
	}
	at, more := sec.record(i)
	if !bytes.Equal(at, id) {
		return traits, false, true
	}
	return decodeTraits(more), true, true
}

// Page fills a page, which is empty, with the subjects of a kind above an id
// (nil: from the first), at most limit; held is false if the set cannot say.
func (s *Set) Page(kind tuple.Kind, above []byte, limit int, page *tuple.Page) (held bool) {
	sec, ok := s.section(kind)
	if !ok {
		return true
	}
	if sec.count == notHeld {
		return false
	}
	i := 0
	if len(above) > 0 {
		i = sec.search(above)
		if i < int(sec.count) {
			if at, _ := sec.record(i); bytes.Equal(at, above) {
				i++
			}
		}
	}
	for ; i < int(sec.count); i++ {
		if page.Len() == limit {
			page.More = true
			return true
		}
		id, more := sec.record(i)
		page.Append(id, decodeTraits(more))
	}
	return true
}

// holds reports whether the set speaks of a kind.
func (s *Set) holds(kind tuple.Kind) bool {
	sec, ok := s.section(kind)
	return !ok || sec.count != notHeld
}

// Section is what a set has of one kind of subject. The zero value has nothing.
type Section struct{ section }

// Section returns what the set has of a kind; held is false if it cannot say.
func (s *Set) Section(kind tuple.Kind) (_ Section, held bool) {
	sec, ok := s.section(kind)
	if ok && sec.count == notHeld {
		return Section{}, false
	}
	return Section{sec}, true
}

// Len is the number of subjects.
func (c *Section) Len() int { return int(c.count) }

// ID returns the id of the i-th subject; ids ascend.
func (c *Section) ID(i int) []byte {
	id, _ := c.record(i)
	return id
}

// Has reports whether the subject with an id is there.
func (c *Section) Has(id []byte) bool {
	i := c.search(id)
	return i < int(c.count) && bytes.Equal(c.ID(i), id)
}

// section is what a set has of one kind.
type section struct {
	count   uint32
	ends    []byte
	records []byte
}

// section finds that of a kind. There are as many as a schema allows kinds of
// subjects, so that one after the other is fastest.
func (s *Set) section(kind tuple.Kind) (section, bool) {
	if len(s.data) == 0 {
		return section{}, false
	}
	n := int(binary.LittleEndian.Uint16(s.data))
	for i := range n {
		head := s.data[headBytes+i*sectionBytes:][:sectionBytes]
		if binary.LittleEndian.Uint16(head) != uint16(kind.Type) ||
			binary.LittleEndian.Uint16(head[2:]) != uint16(kind.Relation) {
			continue
		}
		sec := section{count: binary.LittleEndian.Uint32(head[4:])}
		if sec.count != notHeld {
			body := s.data[binary.LittleEndian.Uint32(head[8:]):]
			sec.ends, sec.records = body[:sec.count*endBytes], body[sec.count*endBytes:]
		}
		return sec, true
	}
	return section{}, false
}

// search returns the place of the first id that is not below id.
func (c *section) search(id []byte) int {
	return sort.Search(int(c.count), func(i int) bool {
		at, _ := c.record(i)
		return bytes.Compare(at, id) >= 0
	})
}

// record returns the i-th id, and its traits as they are encoded.
func (c *section) record(i int) (id, more []byte) {
	start := uint32(0)
	if i > 0 {
		start = binary.LittleEndian.Uint32(c.ends[(i-1)*endBytes:]) &^ withMore
	}
	end := binary.LittleEndian.Uint32(c.ends[i*endBytes:])
	if end&withMore == 0 {
		return c.records[start:end:end], nil
	}
	end &^= withMore
	record := c.records[start:end:end]
	nul := bytes.IndexByte(record, 0)
	return record[:nul:nul], record[nul+1:]
}

func decodeTraits(more []byte) (t tuple.Traits) {
	if more == nil {
		return t
	}
	t.Caveat = tuple.CaveatID(binary.LittleEndian.Uint16(more))
	t.ExpiresNanos = int64(binary.LittleEndian.Uint64(more[2:]))
	if context := more[traitsBytes:]; len(context) > 0 {
		t.Context = context
	}
	return t
}
