package backup

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"slices"

	"github.com/golang/snappy"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// A block is written once it has that many records or bytes.
const (
	writtenRecords = 1000
	writtenBytes   = 256 << 10
)

// Writer writes a backup.
type Writer struct {
	w       io.Writer
	marker  [markerBytes]byte
	block   []byte
	records int64
}

// NewWriter begins a backup of a schema, with the token of the revision that it is
// of, if there is one.
func NewWriter(w io.Writer, schema, token string) (*Writer, error) {
	layout, err := layoutJSON()
	if err != nil {
		return nil, fmt.Errorf("beginning the backup: %w", err)
	}
	meta := map[string]string{metaLayout: string(layout), metaCodec: codecSnappy}
	if token != "" {
		meta[metaToken] = token
	}
	b := &Writer{w: w}
	// It must not be in the data by chance; that it is the same for the same backup
	// does no harm.
	sum := sha256.Sum256([]byte("marker\x00" + token + "\x00" + schema))
	copy(b.marker[:], sum[:])
	head := binary.AppendVarint([]byte(magic), int64(len(meta)))
	for _, name := range slices.Sorted(maps.Keys(meta)) {
		head = appendText(appendText(head, name), meta[name])
	}
	head = append(binary.AppendVarint(head, 0), b.marker[:]...)
	if err := b.write(head); err != nil {
		return nil, err
	}
	b.begin(schemaName)
	b.block = appendText(b.block, schema)
	return b, b.Flush()
}

// Write adds a tuple as a relationship.
func (b *Writer) Write(t *tupelov1.Tuple) error {
	var context []byte
	if c := t.GetCaveat().GetContext(); c != nil {
		var err error
		if context, err = (proto.MarshalOptions{Deterministic: true}).Marshal(c); err != nil {
			return fmt.Errorf("writing the context of a caveat: %w", err)
		}
	}
	expires := noExpiration
	if t.GetExpiresAt() != nil {
		expires = t.ExpiresAt.AsTime().UnixMilli()
	}
	b.begin(relationshipName)
	for _, text := range []string{
		t.GetObject().GetType(), t.GetObject().GetId(), t.GetRelation(),
		t.GetSubject().GetType(), t.GetSubject().GetId(), t.GetSubject().GetRelation(),
		t.GetCaveat().GetName(), string(context),
	} {
		b.block = appendText(b.block, text)
	}
	b.block = binary.AppendVarint(b.block, expires)
	if b.records >= writtenRecords || len(b.block) >= writtenBytes {
		return b.Flush()
	}
	return nil
}

// begin begins a record.
func (b *Writer) begin(kind string) {
	b.records++
	b.block = binary.AppendVarint(b.block, int64(slices.IndexFunc(ours, func(r record) bool { return r.name == kind })))
}

// Flush writes what is not written yet. It is the end of a backup, too.
func (b *Writer) Flush() error {
	if b.records == 0 {
		return nil
	}
	data := snappy.Encode(nil, b.block)
	data = binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(b.block))
	var out bytes.Buffer
	out.Write(binary.AppendVarint(nil, b.records))
	out.Write(binary.AppendVarint(nil, int64(len(data))))
	out.Write(data)
	out.Write(b.marker[:])
	b.block, b.records = b.block[:0], 0
	return b.write(out.Bytes())
}

func (b *Writer) write(data []byte) error {
	if _, err := b.w.Write(data); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendVarint(b, int64(len(text))), text...)
}
