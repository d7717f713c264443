package rewrite

import (
	"fmt"
	"hash/maphash"
	"testing"
)

func newGoals() *goals {
	t := &goals{seed: maphash.MakeSeed()}
	t.reset()
	return t
}

func TestGoalsAreNumberedOnceForEachSlotAndObject(t *testing.T) {
	table := newGoals()
	numbers := make(map[string]int32)
	for round := range 2 {
		for i := range 3000 {
			for slot := range int32(3) {
				id := fmt.Sprintf("object-%d", i)
				g := table.at(slot, []byte(id))
				key := fmt.Sprint(slot, id)
				if round == 0 {
					numbers[key] = g
				}
				if numbers[key] != g || string(table.id(g)) != id || table.list[g].slot != slot {
					t.Fatalf("slot %d of %s: goal %d with id %s and slot %d; want goal %d",
						slot, id, g, table.id(g), table.list[g].slot, numbers[key])
				}
			}
		}
	}
	if len(table.list) != 9000 {
		t.Errorf("%d goals; want 9000", len(table.list))
	}
}

func TestAGoalBesideAnotherIsTheOneAtItsObject(t *testing.T) {
	table := newGoals()
	a := table.at(0, []byte("plan"))
	b := table.beside(a, 1)
	if again := table.at(1, []byte("plan")); again != b || b == a {
		t.Errorf("got goals %d and %d; want the same, and not %d", b, again, a)
	}
	if table.beside(b, 0) != a {
		t.Error("the way back leads elsewhere")
	}
	if len(table.ids) != len("plan") {
		t.Errorf("the object id is kept in %d bytes; want %d", len(table.ids), len("plan"))
	}
}

// Goals are told apart by their ids, whatever the hash: a table in which all
// ids collide is slow and right.
func TestIDsWhoseHashesCollideAreDifferentGoals(t *testing.T) {
	table := newGoals()
	seen := make(map[int32]bool)
	for i := range 50 {
		id := fmt.Appendf(nil, "object-%d", i)
		g, place := table.find(7, 42, id)
		if g >= 0 {
			t.Fatalf("%s was taken for goal %d", id, g)
		}
		table.ids = append(table.ids, id...)
		g = table.add(place, goal{hash: 42, offset: len(table.ids) - len(id), length: int32(len(id)), slot: 7})
		seen[g] = true
		if found, _ := table.find(7, 42, id); found != g {
			t.Fatalf("%s is goal %d, then %d", id, g, found)
		}
	}
	if len(seen) != 50 {
		t.Errorf("%d goals; want 50", len(seen))
	}
}

func TestResettingKeepsTheMemoryAndCostsWhatWasUsed(t *testing.T) {
	table := newGoals()
	for i := range 5000 {
		table.at(0, fmt.Append(nil, i))
	}
	large := cap(table.index)
	table.reset()
	if len(table.index) != smallestIndex || cap(table.index) != large {
		t.Errorf("the index has %d places of %d; want %d of %d", len(table.index), cap(table.index), smallestIndex, large)
	}
	for i := range 5000 {
		if g := table.at(0, fmt.Append(nil, i)); int(g) != i {
			t.Fatalf("object %d is goal %d after a reset", i, g)
		}
	}
	if cap(table.index) != large {
		t.Errorf("the index grew from %d to %d", large, cap(table.index))
	}
}
