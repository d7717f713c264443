package store

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/store/tuple"
)

// span is a run of keys that holds tuples which a filter selects.
type span struct {
	begin []byte // all keys of the run begin with this
	// shapes is what the filter selects of a run that holds other tuples too;
	// nil if it selects them all.
	shapes map[tuple.Shape]bool
}

// spans plans how to read what a filter selects: runs in key order that do not
// overlap. With an object id, or a subject id, every run is exact; with neither
// it is a type's whole run, of whichever side the filter names, or the run of the
// objects of a type whose ids begin alike.
func spans(f tuple.Filter, names *tuple.Names, shapes []tuple.Shape) []span {
	var selected []tuple.Shape
	for _, s := range shapes {
		// Shapes that differ in their traits only lie together in the order.
		if s = s.Bare(); f.MatchesShape(names, s) && (len(selected) == 0 || selected[len(selected)-1] != s) {
			selected = append(selected, s)
		}
	}
	switch {
	case f.ObjectID != "" && !strings.HasPrefix(f.ObjectID, f.ObjectIDPrefix):
		return nil
	case f.ObjectID != "":
		return objectSpans(f, selected)
	case f.SubjectID != "":
		return subjectSpans(f, selected)
	case reversed(f):
		return typeSpans(tagReverse, "", selected, func(s tuple.Shape) tuple.TypeID { return s.Subject.Type })
	}
	return typeSpans(tagForward, f.ObjectIDPrefix, selected, func(s tuple.Shape) tuple.TypeID { return s.Type })
}

// reversed reports whether what a filter selects is read by its subjects.
func reversed(f tuple.Filter) bool {
	if f.ObjectID != "" {
		return false
	}
	return f.SubjectID != "" || f.ObjectType == "" && f.ObjectIDPrefix == "" && f.SubjectType != ""
}

func objectSpans(f tuple.Filter, selected []tuple.Shape) []span {
	list := make([]span, 0, len(selected))
	for _, s := range selected {
		kind := tuple.Kind{Type: s.Type, Relation: s.Relation}
		begin := appendKind(appendPrefix(nil, tagForward, side{kind, []byte(f.ObjectID)}), s.Subject)
		if f.SubjectID != "" {
			begin = append(append(begin, f.SubjectID...), 0)
		}
		list = append(list, span{begin: begin})
	}
	return list
}

func subjectSpans(f tuple.Filter, selected []tuple.Shape) []span {
	list := make([]span, 0, len(selected))
	for _, s := range selected {
		begin := appendPrefix(nil, tagReverse, side{s.Subject, []byte(f.SubjectID)})
		begin = appendKind(begin, tuple.Kind{Type: s.Type, Relation: s.Relation})
		list = append(list, span{begin: append(begin, f.ObjectIDPrefix...)})
	}
	slices.SortFunc(list, func(a, b span) int { return bytes.Compare(a.begin, b.begin) })
	return list
}

func typeSpans(tag byte, prefix string, selected []tuple.Shape, typeOf func(tuple.Shape) tuple.TypeID) []span {
	slices.SortStableFunc(selected, func(a, b tuple.Shape) int { return cmp.Compare(typeOf(a), typeOf(b)) })
	var list []span
	var last tuple.TypeID
	for _, s := range selected {
		if t := typeOf(s); t != last {
			last = t
			begin := append(appendType(nil, tag, t), prefix...)
			list = append(list, span{begin: begin, shapes: make(map[tuple.Shape]bool)})
		}
		list[len(list)-1].shapes[s.Bare()] = true
	}
	return list
}

// contextCheckInterval is how many keys are read between looks at the context.
const contextCheckInterval = 1024

// whileWanted is the look of a walk that ends with a context.
func whileWanted(ctx context.Context) func() error {
	reads := 0
	return func() error {
		if reads++; reads%contextCheckInterval == 0 {
			return ctx.Err()
		}
		return nil
	}
}

