package validate

import (
	"maps"
	"slices"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// found are the subjects of a userset, by kind and id.
type found map[tuple.Kind]*foundKind

// foundKind are the subjects of one kind; the kinds of wildcards and of objects
// are one. The verdicts are those of Kleene's logic, with every caveat open.
type foundKind struct {
	// wildcard says whether all subjects are in the set, but for exceptions.
	wildcard rewrite.Verdict
	through  usersets // that have the wildcard
	byID     map[string]foundSubject
}

// foundSubject is what is known of a subject beyond what the wildcard says.
type foundSubject struct {
	named     rewrite.Verdict // whether tuples that name it put it in the set
	through   usersets        // that have those tuples
	excepted  rewrite.Verdict // whether it is an exception of the wildcard
	exceptsBy usersets        // that have the tuples which make it one
}

// userset is a relation or permission of an object.
type userset struct {
	object   string
	kind     tuple.Kind // the type and the relation
	rendered string
}

// usersets is a set of usersets.
type usersets map[userset]bool

func (u usersets) and(others ...usersets) usersets {
	all := maps.Clone(u)
	if all == nil {
		all = make(usersets)
	}
	for _, other := range others {
		maps.Copy(all, other)
	}
	return all
}

func not(v rewrite.Verdict) rewrite.Verdict { return rewrite.Yes - v }

// byWildcard is whether a subject is in the set because of the wildcard.
func (k *foundKind) byWildcard(id string) rewrite.Verdict {
	return min(k.wildcard, not(k.byID[id].excepted))
}

// has is whether a subject is in the set.
func (k *foundKind) has(id string) rewrite.Verdict {
	return max(k.byID[id].named, k.byWildcard(id))
}

// of returns the subjects of a kind; there may be none.
func (f found) of(kind tuple.Kind) *foundKind {
	if k := f[kind]; k != nil {
		return k
	}
	return &foundKind{}
}

// add puts the subject of a tuple into the set.
func (f found) add(s tuple.Subject, counts rewrite.Verdict, by userset) {
	kind := s.Kind()
	if kind.Relation == tuple.Wildcard {
		kind.Relation = tuple.Self
	}
	k := f[kind]
	if k == nil {
		k = &foundKind{byID: make(map[string]foundSubject)}
		f[kind] = k
	}
	if s.Relation == tuple.Wildcard {
		k.wildcard, k.through = max(k.wildcard, counts), k.through.and(usersets{by: true})
		return
	}
	id := string(s.ID)
	at := k.byID[id]
	at.named, at.through = max(at.named, counts), at.through.and(usersets{by: true})
	k.byID[id] = at
}

// combined combines two sets, kind by kind and subject by subject.
func combined(a, b found, combine func(a, b, into *foundKind, id string) foundSubject, wildcards func(a, b, into *foundKind)) found {
	result := make(found)
	for _, f := range []found{a, b} {
		for kind := range f {
			if result[kind] == nil {
				result[kind] = combinedKind(a.of(kind), b.of(kind), combine, wildcards)
			}
		}
	}
	for kind, k := range result {
		if k.wildcard == rewrite.No && len(k.byID) == 0 {
			delete(result, kind)
		}
	}
	return result
}

func combinedKind(a, b *foundKind, combine func(a, b, into *foundKind, id string) foundSubject, wildcards func(a, b, into *foundKind)) *foundKind {
	into := &foundKind{byID: make(map[string]foundSubject)}
	wildcards(a, b, into)
	for _, k := range []*foundKind{a, b} {
		for id := range k.byID {
			s := combine(a, b, into, id)
			if s.named == rewrite.No {
				s.through = nil
			}
			if into.wildcard == rewrite.No || s.excepted == rewrite.No {
				s.excepted, s.exceptsBy = rewrite.No, nil
			}
			if s.named != rewrite.No || s.excepted != rewrite.No {
				into.byID[id] = s
			}
		}
	}
	return into
}

// union is what is in one set or the other.
func union(a, b found) found {
	return combined(a, b, func(a, b, into *foundKind, id string) foundSubject {
		x, y := a.byID[id], b.byID[id]
		s := foundSubject{named: max(x.named, y.named), through: x.through.and(y.through), exceptsBy: x.exceptsBy.and(y.exceptsBy)}
		switch {
		case a.wildcard == rewrite.No:
			s.excepted = y.excepted
		case b.wildcard == rewrite.No:
			s.excepted = x.excepted
		default:
			s.excepted = min(x.excepted, y.excepted)
			if is := max(a.byWildcard(id), b.byWildcard(id)); min(into.wildcard, not(s.excepted)) != is {
				s.excepted = not(is)
			}
		}
		s.excepted = min(s.excepted, not(s.named))
		return s
	}, func(a, b, into *foundKind) {
		into.wildcard, into.through = max(a.wildcard, b.wildcard), a.through.and(b.through)
	})
}

// intersection is what is in both sets. Where a wildcard puts a subject that the
// other set names into one of them, for certain, only the other set's usersets
// speak of it.
func intersection(a, b found) found {
	return combined(a, b, func(a, b, into *foundKind, id string) foundSubject {
		x, y := a.byID[id], b.byID[id]
		s := foundSubject{
			named:    max(min(x.named, b.has(id)), min(y.named, a.has(id))),
			excepted: max(x.excepted, y.excepted), exceptsBy: x.exceptsBy.and(y.exceptsBy),
		}
		if x.named != rewrite.No {
			s.through = s.through.and(x.through)
			if y.named == rewrite.No && b.byWildcard(id) == rewrite.Conditional {
				s.through = s.through.and(b.through, y.exceptsBy)
			}
		}
		if y.named != rewrite.No {
			s.through = s.through.and(y.through)
			if x.named == rewrite.No && a.byWildcard(id) == rewrite.Conditional {
				s.through = s.through.and(a.through, x.exceptsBy)
			}
		}
		return s
	}, func(a, b, into *foundKind) {
		into.wildcard, into.through = min(a.wildcard, b.wildcard), a.through.and(b.through)
	})
}

// exclusion is what is in the first set and not in the second. Who is in the first
// by its wildcard alone is named in the result if the second has a wildcard with
// that exception.
func exclusion(a, b found) found {
	return combined(a, b, func(a, b, into *foundKind, id string) foundSubject {
		x, y := a.byID[id], b.byID[id]
		s := foundSubject{
			named: min(x.named, not(b.has(id))), through: x.through,
			excepted: max(x.excepted, y.named), exceptsBy: x.exceptsBy.and(y.through),
		}
		if s.named == rewrite.Conditional && y.named == rewrite.Conditional {
			s.through = s.through.and(y.through)
		}
		if y.excepted != rewrite.No {
			if s.named < min(a.byWildcard(id), not(b.has(id))) {
				s.named, s.through = min(a.byWildcard(id), not(b.has(id))), s.through.and(y.exceptsBy)
			}
		}
		return s
	}, func(a, b, into *foundKind) {
		into.wildcard, into.through = min(a.wildcard, not(b.wildcard)), a.through
		if into.wildcard == rewrite.Conditional && b.wildcard != rewrite.No {
			into.through = into.through.and(b.through)
		}
	})
}

// under is a set of which nothing counts more than a tuple does.
func (f found) under(counts rewrite.Verdict) found {
	if counts == rewrite.Yes {
		return f
	}
	result := make(found, len(f))
	for kind, k := range f {
		capped := &foundKind{wildcard: min(k.wildcard, counts), through: k.through, byID: make(map[string]foundSubject, len(k.byID))}
		for id, s := range k.byID {
			s.named = min(s.named, counts)
			capped.byID[id] = s
		}
		result[kind] = capped
	}
	return result
}

// unless is a set that, for every subject of the given kinds, is no less certain
// than that a tuple does not count.
func (f found) unless(counts rewrite.Verdict, kinds []tuple.Kind) found {
	if counts == rewrite.Yes {
		return f
	}
	result := make(found, len(kinds))
	for _, kind := range kinds {
		k := f.of(kind)
		raised := &foundKind{wildcard: max(k.wildcard, not(counts)), through: k.through, byID: make(map[string]foundSubject, len(k.byID))}
		for id, s := range k.byID {
			s.excepted = min(s.excepted, counts)
			raised.byID[id] = s
		}
		result[kind] = raised
	}
	return result
}

// equal reports whether two sets are the same.
func (f found) equal(o found) bool {
	return maps.EqualFunc(f, o, func(a, b *foundKind) bool {
		return a.wildcard == b.wildcard && maps.Equal(a.through, b.through) &&
			maps.EqualFunc(a.byID, b.byID, func(x, y foundSubject) bool {
				return x.named == y.named && x.excepted == y.excepted &&
					maps.Equal(x.through, y.through) && maps.Equal(x.exceptsBy, y.exceptsBy)
			})
	})
}

// sorted lists the usersets as they are written.
func (u usersets) sorted() []string {
	var all []string
	for s := range u {
		all = append(all, s.rendered)
	}
	slices.Sort(all)
	return all
}
