package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// checkWatches follows each client's watch from its first message on, over
// however many connections.
func checkWatches(events []Event, log *changelog) (texts []string) {
	positions := map[string]uint64{}
	broken := map[string]bool{} // one problem a watch: the rest follows from it
	for i, e := range events {
		if e.Kind != KindWatch || broken[e.Client] {
			continue
		}
		position, begun := positions[e.Client]
		if text := log.next(position, begun, e); text != "" {
			texts = append(texts, fmt.Sprintf("line %d (watch of client %s at %s): %s", i+1, e.Client, e.Node, text))
			broken[e.Client] = true
		}
		positions[e.Client] = e.Revision
	}
	return texts
}

// next says what is wrong with a message that a watch gets at a position.
func (l *changelog) next(position uint64, begun bool, e Event) string {
	if !begun {
		if !e.Checkpoint {
			return "it does not begin with a checkpoint"
		}
		return ""
	}
	if e.Revision < position || !e.Checkpoint && e.Revision == position {
		return fmt.Sprintf("revision %d comes after %d", e.Revision, position)
	}
	until := e.Revision
	if !e.Checkpoint {
		until--
	}
	if missed := l.between(position, until); len(missed) > 0 {
		return fmt.Sprintf("between %d and %d it lacks %v", position, e.Revision, missed)
	}
	if got, want := spell(e.Changes), spell(l.changes[e.Revision]); !e.Checkpoint && got != want {
		return fmt.Sprintf("at revision %d it gives %q, the changelog has %q", e.Revision, got, want)
	}
	return ""
}

// between returns the revisions above one and up to another.
func (l *changelog) between(above, until uint64) []uint64 {
	first, _ := slices.BinarySearch(l.revisions, above+1)
	last, _ := slices.BinarySearch(l.revisions, until+1)
	return l.revisions[first:max(first, last)]
}

// spell returns changes in one order; the schema's value is not part of it,
// because a watch does not give it.
func spell(changes []Change) string {
	var texts []string
	for _, c := range changes {
		if c.Register == Schema {
			texts = append(texts, Schema)
			continue
		}
		texts = append(texts, fmt.Sprintf("%s.%d=%t", c.Register, c.Bit.Bit, c.Set))
	}
	slices.SortFunc(texts, cmp.Compare)
	return strings.Join(texts, " ")
}
