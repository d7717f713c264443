package oracle

import (
	"maps"
	"slices"

	"github.com/tupelodb/tupelo/schema"
)

// missing returns the fields that an open userset depends on: those of the open
// tuples that are reached from it through what is itself open.
func (w *world) missing(u Userset) []string {
	b := blame{world: w, seen: Set{}, fields: make(map[string]bool)}
	b.userset(u)
	return slices.Sorted(maps.Keys(b.fields))
}

// blame collects fields.
type blame struct {
	*world
	seen   Set
	fields map[string]bool
}

func (b *blame) userset(u Userset) {
	if b.seen[u] || b.least[u] || !b.most[u] {
		return
	}
	b.seen[u] = true
	for _, m := range b.members[u.Type] {
		if m.name == u.Relation {
			b.rule(u, m.rule)
		}
	}
}

func (b *blame) rule(u Userset, rule schema.Expr) {
	certain := b.contains(u, rule, b.least, b.most, Yes)
	possible := b.contains(u, rule, b.most, b.least, Perhaps)
	if certain || !possible {
		return
	}
	switch e := rule.(type) {
	case nil:
		for _, s := range b.stored[u] {
			b.tuple(s, s.subject, b.names(s))
		}
	case *schema.Ref:
		b.userset(Userset{u.Object, e.Name})
	case *schema.Arrow:
		tupleset := b.stored[Userset{u.Object, e.Relation}]
		if e.All() {
			b.every(tupleset, e)
			return
		}
		for _, s := range tupleset {
			b.tuple(s, Userset{s.subject.Object, e.Target}, false)
		}
	case *schema.Binary:
		b.rule(u, e.Left)
		b.rule(u, e.Right)
	}
}

// tuple blames a tuple that has the subject, or whose userset may contain it.
func (b *blame) tuple(s stored, in Userset, has bool) {
	if !b.is(s, Perhaps) || !has && !b.most[in] {
		return
	}
	b.condition(s)
	if !has {
		b.userset(in)
	}
}

func (b *blame) condition(s stored) {
	counts, missing := b.counts(s.tuple)
	if counts != Perhaps {
		return
	}
	for _, name := range missing {
		b.fields[name] = true
	}
}

// every blames the tuples that leave open whether one counts whose target contains
// the subject, if none is certain, and those that may count without it.
func (b *blame) every(tupleset []stored, e *schema.Arrow) {
	some := slices.ContainsFunc(tupleset, func(s stored) bool {
		return b.is(s, Yes) && b.least[Userset{s.subject.Object, e.Target}]
	})
	for _, s := range tupleset {
		target := Userset{s.subject.Object, e.Target}
		if !b.is(s, Perhaps) {
			continue
		}
		if !some && b.most[target] || !b.least[target] {
			b.condition(s)
		}
		b.userset(target)
	}
}
