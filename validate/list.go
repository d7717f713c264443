package validate

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/store/tuple"
)

// List is an expected list and how the true one differs.
type List struct {
	fixture.Expected
	Differences []Difference
	// Err says why there is no list.
	Err error
}

// Holds reports whether the list is the expected one.
func (l *List) Holds() bool { return l.Err == nil && len(l.Differences) == 0 }

// Text is the userset of the list, type:id#relation.
func (l *List) Text() string { return l.ObjectType + ":" + l.ObjectID + "#" + l.Relation }

// Difference is one line of a list that is not as expected.
type Difference struct {
	Pos schema.Position
	// Want and Got are lines as the file has them; one of them may be empty.
	Want, Got string
	// Explanation says why the subject is in the list, or why it is not.
	Explanation string
	// Disagreement says how ListSubjects or Check differs from the list. It is empty, but for
	// mistakes in the evaluator itself.
	Disagreement string
}

// String says what the difference is.
func (d *Difference) String() string {
	switch {
	case d.Disagreement != "":
		return d.Disagreement
	case d.Got == "":
		return fmt.Sprintf("the list lacks %s", d.Want)
	case d.Want == "":
		return fmt.Sprintf("the list also has %s", d.Got)
	default:
		return fmt.Sprintf("instead of %s the list has %s", d.Want, d.Got)
	}
}

// list compares an expected list. The error is one that ends the run.
func (r *runner) list(ctx context.Context, i int) (List, error) {
	l := List{Expected: r.fixture.Expected[i]}
	id := []byte(l.ObjectID)
	set, err := r.members(ctx, r.snapshot, r.slots[i], id, r.nowNanos)
	if err != nil {
		l.Err = err
		return l, ctx.Err()
	}
	is := r.lines(set)
	expected := make(map[string]bool)
	for _, s := range l.Subjects {
		subject, _ := r.names.Subject(s.Type, s.ID, s.Relation)
		key := r.render(subject)
		want := expectedLine(&s)
		if got := is[key]; got != want {
			d := Difference{Pos: s.Pos, Want: want, Got: got}
			d.Explanation, err = r.because(ctx, r.slots[i], id, subject)
			if err != nil {
				return l, err
			}
			l.Differences = append(l.Differences, d)
		}
		expected[key] = true
	}
	for _, s := range r.subjects(set) {
		key := r.render(s)
		if expected[key] {
			continue
		}
		d := Difference{Pos: l.Pos, Got: is[key]}
		if d.Explanation, err = r.because(ctx, r.slots[i], id, s); err != nil {
			return l, err
		}
		l.Differences = append(l.Differences, d)
	}
	slices.SortStableFunc(l.Differences, func(a, b Difference) int { return cmp.Compare(a.Pos.Line, b.Pos.Line) })
	disagreements, err := r.compare(ctx, r.slots[i], id, set)
	for _, text := range disagreements {
		l.Differences = append(l.Differences, Difference{Pos: l.Pos, Disagreement: text})
	}
	return l, err
}

// because explains whether a subject is in a list. Of a wildcard nothing can be asked.
func (r *runner) because(ctx context.Context, slot int32, objectID []byte, s tuple.Subject) (string, error) {
	if s.Relation == tuple.Wildcard {
		return "", nil
	}
	q := rewrite.Question{Slot: slot, ObjectID: objectID, Subject: s, Given: rewrite.Given{NowNanos: r.nowNanos}}
	e, err := r.engine.Explain(ctx, r.snapshot, q, rewrite.ExplainOptions{})
	switch {
	case err != nil && undecided(err):
		return err.Error(), nil
	case err != nil:
		return "", err
	}
	return e.Text(r.names), nil
}

