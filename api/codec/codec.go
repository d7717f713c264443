package codec

import (
	"fmt"

	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
)

// Fast has the fast paths of some messages.
type Fast struct {
	// Read fills a message in, and reports false where it declines to: the message
	// may then be filled in part. It keeps nothing of data.
	Read func(data []byte, message any) bool
	// Size returns how many bytes a message takes on the wire, and false where it
	// declines. What Size takes Append appends to a slice that is empty and has a
	// capacity of as many bytes.
	Size   func(message any) (bytes int, ok bool)
	Append func(to []byte, message any) []byte
}

// Codec is gRPC's codec for protobuf with fast paths. It is safe for concurrent use
// once it is in use; Add comes before.
type Codec struct {
	library encoding.CodecV2
	fast    []Fast
}

// New returns a codec without fast paths.
func New() *Codec { return &Codec{library: encoding.GetCodecV2("proto")} }

// Add adds fast paths; where several know a message the first is asked.
func (c *Codec) Add(f Fast) { c.fast = append(c.fast, f) }

// Name implements encoding.CodecV2.
func (c *Codec) Name() string { return c.library.Name() }

// Marshal implements encoding.CodecV2.
func (c *Codec) Marshal(v any) (mem.BufferSlice, error) {
	for i := range c.fast {
		if size, ok := c.fast[i].Size(v); ok {
			return write(&c.fast[i], v, size)
		}
	}
	return c.library.Marshal(v)
}

func write(f *Fast, v any, size int) (mem.BufferSlice, error) {
	switch { // short ones with all that the transport takes them in, in one allocation
	case size <= len(piece112{}.room):
		p := &piece112{}
		return p.take(f, p.room[:0:size], v)
	case size <= len(piece256{}.room):
		p := &piece256{}
		return p.take(f, p.room[:0:size], v)
	}
	if mem.IsBelowBufferPoolingThreshold(size) {
		data := f.Append(make([]byte, 0, size), v)
		return mem.BufferSlice{mem.SliceBuffer(data)}, sized(v, len(data), size)
	}
	pool := mem.DefaultBufferPool()
	buffer := pool.Get(size)
	data := f.Append((*buffer)[:0:size], v) // in place, unless it is longer than it said
	return mem.BufferSlice{mem.NewBuffer(buffer, pool)}, sized(v, len(data), size)
}

// piece is a message as the transport takes it.
type piece struct {
	list [1]mem.Buffer
	data mem.SliceBuffer
}

// The pieces with room for short messages are as large as what is allocated for them.
type (
	piece112 struct {
		piece
		room [112 - 40]byte
	}
	piece256 struct {
		piece
		room [256 - 40]byte
	}
)

// take writes a message into room.
func (p *piece) take(f *Fast, room []byte, v any) (mem.BufferSlice, error) {
	p.data = f.Append(room, v)
	p.list[0] = &p.data
	return p.list[:], sized(v, len(p.data), cap(room))
}

// sized refuses what a fast path wrote otherwise than it said: it is a bug, or
// somebody changes the message meanwhile.
func sized(v any, wrote, size int) error {
	if wrote != size {
		return fmt.Errorf("writing a %T: it has %d bytes, not %d", v, wrote, size)
	}
	return nil
}

// Unmarshal implements encoding.CodecV2.
func (c *Codec) Unmarshal(data mem.BufferSlice, v any) error {
	buffer := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer buffer.Free()
	wire := buffer.ReadOnlyData()
	for i := range c.fast {
		if c.fast[i].Read(wire, v) {
			return nil
		}
	}
	message, ok := v.(proto.Message)
	if !ok {
		return c.library.Unmarshal(data, v)
	}
	return proto.Unmarshal(wire, message)
}
