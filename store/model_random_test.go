package store

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/store/tuple"
)

// randomHistory makes commands that meet each other often: few names, few ids.
type randomHistory struct {
	rng   *rand.Rand
	model *model
	full  WriteSchema
	keyed []Command // to be sent again
}

func (r *randomHistory) pick(list ...string) string { return list[r.rng.IntN(len(list))] }

func (r *randomHistory) text() string {
	subject := r.pick("user:a", "user:b", "user:ab", "user:*", "team:t#member", "team:u#member")
	if r.rng.IntN(3) == 0 {
		return "team:" + r.pick("t", "u", "tu") + "#member@" + r.pick("user:a", "user:b", "team:u#member")
	}
	text := "repository:" + r.pick("x", "y", "xy") + "#" + r.pick("reader", "reader", "maintainer") + "@" + subject
	if strings.HasPrefix(subject, "user:") && r.rng.IntN(3) == 0 {
		text += r.pick("[office_hours]", `[office_hours:{"from":9}]`, "[expiration:2030-01-01T00:00:00Z]",
			"[expiration:2031-01-01T00:00:00.5Z]", "[office_hours][expiration:2030-01-01T00:00:00Z]")
	}
	return text
}

func (r *randomHistory) tuple() tuple.Tuple {
	named, _ := tuple.Parse(r.text())
	t, _ := r.model.names.Tuple(named)
	return t
}

// filter takes each part from a tuple or leaves it out.
func (r *randomHistory) filter() tuple.Filter {
	f := filterOf(r.text())
	if r.rng.IntN(3) == 0 {
		f.ObjectIDPrefix = f.ObjectID[:r.rng.IntN(len(f.ObjectID)+1)]
	}
	for _, part := range []*string{&f.ObjectType, &f.ObjectID, &f.Relation, &f.SubjectType, &f.SubjectID} {
		if r.rng.IntN(2) == 0 {
			*part = ""
		}
	}
	if r.rng.IntN(2) == 0 {
		f.SubjectRelation, f.MatchSubjectRelation = "", false
	}
	return f
}

func (r *randomHistory) preconditions() []Precondition {
	if r.rng.IntN(4) > 0 {
		return nil
	}
	return []Precondition{{Filter: r.filter(), MustMatch: r.rng.IntN(2) == 0}}
}

// command makes the next command, often under a key, or sends one again.
func (r *randomHistory) command() Command {
	switch n := r.rng.IntN(8); {
	case n == 0 && len(r.keyed) > 0:
		return r.again()
	case n < 4:
		key := fmt.Sprintf("key %d", r.rng.IntN(30))
		c, ok := withKey(r.fresh(), []byte(key))
		if ok {
			r.keyed = append(r.keyed, c)
		}
		return c
	}
	return r.fresh()
}

func (r *randomHistory) fresh() Command {
	applied := len(r.model.revisions) - 1
	switch n := r.rng.IntN(20); {
	case r.model.format < MaxFormat && n == 19, n == 0 && r.rng.IntN(6) == 0:
		return Upgrade{Format: uint64(1 + r.rng.IntN(int(MaxFormat)))}
	case n == 0:
		return AdvanceHorizon{UnixMillis: r.clock() + int64(50*r.rng.IntN(2)), Revision: uint64(r.rng.IntN(applied + 2))}
	case n == 1:
		return r.schema()
	case n == 2:
		return r.deleteExpired(applied)
	case n < 5:
		return r.deleteByFilter(applied)
	case n == 5:
		return r.counter()
	}
	w := Write{UnixMillis: r.clock(), Preconditions: r.preconditions()}
	for range 1 + r.rng.IntN(4) {
		w.Updates = append(w.Updates, Update{Op(1 + r.rng.IntN(3)), r.tuple()})
	}
	return w
}

// counter registers one of few counters, or takes one away.
func (r *randomHistory) counter() Command {
	name := r.pick("a", "ab", "b")
	if r.rng.IntN(2) == 0 {
		return UnregisterCounter{UnixMillis: r.clock(), Name: name}
	}
	return RegisterCounter{UnixMillis: r.clock(), Name: name, Filter: r.filter()}
}

// schema takes some allowed kinds out, which may strand tuples, or none.
func (r *randomHistory) schema() WriteSchema {
	c := r.full
	c.UnixMillis = r.clock()
	c.Text = fmt.Sprintf("schema %d", r.rng.IntN(3))
	c.Definitions = slices.Clone(c.Definitions)
	if r.rng.IntN(2) == 0 {
		d := &c.Definitions[2]
		i := r.rng.IntN(len(d.Allowed))
		d.Allowed = slices.Delete(slices.Clone(d.Allowed), i, i+1)
		c.Text += " narrowed"
	}
	return c
}

// deleteExpired lists what was stored some revisions ago, expired or not, at an
// instant by which some of it has expired.
func (r *randomHistory) deleteExpired(applied int) DeleteExpired {
	c := DeleteExpired{UnixMillis: time.Date(2030, 6, 1, 0, 0, 0, 0, time.UTC).UnixMilli()}
	for _, text := range r.model.selected(max(applied-r.rng.IntN(4), 0), tuple.Filter{}) {
		named, _ := tuple.Parse(text)
		t, _ := r.model.names.Tuple(named)
		c.Tuples = append(c.Tuples, t)
	}
	return c
}

// deleteByFilter lists what the filter selected some revisions ago.
func (r *randomHistory) deleteByFilter(applied int) DeleteByFilter {
	c := DeleteByFilter{
		UnixMillis: r.clock(), Filter: r.filter(), Preconditions: r.preconditions(), Limit: 1 + r.rng.IntN(8),
	}
	return r.lookUp(c, applied)
}

// lookUp fills in what a proposer finds that is some revisions behind.
func (r *randomHistory) lookUp(c DeleteByFilter, applied int) DeleteByFilter {
	readAt := max(applied-r.rng.IntN(4), 0)
	c.ReadAt, c.Tuples = uint64(readAt), nil
	for _, text := range r.model.selected(readAt, c.Filter) {
		named, _ := tuple.Parse(text)
		t, _ := r.model.names.Tuple(named)
		c.Tuples = append(c.Tuples, t)
	}
	return c
}
