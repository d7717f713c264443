package history

import (
	"cmp"
	"maps"
	"slices"
)

// changelog is what became of all writes.
type changelog struct {
	revisions []uint64            // that changed anything, ascending
	changes   map[uint64][]Change // in order
	versions  map[string][]version
}

// version is a value that a register has from a revision on.
type version struct {
	revision uint64
	value    int
}

func changelogOf(events []Event) *changelog {
	log := &changelog{changes: map[uint64][]Change{}, versions: map[string][]version{}}
	for _, e := range events {
		if e.Kind == KindChange {
			log.changes[e.Revision] = append(log.changes[e.Revision], e.Changes...)
		}
	}
	log.revisions = slices.Sorted(maps.Keys(log.changes))
	for _, revision := range log.revisions {
		touched := map[string]int{}
		for _, c := range log.changes[revision] {
			value, seen := touched[c.Register]
			if !seen {
				value = log.value(c.Register, revision)
			}
			touched[c.Register] = c.on(value)
		}
		for register, value := range touched {
			log.versions[register] = append(log.versions[register], version{revision, value})
		}
	}
	return log
}

// on returns what a change makes of a value.
func (c Change) on(value int) int {
	switch {
	case c.Register == Schema:
		return c.Value
	case c.Set:
		return value | 1<<c.Bit.Bit
	}
	return value &^ (1 << c.Bit.Bit)
}

// value returns what a register holds at a revision; 0 before its first write.
func (l *changelog) value(register string, revision uint64) int {
	versions := l.versions[register]
	i, found := slices.BinarySearchFunc(versions, revision, func(v version, r uint64) int { return cmp.Compare(v.revision, r) })
	switch {
	case found:
		return versions[i].value
	case i == 0:
		return 0
	}
	return versions[i-1].value
}

func (l *changelog) registers() []string { return slices.Sorted(maps.Keys(l.versions)) }
