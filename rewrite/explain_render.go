package rewrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Text draws the explanation for people: a line for each step, and for a no what
// would have to be true.
//
//	✗ document:plan#view (3 reads)
//	├── ✗ document:plan#viewer
//	│   └── ✗ document:plan#viewer@user:alice is not stored
//	└── ✗ parent->view
//	    └── ✗ folder:root#view (shown above)
//
//	To make it yes, one of:
//	  add document:plan#viewer@user:alice
func (e *Explanation) Text(names *tuple.Names) string {
	d := explained{drawing{names: names}, &e.Given}
	d.step(e.Root, "")
	if len(e.Remedies) > 0 {
		d.text.WriteString("\nTo make it yes, one of:\n")
	}
	for _, m := range e.Remedies {
		var parts []string
		for _, t := range m.Add {
			parts = append(parts, "add "+names.Named(t).String())
		}
		for _, t := range m.Remove {
			parts = append(parts, "remove "+names.Named(t).String())
		}
		d.text.WriteString("  " + strings.Join(parts, ", and ") + "\n")
	}
	return d.text.String()
}

// explained is the drawing of an explanation.
type explained struct {
	drawing
	given *Given
}

// step draws a step; indent is what its lines below begin with.
func (d *explained) step(s *Step, indent string) {
	d.text.WriteString(mark(s) + " " + d.stepLabel(s) + d.stepWords(s) + "\n")
	children, omitted := shown(s)
	if s.Kind == UsersetStep && s.Note == NoNote && len(children) == 0 {
		d.text.WriteString(indent + "└── it stores no subject of this kind\n")
	}
	if omitted > 0 {
		defer func() { fmt.Fprintf(&d.text, "%s└── and %d more\n", indent, omitted) }()
	}
	for i, child := range children {
		branch, deeper := "├── ", "│   "
		if i == len(children)-1 && omitted == 0 {
			branch, deeper = "└── ", "    "
		}
		d.text.WriteString(indent + branch)
		if s.Kind == ExclusionStep && i > 0 {
			d.text.WriteString("except ")
		}
		d.step(child, indent+deeper)
	}
}

// shown lists what is drawn under a step. What a relation stores stands directly
// under it, and so does the one reason of a union. Of what is conditional only that
// is shown which is not no.
func shown(s *Step) (children []*Step, omitted int) {
	children, omitted = s.Children, s.Omitted
	for len(children) == 1 && (children[0].Kind == StoredStep || children[0].Kind == UnionStep && len(children[0].Children) == 1) {
		s, children, omitted = children[0], children[0].Children, omitted+children[0].Omitted
	}
	if s.Verdict == Conditional && (s.Kind == StoredStep || s.Kind == UnionStep || s.Kind == ArrowStep) {
		children = slices.DeleteFunc(slices.Clone(children), func(c *Step) bool { return c.Verdict == No })
	}
	return children, omitted
}

// mark shows a verdict at a glance.
func mark(s *Step) string {
	switch s.Verdict {
	case Yes:
		return "✓"
	case Conditional:
		return "?"
	default:
		return "✗"
	}
}

func (d *explained) stepLabel(s *Step) string {
	switch s.Kind {
	case TupleStep:
		text := d.names.Named(*s.Tuple).String()
		switch {
		case s.Verdict == Yes:
			return text
		case s.Verdict == No && s.Tuple.Traits.None():
			return text + " is not stored"
		case s.Verdict == No:
			return text + " does not count" + d.because(s)
		default:
			return text + " counts perhaps"
		}
	case StoredStep:
		return "stored"
	case ArrowStep:
		return d.names.RelationName(s.Object.Type, s.Relation) + "->" + d.names.RelationName(s.Target.Type, s.Target.Relation)
	case EveryArrowStep:
		return d.names.RelationName(s.Object.Type, s.Relation) + ".all(" + d.names.RelationName(s.Target.Type, s.Target.Relation) + ")"
	case UnionStep:
		return "any of"
	case IntersectionStep:
		return "all of"
	case ExclusionStep:
		return "the first, except"
	case NothingStep:
		return "nil"
	case SelfStep:
		return "it is the subject itself"
	default:
		label := d.subject(tuple.Subject{Type: s.Object.Type, Relation: s.Relation, ID: s.Object.ID})
		if s.Tuple != nil {
			label += d.traits(s.Tuple.Traits)
		}
		return label
	}
}

// because says why the tuple of a step does not count.
func (d *explained) because(s *Step) string {
	switch t := s.Tuple.Traits; {
	case s.Note == Failed:
		return "" // the note says it
	case t.ExpiresNanos != 0 && t.ExpiresNanos <= d.given.NowNanos:
		return ": it has expired"
	case t.Caveat != 0:
		return ": " + d.names.CaveatName(t.Caveat) + " says no" + withGiven(d.given.Context, t.Context)
	default:
		return ""
	}
}

// maxGivenBytes is how much of a request's context a line shows.
const maxGivenBytes = 120

// withGiven spells what a request gave that a tuple does not fix: that wins, and
// stands in the tuple's text.
func withGiven(given, fixed []byte) string {
	var values, wins map[string]json.RawMessage
	if json.Unmarshal(given, &values) != nil {
		return ""
	}
	if json.Unmarshal(fixed, &wins) == nil {
		for name := range wins {
			delete(values, name)
		}
	}
	if len(values) == 0 {
		return ""
	}
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if e.Encode(values) != nil {
		return ""
	}
	spelled := strings.TrimSpace(text.String())
	if len(spelled) > maxGivenBytes {
		spelled = strings.ToValidUTF8(spelled[:maxGivenBytes], "") + "…"
	}
	return " with " + spelled
}

var noteWords = map[StepNote]string{
	ShownAbove: "shown above", InCircle: "in a circle", OutOfReach: "never has such a subject", BeyondLimits: "beyond the limits",
	Paradoxical: "it excludes itself: neither yes nor no", Unexplained: "not explained: too long", Failed: "its condition has no value",
}

// stepWords says what is particular about a step.
func (d *explained) stepWords(s *Step) string {
	var words []string
	if s.Kind == UsersetStep && s.Tuple != nil && s.Counts == No {
		words = append(words, "the tuple does not count"+d.because(s))
	}
	if note := noteWords[s.Note]; note != "" {
		words = append(words, note)
	}
	if len(s.Missing) > 0 {
		words = append(words, "depends on "+strings.Join(s.Missing, ", "))
	}
	if (s.Kind == ArrowStep || s.Kind == EveryArrowStep) && len(s.Children) == 0 {
		words = append(words, "there is none")
	}
	if s.Kind == UsersetStep && s.Reads > 0 && s.Note == NoNote {
		words = append(words, strings.TrimSuffix(fmt.Sprintf("%d reads", s.Reads), map[bool]string{true: "s"}[s.Reads == 1]))
	}
	if s.Elapsed > 0 {
		words = append(words, s.Elapsed.Round(100*time.Nanosecond).String())
	}
	if len(words) == 0 {
		return ""
	}
	return " (" + strings.Join(words, "; ") + ")"
}
