package main

import (
	"math"
	"testing"
)

func TestTheMemoryForTuplesetsIsAShareWithinBounds(t *testing.T) {
	for memory, want := range map[int64]byteSize{
		0:             64 << 20,
		100 << 20:     64 << 20,
		4 << 30:       512 << 20,
		4<<30 - 1:     511 << 20,
		64 << 30:      1 << 30,
		math.MaxInt64: 1 << 30,
	} {
		if got := defaultTuplesetCache(memory, true); got != want {
			t.Errorf("of %d: %s, want %s", memory, &got, &want)
		}
	}
	if got := defaultTuplesetCache(math.MaxInt64, false); got != 64<<20 {
		t.Errorf("of what is not known: %s", &got)
	}
}

func TestTheMemoryOfTheMachineIsRead(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       8138488 kB\nMemFree: 1 kB\n": 8138488 << 10,
		"MemFree: 1 kB\n":         math.MaxInt64,
		"MemTotal: -1 kB\n":       math.MaxInt64,
		"MemTotal: a lot of kB\n": math.MaxInt64,
		"":                        math.MaxInt64,
	} {
		if got := totalMemory([]byte(text)); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	for text, want := range map[string]int64{"max\n": math.MaxInt64, "536870912\n": 512 << 20, "": math.MaxInt64, "-5": math.MaxInt64} {
		if got := groupLimit(text); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