// visitSpans calls visit for each live tuple of the spans at a revision, from
// the key `from` on (nil: the first), until it returns false, and look for each
// key on the way, until it returns an error. The tuple's ids are valid during
// the call.
func visitSpans(it *iterator, list []span, revision uint64, from []byte, look func() error, visit func(key []byte, t tuple.Tuple) bool) error {
	for _, sp := range list {
		if from != nil && bytes.Compare(from, after(sp.begin)) >= 0 {
			continue
		}
		it.key = append(it.key[:0], sp.begin...)
		w := walk{it: it, revision: revision, look: look}
		w.bound(len(it.key))
		if bytes.Compare(from, sp.begin) > 0 {
			it.key = append(it.key[:0], from...)
		}
		ok := w.seek()
		for ok {
			t, err := w.tuple()
			if err != nil {
				return err
			}
			switch {
			case sp.shapes != nil && !sp.shapes[t.Shape().Bare()]:
				// Past all tuples of this object, relation and kind.
				group := it.Key()[:splitKey(it.Key())+kindBytes]
				it.key = append(it.key[:0], after(group)...)
				ok = w.seek()
			case !visit(it.Key(), t):
				return nil
			default:
				ok = w.next()
			}
		}
		if w.err != nil {
			return w.err
		}
	}
	return nil
}

// Read returns the tuples that a filter selects, in a fixed order, at most
// limit of them, and a cursor that continues after the last one at the same
// revision; nil at the end. A cursor of another filter gives ErrBadCursor.
func (n *Snapshot) Read(ctx context.Context, f tuple.Filter, cursor []byte, limit int) (tuples []tuple.Tuple, next []byte, err error) {
	list := spans(f, n.view.names, n.view.shapes)
	if cursor != nil && !within(list, cursor) {
		return nil, nil, ErrBadCursor
	}
	it, err := n.iterator()
	if err != nil {
		return nil, nil, err
	}
	var last []byte
	var copies copies
	err = visitSpans(it, list, n.revision, cursor, whileWanted(ctx), func(key []byte, t tuple.Tuple) bool {
		if len(tuples) == limit {
			next = last
			return false
		}
		tuples = append(tuples, copies.tuple(t))
		if len(tuples) == limit {
			last = pastKey(bytes.Clone(key[:len(key)-revisionBytes]))
		}
		return true
	})
	return tuples, next, err
}

// copies holds copies of what is valid for a call only, many in an allocation.
type copies struct{ room []byte }

const (
	leastCopied = 256 // bytes
	mostCopied  = 8 << 10
)

// tuple returns a copy that shares no memory with t.
func (c *copies) tuple(t tuple.Tuple) tuple.Tuple {
	t.Object.ID, t.Subject.ID, t.Traits.Context = c.bytes(t.Object.ID), c.bytes(t.Subject.ID), c.bytes(t.Traits.Context)
	return t
}

func (c *copies) bytes(of []byte) []byte {
	if of == nil {
		return nil
	}
	if cap(c.room)-len(c.room) < len(of) {
		c.room = make([]byte, 0, max(len(of), min(max(leastCopied, 2*cap(c.room)), mostCopied)))
	}
	from := len(c.room)
	c.room = append(c.room, of...)
	return c.room[from:len(c.room):len(c.room)]
}

// CursorBehind returns the cursor with which a Read of what a filter selects goes on
// behind a tuple that it has selected.
func CursorBehind(f tuple.Filter, t tuple.Tuple) []byte { return AppendCursorBehind(nil, f, t) }

// AppendCursorBehind appends what CursorBehind returns.
func AppendCursorBehind(to []byte, f tuple.Filter, t tuple.Tuple) []byte {
	if reversed(f) {
		return pastKey(appendReverse(to, t))
	}
	return pastKey(appendForward(to, t))
}

// pastKey turns a tuple's key without its revision into the smallest key past all
// revisions of the tuple.
func pastKey(key []byte) []byte {
	key[len(key)-1] = pastNUL
	return key
}

// within reports whether a cursor lies in or between the spans.
func within(list []span, cursor []byte) bool {
	return len(list) > 0 && bytes.Compare(cursor, list[0].begin) >= 0 &&
		bytes.Compare(cursor, after(list[len(list)-1].begin)) <= 0
}
