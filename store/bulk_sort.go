package store

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// chunk is a part of what a bulk load puts into one index: keys and values one
// after the other in memory, and where each of them is, in the order of keys once
// it is sorted. A key lacks what all keys of the index begin with (tag and store)
// and its revision; so none begins with another.
type chunk struct {
	bytes []byte
	items []chunkItem
}

// chunkItem is where a key and its value are. window is what sort compares.
type chunkItem struct {
	window   uint64
	at       uint32
	keyBytes uint16
	valBytes uint16
}

const (
	chunkItemBytes = 16
	windowBytes    = 8
)

// newChunk returns a chunk with room for half of what a sorter has, so that it is not
// copied as it grows; the system gives the memory as it is filled. The index of
// expirations, which few tuples are in, grows.
func newChunk(index int, sorterBytes int64) chunk {
	if index == bulkExpiry {
		return chunk{}
	}
	n := sorterBytes/2 + sorterBytes/16 // sides of a tuple differ in length
	return chunk{bytes: make([]byte, 0, n), items: make([]chunkItem, 0, n/3/chunkItemBytes)}
}

// reset empties the chunk. Its memory is used again: what a load takes from the system
// is most of its time in the system.
func (c *chunk) reset() { c.bytes, c.items = c.bytes[:0], c.items[:0] }

// size is how much memory the chunk fills.
func (c *chunk) size() int64 {
	return int64(len(c.bytes)) + chunkItemBytes*int64(len(c.items))
}

// added notes that a key and a value were appended to bytes, from `at` on.
func (c *chunk) added(at, keyBytes int) {
	c.items = append(c.items, chunkItem{
		at: uint32(at), keyBytes: uint16(keyBytes), valBytes: uint16(len(c.bytes) - at - keyBytes),
	})
}

func (c *chunk) key(i *chunkItem) []byte { return c.bytes[i.at : i.at+uint32(i.keyBytes)] }

func (c *chunk) value(i *chunkItem) []byte {
	end := i.at + uint32(i.keyBytes)
	return c.bytes[end : end+uint32(i.valBytes)]
}

// write puts the keys, once they are sorted, into a run.
func (c *chunk) write(w *runWriter, file *runFile) (run, error) {
	w.begin(file)
	var last []byte
	for i := range c.items {
		key := c.key(&c.items[i])
		if err := w.put(key, sharedBytes(last, key), c.value(&c.items[i])); err != nil {
			return run{}, err
		}
		last = key
	}
	return w.end()
}

// sort brings the items into the order of their keys. It returns spare, grown to
// what it needed, for the next chunk.
func (c *chunk) sort(spare []chunkItem) []chunkItem {
	if len(spare) < len(c.items) {
		spare = make([]chunkItem, len(c.items))
	}
	c.sortFrom(c.items, spare, 0)
	return spare
}

// fewItems is up to how many are compared as a whole, manyItems from how many on
// they are distributed rather than compared.
const (
	fewItems  = 12
	manyItems = 128
)

// sortFrom sorts items whose keys are equal up to depth, by the next eight bytes,
// and those that are equal in them by what follows: ids of one kind begin alike,
// and this way no byte of a key is compared more often than it must be.
func (c *chunk) sortFrom(items, spare []chunkItem, depth int) {
	if len(items) <= fewItems {
		slices.SortFunc(items, func(a, b chunkItem) int { return bytes.Compare(c.key(&a)[depth:], c.key(&b)[depth:]) })
		return
	}
	for i := range items {
		items[i].window = window(c.key(&items[i])[depth:])
	}
	if len(items) < manyItems {
		slices.SortFunc(items, func(a, b chunkItem) int { return cmp.Compare(a.window, b.window) })
	} else {
		sortWindows(items, spare[:len(items)])
	}
	depth += windowBytes
	for from := 0; from < len(items); {
		to, whole := from, false
		for to < len(items) && items[to].window == items[from].window {
			whole = whole || int(items[to].keyBytes) <= depth
			to++
		}
		// With one key at its end all of them are: they begin with it, and no key
		// begins with another.
		if to-from > 1 && !whole {
			c.sortFrom(items[from:to], spare, depth)
		}
		from = to
	}
}

// sortWindows sorts items by their windows, a byte at a time from the last one on,
// by way of spare. Bytes in which all are equal cost nothing; ids mostly differ in
// a few of their eight.
func sortWindows(items, spare []chunkItem) {
	differ, sorted := uint64(0), true
	for i := 1; i < len(items); i++ {
		differ |= items[i].window ^ items[0].window
		sorted = sorted && items[i-1].window <= items[i].window
	}
	if sorted {
		return
	}
	from, to := items, spare
	for shift := 0; shift < 64; shift += 8 {
		if byte(differ>>shift) == 0 {
			continue
		}
		var next [256]int32
		for i := range from {
			next[byte(from[i].window>>shift)]++
		}
		at := int32(0)
		for i, n := range next {
			next[i] = at
			at += n
		}
		for i := range from {
			digit := byte(from[i].window >> shift)
			to[next[digit]] = from[i]
			next[digit]++
		}
		from, to = to, from
	}
	if &from[0] != &items[0] {
		copy(items, from)
	}
}

// window returns the first eight bytes in their order, zeros where there are none.
func window(b []byte) uint64 {
	if len(b) >= windowBytes {
		return binary.BigEndian.Uint64(b)
	}
	var w uint64
	for i := range b {
		w |= uint64(b[i]) << (56 - 8*i)
	}
	return w
}
