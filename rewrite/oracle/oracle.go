package oracle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Object is an object by name.
type Object struct{ Type, ID string }

// Userset is object#relation by name. As a subject it may be an object, whose
// Relation is empty.
type Userset struct {
	Object
	Relation string
}

// String returns the text form, type:id#relation.
func (u Userset) String() string {
	if u.Relation == "" {
		return u.Type + ":" + u.ID
	}
	return u.Type + ":" + u.ID + "#" + u.Relation
}

// Set is a set of usersets.
type Set map[Userset]bool

// Oracle knows a schema and tuples.
type Oracle struct {
	members map[string][]member // by type
	stored  map[Userset][]stored
	objects []Object
	counts  Condition
}

// stored is a tuple of a userset.
type stored struct {
	subject Userset
	tuple   tuple.Named
}

// Truth is what is known of something.
type Truth int

// The truths.
const (
	No Truth = iota
	Perhaps
	Yes
)

// Condition says whether a tuple counts, and if that is open which fields it
// depends on.
type Condition func(t tuple.Named) (counts Truth, missing []string)

// Answer is what an oracle says of a userset: perhaps, if it depends on tuples
// of which it is open whether they count; Missing are the fields of these.
type Answer struct {
	Truth   Truth
	Missing []string
}

// member is a relation, if rule is nil, or a permission.
type member struct {
	name string
	rule schema.Expr
}

// New returns an oracle for a checked schema and tuples that it allows, all of
// which count.
func New(s *schema.Schema, tuples []tuple.Named) *Oracle {
	return Under(s, tuples, func(tuple.Named) (Truth, []string) { return Yes, nil })
}

// Under returns an oracle for tuples that count under conditions.
func Under(s *schema.Schema, tuples []tuple.Named, counts Condition) *Oracle {
	o := &Oracle{members: make(map[string][]member), stored: make(map[Userset][]stored), counts: counts}
	for _, d := range s.Definitions {
		for _, m := range d.Members {
			o.define(d.Name, m)
		}
	}
	seen := make(map[Object]bool)
	for _, t := range tuples {
		object, subject := Object{t.ObjectType, t.ObjectID}, Object{t.SubjectType, t.SubjectID}
		at := Userset{object, t.Relation}
		o.stored[at] = append(o.stored[at], stored{Userset{subject, t.SubjectRelation}, t})
		for _, x := range []Object{object, subject} {
			if !seen[x] && x.ID != tuple.WildcardID {
				seen[x] = true
				o.objects = append(o.objects, x)
			}
		}
	}
	return o
}

func (o *Oracle) define(typeName string, m schema.Member) {
	next := member{name: m.MemberName()}
	if p, ok := m.(*schema.Permission); ok {
		next.rule = o.nameSubtracted(typeName, p.Name, p.Expr)
	}
	o.members[typeName] = append(o.members[typeName], next)
}

// without is in the names of hidden permissions; with its spaces it is in no other.
const without = " without "

// nameSubtracted gives each subtracted expression a hidden permission of its
// own, so that an exclusion is always of a name.
func (o *Oracle) nameSubtracted(typeName, name string, e schema.Expr) schema.Expr {
	b, ok := e.(*schema.Binary)
	if !ok {
		return e
	}
	named := &schema.Binary{Op: b.Op, Left: o.nameSubtracted(typeName, name, b.Left)}
	right := o.nameSubtracted(typeName, name, b.Right)
	if b.Op == schema.Exclusion {
		hidden := name + without + strconv.Itoa(len(o.members[typeName]))
		o.members[typeName] = append(o.members[typeName], member{hidden, right})
		right = &schema.Ref{Name: hidden}
	}
	named.Right = right
	return named
}

// Check reports whether a userset contains a subject.
func (o *Oracle) Check(u, subject Userset) bool {
	return o.Containing(subject, u.Object)[u]
}

// Containing returns the usersets that contain a subject, among those of the
// objects that occur in the tuples, the subject's own, and those given.
func (o *Oracle) Containing(subject Userset, also ...Object) Set {
	set := Set{}
	for u, answer := range o.Answers(subject, also...) {
		if answer.Truth == Yes {
			set[u] = true
		}
	}
	return set
}