// compare asks ListSubjects and Check for what they say of a list. They know more
// than it, of caveats: what is certain without that must be the same. Of usersets
// they know too that each is a member of itself, which lists leave out, and may
// exclude one for that; so they are asked about objects alone.
func (r *runner) compare(ctx context.Context, slot int32, objectID []byte, set found) (differing []string, err error) {
	differ := func(s tuple.Subject, listed, answer rewrite.Verdict, who string) {
		if listed != rewrite.Conditional && listed != answer {
			differing = append(differing, fmt.Sprintf("%s says %v of %s, the list says %v", who, answer, r.render(s), listed))
		}
	}
	given := rewrite.Given{NowNanos: r.nowNanos}
	for _, s := range r.subjects(set) {
		if s.Relation != tuple.Self {
			continue
		}
		kind := set.of(s.Kind())
		answer, err := r.engine.Check(ctx, r.snapshot, rewrite.Question{Slot: slot, ObjectID: objectID, Subject: s, Given: given})
		if err != nil && !undecided(err) {
			return nil, err
		}
		if err == nil {
			differ(s, kind.has(string(s.ID)), answer.Verdict, "check")
		}
	}
	for i := range r.program.Types {
		kind := tuple.Kind{Type: tuple.TypeID(r.program.Types[i].Number)}
		if !r.program.Reaches(slot, uint16(kind.Type), uint16(kind.Relation)) {
			continue
		}
		_, err := r.engine.ListSubjects(ctx, r.snapshot, rewrite.SubjectsQuestion{Slot: slot, ObjectID: objectID, Kind: kind, Given: given},
			func(f rewrite.FoundSubject) bool {
				s := tuple.Subject{Type: kind.Type, ID: slices.Clone(f.ID)}
				listed := set.of(kind).has(string(f.ID))
				if string(f.ID) == tuple.WildcardID {
					listed = set.of(kind).wildcard
				}
				differ(s, listed, f.Verdict, "the list of subjects")
				return true
			})
		if err != nil && !undecided(err) {
			return nil, err
		}
	}
	return differing, nil
}

// subjects lists those of a set that have a line of their own, in the order of
// their texts.
func (w *world) subjects(set found) (all []tuple.Subject) {
	for kind, k := range set {
		if k.wildcard != rewrite.No {
			all = append(all, tuple.Subject{Type: kind.Type, Relation: tuple.Wildcard, ID: []byte(tuple.WildcardID)})
		}
		for id, s := range k.byID {
			if s.named != rewrite.No {
				all = append(all, tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: []byte(id)})
			}
		}
	}
	slices.SortFunc(all, func(a, b tuple.Subject) int { return strings.Compare(w.render(a), w.render(b)) })
	return all
}

// lines spells a set as an expected list does, by its subjects.
func (w *world) lines(set found) map[string]string {
	lines := make(map[string]string)
	for kind, k := range set {
		text := func(id string) string {
			return w.render(tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: []byte(id)})
		}
		if k.wildcard != rewrite.No {
			var exceptions []string
			for id, s := range k.byID {
				if s.excepted != rewrite.No {
					exceptions = append(exceptions, open(text(id), s.excepted == rewrite.Conditional))
				}
			}
			lines[text(tuple.WildcardID)] = line(text(tuple.WildcardID), k.wildcard == rewrite.Conditional, exceptions, k.through.sorted())
		}
		for id, s := range k.byID {
			if s.named != rewrite.No {
				lines[text(id)] = line(text(id), s.named == rewrite.Conditional, nil, s.through.sorted())
			}
		}
	}
	return lines
}

// open marks what is conditional.
func open(text string, conditional bool) string {
	if conditional {
		return text + "[...]"
	}
	return text
}

// line spells one line of a list: [subject - {exceptions}] is <userset>/<userset>.
func line(subject string, conditional bool, exceptions, through []string) string {
	text := open(subject, conditional)
	if len(exceptions) > 0 {
		slices.Sort(exceptions)
		text += " - {" + strings.Join(exceptions, ", ") + "}"
	}
	slices.Sort(through)
	return "[" + text + "] is <" + strings.Join(slices.Compact(through), ">/<") + ">"
}

// expectedLine spells a line of the file in the one way.
func expectedLine(s *fixture.ExpectedSubject) string {
	subject := func(s fixture.Subject) string {
		if s.Relation != "" {
			return s.Type + ":" + s.ID + "#" + s.Relation
		}
		return s.Type + ":" + s.ID
	}
	var exceptions, through []string
	for _, x := range s.Except {
		exceptions = append(exceptions, open(subject(x), x.Conditional))
	}
	for _, u := range s.Through {
		through = append(through, u.Type+":"+u.ID+"#"+u.Relation)
	}
	return line(subject(s.Subject), s.Conditional, exceptions, through)
}
