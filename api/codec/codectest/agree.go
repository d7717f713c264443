package codectest

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/codec"
)

// Held are fast paths, and the messages that they are held by.
type Held struct {
	Fast codec.Fast
	// Requests and Answers are as clients and handlers make them: no fast path may
	// decline to read the ones, or to write the others.
	Requests, Answers []proto.Message
}

// Codec returns a codec with the fast paths.
func (h *Held) Codec() *codec.Codec {
	c := codec.New()
	c.Add(h.Fast)
	return c
}

// messages returns all of them.
func (h *Held) messages() []proto.Message { return slices.Concat(h.Requests, h.Answers) }

// kinds returns one message of each kind.
func (h *Held) kinds() (kinds []proto.Message) {
	for _, m := range h.messages() {
		same := func(k proto.Message) bool {
			return k.ProtoReflect().Descriptor() == m.ProtoReflect().Descriptor()
		}
		if !slices.ContainsFunc(kinds, same) {
			kinds = append(kinds, m)
		}
	}
	return kinds
}

// Plain tests that no plain message is declined.
func Plain(t *testing.T, h *Held) {
	for _, m := range h.Requests {
		if !h.Fast.Read(wireOf(t, m), empty(m)) {
			t.Errorf("%v is declined", m)
		}
	}
	for _, m := range h.Answers {
		if _, ok := h.Fast.Size(m); !ok {
			t.Errorf("%v is declined", m)
		}
	}
	for _, m := range h.messages() {
		agree(t, h, m, wireOf(t, m))
	}
}

// Damaged tests bytes that are nearly messages.
func Damaged(t *testing.T, h *Held, rounds int) {
	rng := rand.New(rand.NewPCG(3, 3))
	var wires [][]byte
	for _, m := range h.messages() {
		if wire := wireOf(t, m); len(wire) < 200 {
			wires = append(wires, wire)
		}
	}
	telling := []byte{0, 1, 2, 8, 10, 16, 18, 24, 26, 34, 42, 48, 0x80, 0xff}
	for range rounds {
		wire := slices.Clone(wires[rng.IntN(len(wires))])
		if rng.IntN(4) == 0 {
			wire = append(wire, wires[rng.IntN(len(wires))]...) // what is there twice is merged
		}
		for range rng.IntN(3) {
			if len(wire) == 0 {
				continue
			}
			b := byte(rng.IntN(256))
			if rng.IntN(4) > 0 {
				b = telling[rng.IntN(len(telling))]
			}
			wire[rng.IntN(len(wire))] = b
		}
		if rng.IntN(8) == 0 {
			wire = wire[:rng.IntN(len(wire)+1)]
		}
		for _, kind := range h.kinds() {
			agree(t, h, kind, wire)
		}
	}
}

// Fuzz tests any bytes.
func Fuzz(f *testing.F, h *Held) {
	for _, m := range h.messages() {
		if wire := wireOf(f, m); len(wire) < 1000 {
			f.Add(wire)
		}
	}
	kinds := h.kinds()
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, kind := range kinds {
			agree(t, h, kind, wire)
		}
	})
}

// agree has the codec and the library read a message of a kind, and both write what
// came of it.
func agree(t *testing.T, h *Held, kind proto.Message, wire []byte) {
	t.Helper()
	c, want, got := h.Codec(), empty(kind), empty(kind)
	wantErr := proto.Unmarshal(wire, want)
	given := slices.Clone(wire)
	gotErr := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(given)}, got)
	for i := range given {
		given[i] = 0xff // it is the transport's again
	}
	if (wantErr == nil) != (gotErr == nil) {
		t.Fatalf("%T from %x: %v, and the library: %v", want, wire, gotErr, wantErr)
	}
	if wantErr != nil {
		return
	}
	if !proto.Equal(want, got) {
		t.Fatalf("%T from %x: %v, and the library: %v", want, wire, got, want)
	}
	written, err := c.Marshal(got)
	if err != nil {
		t.Fatalf("%v cannot be written: %v", got, err)
	}
	plain, err := proto.MarshalOptions{Deterministic: true}.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	bytesOf := written.Materialize()
	if _, fast := h.Fast.Size(want); fast && !bytes.Equal(bytesOf, plain) || len(bytesOf) != len(plain) {
		t.Fatalf("%v is written as %x, by the library as %x", want, bytesOf, plain)
	}
	again := empty(kind)
	if err := proto.Unmarshal(bytesOf, again); err != nil || !proto.Equal(again, want) {
		t.Fatalf("%v is written as %x, which is %v: %v", want, bytesOf, again, err)
	}
}

func empty(m proto.Message) proto.Message { return m.ProtoReflect().New().Interface() }

func wireOf(t testing.TB, m proto.Message) []byte {
	t.Helper()
	wire, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}
