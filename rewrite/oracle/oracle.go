package oracle

import (
	"fmt"
	"maps"
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
	stored  map[Userset][]Userset
	objects []Object
}

// member is a relation, if rule is nil, or a permission.
type member struct {
	name string
	rule schema.Expr
}

// New returns an oracle for a checked schema and tuples that it allows.
func New(s *schema.Schema, tuples []tuple.Named) *Oracle {
	o := &Oracle{members: make(map[string][]member), stored: make(map[Userset][]Userset)}
	for _, d := range s.Definitions {
		for _, m := range d.Members {
			o.define(d.Name, m)
		}
	}
	seen := make(map[Object]bool)
	for _, t := range tuples {
		object, subject := Object{t.ObjectType, t.ObjectID}, Object{t.SubjectType, t.SubjectID}
		at := Userset{object, t.Relation}
		o.stored[at] = append(o.stored[at], Userset{subject, t.SubjectRelation})
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
	w := world{Oracle: o, subject: subject}
	w.objects = append(append(append(w.objects, o.objects...), subject.Object), also...)
	least := Set{}
	for {
		most := w.closure(least)
		next := w.closure(most)
		if len(next) == len(least) {
			maps.DeleteFunc(next, func(u Userset, _ bool) bool { return strings.Contains(u.Relation, without) })
			return next
		}
		least = next
	}
}

// world is what there is to know for one subject.
type world struct {
	*Oracle
	objects []Object
	subject Userset
}

// closure adds usersets until none is missing, where exclusions take those in
// `excluded` for containing the subject and all others for not containing it.
func (w *world) closure(excluded Set) Set {
	set := Set{}
	for size := -1; size < len(set); {
		size = len(set)
		for _, object := range w.objects {
			for _, m := range w.members[object.Type] {
				u := Userset{object, m.name}
				if !set[u] && (u == w.subject || w.contains(u, m.rule, set, excluded)) {
					set[u] = true
				}
			}
		}
	}
	return set
}

// contains is the definition of the operators.
func (w *world) contains(u Userset, rule schema.Expr, set, excluded Set) bool {
	switch e := rule.(type) {
	case nil:
		return w.stores(u, set)
	case *schema.Ref:
		return set[Userset{u.Object, e.Name}]
	case *schema.Arrow:
		for _, s := range w.stored[Userset{u.Object, e.Relation}] {
			if set[Userset{s.Object, e.Target}] {
				return true
			}
		}
		return false
	case *schema.Nil:
		return false
	case *schema.Binary:
		left := w.contains(u, e.Left, set, excluded)
		switch e.Op {
		case schema.Union:
			return left || w.contains(u, e.Right, set, excluded)
		case schema.Intersection:
			return left && w.contains(u, e.Right, set, excluded)
		case schema.Exclusion:
			return left && !excluded[Userset{u.Object, e.Right.(*schema.Ref).Name}]
		}
	}
	panic(fmt.Sprintf("oracle: no rule for %T", rule))
}

// stores says whether a relation holds the subject: itself, by the wildcard of
// its type, or by a userset that contains it.
func (w *world) stores(u Userset, set Set) bool {
	for _, s := range w.stored[u] {
		switch {
		case s == w.subject, s.Relation != "" && set[s]:
			return true
		case s.ID == tuple.WildcardID && s.Type == w.subject.Type && w.subject.Relation == "":
			return true
		}
	}
	return false
}
