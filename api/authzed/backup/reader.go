package backup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

// Reader reads a backup.
type Reader struct {
	file   *container
	layout []record
	schema string
	block  []byte // what is left of one
	left   int64  // records in it
}

// NewReader returns a reader of a file, of which it has read the schema. Beside
// ErrFormat and ErrDamaged there is ErrNoExpirations.
func NewReader(r io.Reader) (*Reader, error) {
	file, err := openContainer(r)
	if err != nil {
		return nil, err
	}
	b := &Reader{file: file}
	if b.layout, err = parseLayout(file.meta[metaLayout]); err != nil {
		return nil, err
	}
	first, err := b.next()
	if errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it has no schema", ErrDamaged)
	}
	if err != nil {
		return nil, err
	}
	if first.kind != schemaName {
		return nil, fmt.Errorf("%w: it does not begin with its schema", ErrDamaged)
	}
	b.schema = first.text["schema_text"]
	if !b.tellsExpirations() && mayExpire(b.schema) {
		return nil, ErrNoExpirations
	}
	return b, nil
}

// tellsExpirations reports whether relationships have a field for when they expire.
func (b *Reader) tellsExpirations() bool {
	return slices.ContainsFunc(b.layout, func(r record) bool {
		return r.name == relationshipName && slices.ContainsFunc(r.fields, func(f field) bool { return f.name == expirationName })
	})
}

// mayExpire reports whether a schema takes relationships that expire. One that is
// wrong takes none, and is refused by those who write it.
func mayExpire(text string) bool {
	tree, err := schema.Load("", text)
	if err != nil {
		return false
	}
	for _, d := range tree.Definitions {
		for _, m := range d.Members {
			if r, ok := m.(*schema.Relation); ok && slices.ContainsFunc(r.Types, func(t *schema.TypeRef) bool { return t.Expiration }) {
				return true
			}
		}
	}
	return false
}

// Schema returns the schema.
func (b *Reader) Schema() string { return b.schema }

// Token returns the ZedToken of the revision that the backup is of, or nothing if
// the file does not tell.
func (b *Reader) Token() string { return string(b.file.meta[metaToken]) }

// Next returns the next relationship as a tuple, or io.EOF behind the last one.
func (b *Reader) Next() (*tupelov1.Tuple, error) {
	v, err := b.next()
	if err != nil {
		return nil, err
	}
	if v.kind != relationshipName {
		return nil, fmt.Errorf("%w: it has a second schema", ErrDamaged)
	}
	t := &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: v.text["object_type"], Id: v.text["object_id"]},
		Relation: v.text["relation"],
		Subject:  &tupelov1.Subject{Type: v.text["subject_object_type"], Id: v.text["subject_object_id"], Relation: v.text["subject_relation"]},
	}
	if v.expires != noExpiration {
		t.ExpiresAt = timestamppb.New(time.UnixMilli(v.expires))
	}
	name, context := v.text["caveat_name"], v.text["caveat_context"]
	if name == "" && context != "" {
		return nil, fmt.Errorf("%w: a relationship has a context and no caveat", ErrDamaged)
	}
	if name != "" {
		t.Caveat = &tupelov1.Caveat{Name: name}
	}
	if context != "" {
		t.Caveat.Context = &structpb.Struct{}
		if err := proto.Unmarshal([]byte(context), t.Caveat.Context); err != nil {
			return nil, fmt.Errorf("%w: the context of a caveat: %v", ErrDamaged, err)
		}
	}
	return t, nil
}

// values are the fields of a record.
type values struct {
	kind    string
	text    map[string]string
	expires int64
}

// next returns the next record, or io.EOF behind the last one.
func (b *Reader) next() (v values, err error) {
	for b.left == 0 {
		if len(b.block) > 0 {
			return v, fmt.Errorf("%w: a block has more than its records", ErrDamaged)
		}
		if b.left, b.block, err = b.file.block(); err != nil {
			return v, err
		}
	}
	b.left--
	kind, err := b.long()
	if err != nil {
		return v, err
	}
	if kind < 0 || kind >= int64(len(b.layout)) {
		return v, fmt.Errorf("%w: a record of the kind %d", ErrDamaged, kind)
	}
	r := b.layout[kind]
	v = values{kind: r.name, text: make(map[string]string, len(r.fields)), expires: noExpiration}
	for _, f := range r.fields {
		if f.kind == "long" {
			v.expires, err = b.long()
		} else {
			v.text[f.name], err = b.text(f.kind)
		}
		if err != nil {
			return v, fmt.Errorf("%s of a %s: %w", f.name, r.name, err)
		}
	}
	return v, nil
}

// long reads a number.
func (b *Reader) long() (int64, error) {
	n, size := binary.Varint(b.block)
	if size <= 0 {
		return 0, fmt.Errorf("%w: a block ends in the middle of a record", ErrDamaged)
	}
	b.block = b.block[size:]
	return n, nil
}

// text reads a text or bytes.
func (b *Reader) text(kind string) (string, error) {
	n, err := b.long()
	if err != nil {
		return "", err
	}
	if n < 0 || n > int64(len(b.block)) {
		return "", fmt.Errorf("%w: a length of %d", ErrDamaged, n)
	}
	text := string(b.block[:n])
	b.block = b.block[n:]
	if kind == "string" && !utf8.ValidString(text) {
		return "", fmt.Errorf("%w: a text is not UTF-8", ErrDamaged)
	}
	return text, nil
}
