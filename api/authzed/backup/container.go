package backup

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/golang/snappy"
)

// What a file may make a reader hold.
const (
	maxBlockBytes = 128 << 20 // a schema is one record
	maxMetaBytes  = 1 << 20
	maxMeta       = 64
	// maxRatio is more than Snappy can compress anything by.
	maxRatio = 64
)

// The ways to compress a block that are known.
const (
	codecNone    = "null"
	codecDeflate = "deflate"
	codecSnappy  = "snappy"
)

const markerBytes = 16

// container reads the blocks of an Avro object container.
type container struct {
	r      *bufio.Reader
	meta   map[string][]byte
	marker [markerBytes]byte
	codec  string
}

// openContainer reads what stands before the first block.
func openContainer(r io.Reader) (*container, error) {
	c := &container{r: bufio.NewReader(r), meta: make(map[string][]byte)}
	var begin [len(magic)]byte
	if _, err := io.ReadFull(c.r, begin[:]); err != nil || string(begin[:]) != magic {
		return nil, fmt.Errorf("%w: it does not begin as one", ErrFormat)
	}
	if err := c.readMeta(); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(c.r, c.marker[:]); err != nil {
		return nil, cutOff(err)
	}
	switch c.codec = string(c.meta[metaCodec]); c.codec {
	case "":
		c.codec = codecNone
	case codecNone, codecDeflate, codecSnappy:
	default:
		return nil, fmt.Errorf("%w: it is compressed by %q", ErrFormat, c.codec)
	}
	return c, nil
}

// readMeta reads names and values, in runs of which the last one is empty.
func (c *container) readMeta() error {
	for {
		n, err := c.long()
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if n < 0 { // what follows is how many bytes they have
			n = -n
			if _, err := c.long(); err != nil {
				return err
			}
		}
		if n < 0 || n > maxMeta-int64(len(c.meta)) {
			return fmt.Errorf("%w: it has more than %d pieces of metadata", ErrFormat, maxMeta)
		}
		for range n {
			name, err := c.bytes(maxMetaBytes)
			if err != nil {
				return err
			}
			if c.meta[string(name)], err = c.bytes(maxMetaBytes); err != nil {
				return err
			}
		}
	}
}

// long reads a number.
func (c *container) long() (int64, error) {
	begin, err := c.r.Peek(binary.MaxVarintLen64) // the end may be nearer
	n, size := binary.Varint(begin)
	switch {
	case size < 0, size == 0 && err == nil:
		return 0, fmt.Errorf("%w: a number has too many bytes", ErrDamaged)
	case size == 0:
		return 0, cutOff(err)
	}
	_, err = c.r.Discard(size)
	return n, err
}

// bytes reads what has its length before it.
func (c *container) bytes(most int64) ([]byte, error) {
	n, err := c.long()
	if err != nil {
		return nil, err
	}
	if n < 0 || n > most {
		return nil, fmt.Errorf("%w: a length of %d", ErrDamaged, n)
	}
	// Room is made as it is filled, not as the length says.
	var b bytes.Buffer
	if _, err := io.CopyN(&b, c.r, n); err != nil {
		return nil, cutOff(err)
	}
	return b.Bytes(), nil
}

// block returns the next records and how many there are, or io.EOF behind the last.
func (c *container) block() (records int64, data []byte, err error) {
	if _, err := c.r.Peek(1); err != nil {
		return 0, nil, err // io.EOF is the end that all files have
	}
	if records, err = c.long(); err != nil {
		return 0, nil, err
	}
	compressed, err := c.bytes(maxBlockBytes)
	if err != nil {
		return 0, nil, err
	}
	var marker [markerBytes]byte
	if _, err := io.ReadFull(c.r, marker[:]); err != nil {
		return 0, nil, cutOff(err)
	}
	if marker != c.marker || records < 0 {
		return 0, nil, fmt.Errorf("%w: a block does not end where it should", ErrDamaged)
	}
	data, err = c.decompress(compressed)
	return records, data, err
}

func (c *container) decompress(data []byte) ([]byte, error) {
	switch c.codec {
	case codecDeflate:
		plain, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), maxBlockBytes+1))
		if err != nil || len(plain) > maxBlockBytes {
			return nil, fmt.Errorf("%w: a block cannot be decompressed, or has more than %d bytes", ErrDamaged, maxBlockBytes)
		}
		return plain, nil
	case codecSnappy:
		return decompressSnappy(data)
	}
	return data, nil
}

func decompressSnappy(data []byte) ([]byte, error) {
	if len(data) < crc32.Size {
		return nil, fmt.Errorf("%w: a block has no checksum", ErrDamaged)
	}
	data, sum := data[:len(data)-crc32.Size], data[len(data)-crc32.Size:]
	n, err := snappy.DecodedLen(data)
	if err != nil || n > maxBlockBytes || n > maxRatio*len(data) {
		return nil, fmt.Errorf("%w: a block says to have %d bytes", ErrDamaged, n)
	}
	plain, err := snappy.Decode(nil, data)
	if err != nil {
		return nil, fmt.Errorf("%w: %v", ErrDamaged, err)
	}
	if crc32.ChecksumIEEE(plain) != binary.BigEndian.Uint32(sum) {
		return nil, fmt.Errorf("%w: a block has another checksum", ErrDamaged)
	}
	return plain, nil
}

// cutOff says of the end of a file where there should be more that it is damage.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends in the middle", ErrDamaged)
	}
	return fmt.Errorf("reading the backup: %w", err)
}
