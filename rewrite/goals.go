package rewrite

import (
	"bytes"
	"hash/maphash"
)

// state is what is known of a goal.
type state uint8

const (
	// fresh goals were met and not yet solved, or must be solved again.
	fresh state = iota
	// active goals are being solved further up the stack.
	active
	// provisional goals are no as long as the active goals are which they
	// depend on; they lie on the trail (R3).
	provisional
	// settledNo and settledYes are facts (R2).
	settledNo
	settledYes
	// unclear goals are those that the search could not decide; the exact path
	// can (R4).
	unclear
	// undefined goals have no truth value in the well-founded model. As the
	// answer to a question this reads as no; to other goals it is unclear.
	undefined
)

// goal is one sub-problem: a slot at an object.
type goal struct {
	hash   uint64 // of the object id
	offset int    // of the object id in goals.ids
	length int32
	slot   int32
	// level is the goal's own level while it is active; while it is
	// provisional, the lowest level it depends on.
	level int32
	state state
	// used says that somebody was told a provisional no because the goal is
	// active.
	used bool
	// looked says that the goal's relation does not store the subject itself.
	looked bool
}

// goals numbers the distinct sub-problems of one subject as they are met, and
// is the memo of what is known of them. The key is the slot and the bytes of
// the object id; the type follows from the slot.
//
// The index is open addressing on a power of two, at most half full. It starts
// small and grows within its memory, so that resetting it costs what the last
// request used and not what the largest one did.
type goals struct {
	seed  maphash.Seed
	list  []goal
	ids   []byte   // the object ids, one after the other
	index []uint32 // goal number + 1; 0 is free
}

const smallestIndex = 64

// reset forgets every goal and keeps the memory.
func (t *goals) reset() {
	t.list, t.ids = t.list[:0], t.ids[:0]
	if cap(t.index) < smallestIndex {
		t.index = make([]uint32, smallestIndex)
		return
	}
	t.index = t.index[:smallestIndex]
	clear(t.index)
}

// id returns a goal's object id. It stays valid, and unchanged, until reset.
func (t *goals) id(g int32) []byte {
	goal := &t.list[g]
	end := goal.offset + int(goal.length)
	return t.ids[goal.offset:end:end]
}

// at returns the goal for a slot at an object; id is copied if it is new.
func (t *goals) at(slot int32, id []byte) int32 {
	hash := maphash.Bytes(t.seed, id)
	g, place := t.find(slot, hash, id)
	if g < 0 {
		offset := len(t.ids)
		t.ids = append(t.ids, id...)
		g = t.add(place, goal{hash: hash, offset: offset, length: int32(len(id)), slot: slot})
	}
	return g
}

// beside returns the goal for another slot at the object of goal g.
func (t *goals) beside(g, slot int32) int32 {
	hash := t.list[g].hash
	other, place := t.find(slot, hash, t.id(g))
	if other < 0 {
		from := &t.list[g]
		other = t.add(place, goal{hash: hash, offset: from.offset, length: from.length, slot: slot})
	}
	return other
}

// find returns the goal for a slot at an object, or -1 and its place in the index.
func (t *goals) find(slot int32, hash uint64, id []byte) (g int32, place int) {
	mask := len(t.index) - 1
	for place = int(mix(hash, slot)) & mask; t.index[place] != 0; place = (place + 1) & mask {
		g = int32(t.index[place] - 1)
		goal := &t.list[g]
		if goal.hash == hash && goal.slot == slot && bytes.Equal(t.id(g), id) {
			return g, place
		}
	}
	return -1, place
}

// mix spreads the slots of one object over the index.
func mix(hash uint64, slot int32) uint64 {
	h := (hash ^ uint64(uint32(slot))*0x9e3779b97f4a7c15) * 0xff51afd7ed558ccd
	return h >> 32
}

// add puts a new goal at its place in the index.
func (t *goals) add(place int, new goal) int32 {
	t.list = append(t.list, new)
	t.index[place] = uint32(len(t.list))
	if 2*len(t.list) > len(t.index) {
		t.grow()
	}
	return int32(len(t.list) - 1)
}

// grow doubles the index, within its memory if there is enough.
func (t *goals) grow() {
	size := 2 * len(t.index)
	if size <= cap(t.index) {
		t.index = t.index[:size]
		clear(t.index)
	} else {
		t.index = make([]uint32, size)
	}
	mask := size - 1
	for i := range t.list {
		place := int(mix(t.list[i].hash, t.list[i].slot)) & mask
		for t.index[place] != 0 {
			place = (place + 1) & mask
		}
		t.index[place] = uint32(i + 1)
	}
}
