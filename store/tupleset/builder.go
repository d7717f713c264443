package tupleset

import (
	"encoding/binary"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Builder gathers a set from the versions of a tupleset in the order of their
// keys. It is for one goroutine and can be used again.
type Builder struct {
	newest   uint64
	sections []built
	ends     []byte
	records  []byte
}

// built is a section with where it begins in the builder.
type built struct {
	kind    tuple.Kind
	count   uint32
	ends    int
	records int
}

// maxKeptBytes is how much memory a builder keeps for its next use.
const maxKeptBytes = 64 << 10

// Reset begins a set that holds from revision on, or from the newest version
// that it is told of.
func (b *Builder) Reset(revision uint64) {
	if cap(b.records)+cap(b.ends) > maxKeptBytes {
		b.records, b.ends = nil, nil
	}
	b.newest = revision
	b.sections, b.ends, b.records = b.sections[:0], b.ends[:0], b.records[:0]
}

// Saw takes note of a version, live or not.
func (b *Builder) Saw(revision uint64) { b.newest = max(b.newest, revision) }

// Begin begins the section of a kind, which is above those before.
func (b *Builder) Begin(kind tuple.Kind) {
	b.sections = append(b.sections, built{kind: kind, ends: len(b.ends), records: len(b.records)})
}

// Add adds a subject of the kind begun last, above those before.
func (b *Builder) Add(id []byte, t tuple.Traits) {
	b.sections[len(b.sections)-1].count++
	b.records = append(b.records, id...)
	flag := uint32(0)
	if !t.None() {
		flag = withMore
		b.records = append(b.records, 0)
		b.records = binary.LittleEndian.AppendUint16(b.records, uint16(t.Caveat))
		b.records = binary.LittleEndian.AppendUint64(b.records, uint64(t.ExpiresNanos))
		b.records = append(b.records, t.Context...)
	}
	end := len(b.records) - b.sections[len(b.sections)-1].records
	b.ends = binary.LittleEndian.AppendUint32(b.ends, uint32(end)|flag)
}

// Leave forgets the subjects of the kind begun last: the set does not hold them.
func (b *Builder) Leave() {
	sec := &b.sections[len(b.sections)-1]
	sec.count = notHeld
	b.ends, b.records = b.ends[:sec.ends], b.records[:sec.records]
}

// Bytes is the memory that the set takes so far.
func (b *Builder) Bytes() int {
	return headBytes + len(b.sections)*sectionBytes + len(b.ends) + len(b.records)
}

// set returns what was gathered, in memory of its own.
func (b *Builder) set() Set {
	sections := 0
	for i := range b.sections {
		if b.sections[i].count > 0 {
			sections++
		}
	}
	if sections == 0 {
		return Set{newest: b.newest}
	}
	head := headBytes + sections*sectionBytes
	data := make([]byte, 0, head+len(b.ends)+len(b.records))
	data = binary.LittleEndian.AppendUint16(data, uint16(sections))
	start := head
	for i := range b.sections {
		sec := &b.sections[i]
		if sec.count == 0 {
			continue // all its versions say that they are deleted
		}
		data = binary.LittleEndian.AppendUint16(data, uint16(sec.kind.Type))
		data = binary.LittleEndian.AppendUint16(data, uint16(sec.kind.Relation))
		data = binary.LittleEndian.AppendUint32(data, sec.count)
		data = binary.LittleEndian.AppendUint32(data, uint32(start))
		ends, records := b.bounds(i)
		start += ends - sec.ends + records - sec.records
	}
	for i := range b.sections {
		ends, records := b.bounds(i)
		data = append(data, b.ends[b.sections[i].ends:ends]...)
		data = append(data, b.records[b.sections[i].records:records]...)
	}
	return Set{newest: b.newest, data: data}
}

// bounds returns where the i-th section ends.
func (b *Builder) bounds(i int) (ends, records int) {
	if i+1 < len(b.sections) {
		return b.sections[i+1].ends, b.sections[i+1].records
	}
	return len(b.ends), len(b.records)
}
