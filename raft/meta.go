package raft

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	hraft "github.com/hashicorp/raft"
)

// meta is what is known of a snapshot on disk. Its file is
//
//	"TPLMETA" version (1) │ body │ crc
//
// where the crc is CRC-32C of everything before it, and the body has, as
// uvarints and strings (length, bytes): index, term, floor, ceiling, index of
// the membership, the membership's servers (suffrage, id, address), and the
// files with their sizes.
//
// The contents of the files are not in the checksum: they are hard links to
// gigabytes that the state machine keeps, with checksums of its own.
type meta struct {
	index, term        uint64
	extent             extent
	configurationIndex uint64
	configuration      hraft.Configuration
	files              []fileSize
}

const (
	metaMagic    = "TPLMETA"
	metaVersion  = 1
	maxMetaBytes = 256 << 20
)

// encode returns the content of the meta file.
func (m *meta) encode() []byte {
	b := append([]byte(metaMagic), metaVersion)
	for _, v := range []uint64{m.index, m.term, m.extent.floor, m.extent.ceiling, m.configurationIndex} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendUvarint(b, uint64(len(m.configuration.Servers)))
	for _, s := range m.configuration.Servers {
		b = binary.AppendUvarint(b, uint64(s.Suffrage))
		b = appendString(b, string(s.ID))
		b = appendString(b, string(s.Address))
	}
	b = binary.AppendUvarint(b, uint64(len(m.files)))
	for _, f := range m.files {
		b = appendString(b, f.name)
		b = binary.AppendUvarint(b, uint64(f.size))
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// decodeMeta reads what encode wrote.
func decodeMeta(b []byte) (*meta, error) {
	head := len(metaMagic) + 1
	if len(b) < head+4 || string(b[:len(metaMagic)]) != metaMagic {
		return nil, fmt.Errorf("%w: not a snapshot's meta file", ErrDamaged)
	}
	if v := b[len(metaMagic)]; v != metaVersion {
		return nil, fmt.Errorf("%w: snapshot meta version %d", ErrVersion, v)
	}
	body, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if crc32.Checksum(body, castagnoli) != sum {
		return nil, fmt.Errorf("%w: checksum of a snapshot's meta file", ErrDamaged)
	}
	f := &fields{rest: body[head:]}
	m := &meta{
		index: f.number(), term: f.number(),
		extent:             extent{floor: f.number(), ceiling: f.number()},
		configurationIndex: f.number(),
	}
	for range f.count() {
		m.configuration.Servers = append(m.configuration.Servers, hraft.Server{
			Suffrage: hraft.ServerSuffrage(f.number()),
			ID:       hraft.ServerID(f.string()),
			Address:  hraft.ServerAddress(f.string()),
		})
	}
	for range f.count() {
		m.files = append(m.files, fileSize{name: f.string(), size: f.size()})
	}
	if f.bad || len(f.rest) > 0 {
		return nil, fmt.Errorf("%w: body of a snapshot's meta file", ErrDamaged)
	}
	return m, nil
}

// fields reads values off a byte slice until one is not there.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) number() uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

// size reads a number that must fit a file's size.
func (f *fields) size() int64 {
	n := f.number()
	if n > math.MaxInt64 {
		f.bad, n = true, 0
	}
	return int64(n)
}

// count reads a number of things that take at least one byte each, so that a
// damaged one cannot ask for more than there is.
func (f *fields) count() uint64 {
	n := f.number()
	if n > uint64(len(f.rest)) {
		f.bad, f.rest = true, nil
		return 0
	}
	return n
}

func (f *fields) string() string {
	n := f.count()
	s := string(f.rest[:n])
	f.rest = f.rest[n:]
	return s
}

// forRaft returns the snapshot in hashicorp/raft's words.
func (m *meta) forRaft(id string) *hraft.SnapshotMeta {
	return &hraft.SnapshotMeta{
		Version:            hraft.SnapshotVersionMax,
		ID:                 id,
		Index:              m.index,
		Term:               m.term,
		Configuration:      m.configuration.Clone(),
		ConfigurationIndex: m.configurationIndex,
		Size:               archiveSize(m.files),
	}
}
