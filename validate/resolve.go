package validate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/store/tuple"
)

// maxProblems is how many problems of a fixture are shown.
const maxProblems = 20

// resolver finds what the names of a fixture mean, and collects the problems.
type resolver struct {
	*world
	fixture  *fixture.Fixture
	problems []schema.Problem
}

func (r *resolver) failed() bool { return len(r.problems) > 0 }

func (r *resolver) fail(pos schema.Position, length int, hint, format string, args ...any) {
	r.problems = append(r.problems, r.fixture.Problem(pos, length, fmt.Sprintf(format, args...), hint))
}

// err returns the problems as a *schema.Errors, by their places.
func (r *resolver) err() error {
	if !r.failed() {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b schema.Problem) int { return cmp.Compare(a.Pos.Line, b.Pos.Line) })
	shown := r.problems[:min(len(r.problems), maxProblems)]
	return &schema.Errors{Problems: shown, Omitted: len(r.problems) - len(shown)}
}

// definition finds a type.
func (r *resolver) definition(pos schema.Position, length int, name string) (*schema.Definition, bool) {
	d, ok := r.schema.Definition(name)
	if !ok {
		var all []string
		for _, d := range r.schema.Definitions {
			all = append(all, d.Name)
		}
		r.fail(pos, length, nearest(name, all), "the schema has no type `%s`", name)
	}
	return d, ok
}

// slot finds a relation or permission.
func (r *resolver) slot(pos schema.Position, length int, typeName, relation string) (slot int32, ok bool) {
	d, ok := r.definition(pos, length, typeName)
	if !ok {
		return 0, false
	}
	index, _ := r.program.TypeByName(typeName)
	if slot, ok = r.program.Slot(index, relation); !ok {
		r.fail(pos, length, nearest(relation, d.MemberNames()), "`%s` has no relation or permission `%s`", typeName, relation)
	}
	return slot, ok
}

// subject finds a subject.
func (r *resolver) subject(pos schema.Position, length int, typeName, id, relation string) (s tuple.Subject, ok bool) {
	if relation == "" {
		if _, ok = r.definition(pos, length, typeName); !ok {
			return s, false
		}
	} else if _, ok = r.slot(pos, length, typeName, relation); !ok {
		return s, false
	}
	return r.names.Subject(typeName, id, relation)
}

func nearest(name string, candidates []string) string {
	if found, ok := schema.Suggest(name, candidates); ok {
		return fmt.Sprintf("did you mean `%s`?", found)
	}
	return ""
}

// relationship finds the tuple that a relationship is, if the schema allows it.
func (r *resolver) relationship(from *fixture.Relationship) (t tuple.Tuple, ok bool) {
	named := from.Tuple
	_, okObject := r.slot(from.Pos, len(from.Text), named.ObjectType, named.Relation)
	_, okSubject := r.subject(from.Pos, len(from.Text), named.SubjectType, named.SubjectID, named.SubjectRelation)
	if !okObject || !okSubject || !r.caveat(from) {
		return t, false
	}
	if t, ok = r.names.Tuple(named); !ok {
		r.fail(from.Pos, len(from.Text), "", "the schema lacks one of its names")
		return t, false
	}
	if !r.takes(t) {
		r.fail(from.Pos, len(from.Text), r.taken(named.ObjectType, named.Relation), "`%s#%s` does not take `%s`",
			named.ObjectType, named.Relation, strings.TrimPrefix(r.names.ShapeText(t.Shape()), named.ObjectType+"#"+named.Relation+"@"))
		return t, false
	}
	if t.Traits.Caveat == 0 {
		return t, true
	}
	context, err := r.canonical(t.Traits.Caveat, named.Context)
	if err != nil {
		r.fail(from.Pos, len(from.Text), "", "the context of `%s`: %s", named.Caveat, err)
		return t, false
	}
	t.Traits.Context = context
	return t, true
}

func (r *resolver) caveat(from *fixture.Relationship) bool {
	name := from.Tuple.Caveat
	if _, known := r.names.Caveat(name); known || name == "" {
		return true
	}
	var all []string
	for _, c := range r.schema.Caveats {
		all = append(all, c.Name)
	}
	r.fail(from.Pos, len(from.Text), nearest(name, all), "the schema has no caveat `%s`", name)
	return false
}

// taken says what a relation takes.
func (r *resolver) taken(typeName, relation string) string {
	d, _ := r.schema.Definition(typeName)
	for member := range d.Relations() {
		if member.Name != relation {
			continue
		}
		var all []string
		for _, t := range member.Types {
			all = append(all, t.String())
		}
		return "it takes " + strings.Join(all, " | ")
	}
	return fmt.Sprintf("`%s` is a permission: it is computed, and stores nothing", relation)
}

// question finds what an assertion asks.
func (r *resolver) question(a *fixture.Assertion, nowNanos int64) (q rewrite.Question, ok bool) {
	t := a.Tuple
	slot, okObject := r.slot(a.Pos, len(a.Text), t.ObjectType, t.Relation)
	subject, okSubject := r.subject(a.Pos, len(a.Text), t.SubjectType, t.SubjectID, t.SubjectRelation)
	if !okObject || !okSubject {
		return q, false
	}
	if subject.Relation == tuple.Wildcard {
		r.fail(a.Pos, len(a.Text), "write an id that no tuple has", "an assertion cannot ask about a wildcard")
		return q, false
	}
	q = rewrite.Question{Slot: slot, ObjectID: []byte(t.ObjectID), Subject: subject}
	q.NowNanos = nowNanos
	if a.Context != "" {
		q.Context = []byte(a.Context)
	}
	return q, true
}

// expected finds the userset of an expected list, and looks at all of its names.
func (r *resolver) expected(e *fixture.Expected) (slot int32, ok bool) {
	key := e.ObjectType + ":" + e.ObjectID + "#" + e.Relation
	slot, ok = r.slot(e.Pos, len(key), e.ObjectType, e.Relation)
	for _, s := range e.Subjects {
		_, okSubject := r.subject(s.Pos, len(s.Text), s.Type, s.ID, s.Relation)
		ok = ok && okSubject
		for _, x := range s.Except {
			_, okSubject = r.subject(s.Pos, len(s.Text), x.Type, x.ID, x.Relation)
			ok = ok && okSubject
		}
		for _, u := range s.Through {
			_, okThrough := r.slot(s.Pos, len(s.Text), u.Type, u.Relation)
			ok = ok && okThrough
		}
	}
	return slot, ok
}