// Answers returns the usersets that contain a subject or may, among those that
// [Oracle.Containing] looks at.
func (o *Oracle) Answers(subject Userset, also ...Object) map[Userset]Answer {
	w := world{Oracle: o, subject: subject, least: Set{}}
	w.objects = append(append(append(w.objects, o.objects...), subject.Object), also...)
	for known := -1; known < len(w.least); {
		known = len(w.least)
		w.most = w.closure(w.least, Perhaps)
		w.least = w.closure(w.most, Yes)
	}
	answers := make(map[Userset]Answer)
	for u := range w.most {
		if strings.Contains(u.Relation, without) {
			continue
		}
		answer := Answer{Truth: Yes}
		if !w.least[u] {
			answer = Answer{Missing: w.missing(u)}
			if len(answer.Missing) > 0 {
				answer.Truth = Perhaps
			}
		}
		if answer.Truth != No {
			answers[u] = answer
		}
	}
	return answers
}

// world is what there is to know for one subject.
type world struct {
	*Oracle
	objects []Object
	subject Userset
	// least are the usersets that contain the subject for certain, most those
	// that can.
	least, most Set
}

// closure adds usersets until none is missing, where exclusions take those in
// `excluded` for containing the subject and all others for not containing it, and
// tuples are there which count at least as surely as is said.
func (w *world) closure(excluded Set, surely Truth) Set {
	set := Set{}
	for size := -1; size < len(set); {
		size = len(set)
		for _, object := range w.objects {
			for _, m := range w.members[object.Type] {
				u := Userset{object, m.name}
				if !set[u] && (u == w.subject || w.contains(u, m.rule, set, excluded, surely)) {
					set[u] = true
				}
			}
		}
	}
	return set
}

// contains is the definition of the operators.
func (w *world) contains(u Userset, rule schema.Expr, set, excluded Set, surely Truth) bool {
	switch e := rule.(type) {
	case nil:
		return w.stores(u, set, surely)
	case *schema.Ref:
		return set[Userset{u.Object, e.Name}]
	case *schema.Itself:
		return w.subject == Userset{u.Object, ""}
	case *schema.Arrow:
		if e.All() {
			return w.every(u, e, set, surely)
		}
		for _, s := range w.stored[Userset{u.Object, e.Relation}] {
			if w.is(s, surely) && set[Userset{s.subject.Object, e.Target}] {
				return true
			}
		}
		return false
	case *schema.Nil:
		return false
	case *schema.Binary:
		left := w.contains(u, e.Left, set, excluded, surely)
		switch e.Op {
		case schema.Union:
			return left || w.contains(u, e.Right, set, excluded, surely)
		case schema.Intersection:
			return left && w.contains(u, e.Right, set, excluded, surely)
		case schema.Exclusion:
			return left && !excluded[Userset{u.Object, e.Right.(*schema.Ref).Name}]
		}
	}
	panic(fmt.Sprintf("oracle: no rule for %T", rule))
}

// is says whether a tuple counts, at least as surely as is said.
func (w *world) is(s stored, surely Truth) bool {
	counts, _ := w.counts(s.tuple)
	return counts >= surely
}

// stores says whether a relation holds the subject: itself, by the wildcard of
// its type, or by a userset that contains it.
func (w *world) stores(u Userset, set Set, surely Truth) bool {
	for _, s := range w.stored[u] {
		if w.is(s, surely) && (w.names(s) || s.subject.Relation != "" && set[s.subject]) {
			return true
		}
	}
	return false
}

// names says whether a tuple has the subject, or the wildcard of its type.
func (w *world) names(s stored) bool {
	everyone := s.subject.ID == tuple.WildcardID && s.subject.Type == w.subject.Type && w.subject.Relation == ""
	return s.subject == w.subject || everyone
}

// every says whether there is an object in the tupleset whose target contains
// the subject, and the target of each does. For certainty, a tuple that may count
// is not there for the first half, and is for the second.
func (w *world) every(u Userset, e *schema.Arrow, set Set, surely Truth) bool {
	some := false
	for _, s := range w.stored[Userset{u.Object, e.Relation}] {
		some = some || w.is(s, surely) && set[Userset{s.subject.Object, e.Target}]
		binding := w.is(s, Yes)
		if surely == Yes {
			binding = w.is(s, Perhaps)
		}
		if binding && !set[Userset{s.subject.Object, e.Target}] {
			return false
		}
	}
	return some
}
