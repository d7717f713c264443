// Package codec reads and writes the messages of gRPC calls. Those of the hottest
// calls, in their plainest form, are read and written by code that was made for them,
// without reflection and with few allocations; all others, and whatever is unusual
// about one of those, by the protobuf library.
//
//	bytes ─▶ a fast path that takes them ──────────────▶ message
//	           └ declines ─▶ the protobuf library ─────▶ message, or an error
//
// # Invariants
//
//	C1  What is read or written is what the protobuf library would read or write. A
//	    fast path therefore takes only what it fully understands: messages whose
//	    fields are known, of the expected kinds, within bounds and valid UTF-8. It
//	    never reports an error: it declines, and the library finds what is wrong.
//	C2  A message that was read keeps nothing of the buffer that it was read from.
//
// The packages that know the messages bring the fast paths; see [Fast]. They are held
// to C1 by fuzz tests beside them, which are package codectest's.
//
// Read next: codec.go, then fields.go.
package codec
