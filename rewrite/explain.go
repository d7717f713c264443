package rewrite

import (
	"bytes"
	"context"
	"errors"
	"time"

	"github.com/tupelodb/tupelo/store/tuple"
)

// ExplainOptions say what an explanation is made with.
type ExplainOptions struct {
	// Clock tells the time for Step.Elapsed; nil leaves that empty.
	Clock func() time.Time
	// MaxSteps is how many steps the explanation may have; what is beyond is
	// said to be left out. 0 means DefaultExplainSteps.
	MaxSteps int
}

// maxBranches is how many children a step shows.
const maxBranches = 20

// DefaultExplainSteps is the default of ExplainOptions.MaxSteps.
const DefaultExplainSteps = 1000

// Explanation is an answer with the reasons for it.
type Explanation struct {
	Result
	// Root is the step for the question's userset.
	Root *Step
	// Remedies are the nearest ways to turn a no into a yes, the smallest first:
	// each has been tried. There may be others.
	Remedies []Remedy
	// Given is what the request brought. Text says by it why a tuple does not count.
	Given Given
}

// Step is one node of an explanation: an expression at an object, with those
// below it that decided. Under a no these are all the branches; under a yes the
// one that was found.
type Step struct {
	Kind StepKind
	Note StepNote
	// Verdict is that of the userset, expression or tuple.
	Verdict Verdict
	// Missing are the fields that a conditional verdict depends on.
	Missing []string
	// Object and Relation are the userset, or the relation or tupleset read; of
	// an arrow, Target is what it evaluates.
	Object   tuple.Object
	Relation tuple.RelationID
	Target   tuple.Kind
	// Tuple is that of a TupleStep, without traits and with a no if it is not
	// stored. Of a UsersetStep it is the tuple by which the step was reached, or
	// nil; Counts says whether that counts.
	Tuple  *tuple.Tuple
	Counts Verdict
	// holds is the verdict without the tuple, and mark how many goals were explained
	// before the step.
	holds Verdict
	mark  int
	// Reads is how many calls of the Reader the step and all below it stand on: a
	// tuple one, what a relation stores one for each page of it. A parent's is that
	// of its children and its own. What was read to find out which steps decide is
	// not among them.
	Reads int
	// Elapsed is the time that the step took with all below it, and with finding
	// out which of them decide.
	Elapsed  time.Duration
	Children []*Step
	// Omitted is how many children are left out.
	Omitted int
}

// StepKind is what a step stands for.
type StepKind uint8

// The kinds of steps.
const (
	// UsersetStep is object#relation; its one child says why.
	UsersetStep StepKind = iota
	// TupleStep is a look-up: Verdict says whether the tuple is stored and counts.
	TupleStep
	// StoredStep is a relation, ArrowStep and EveryArrowStep are tuples to
	// usersets: their children are what they store.
	StoredStep
	ArrowStep
	EveryArrowStep
	UnionStep
	IntersectionStep
	ExclusionStep
	NothingStep
	// SelfStep is the language's self, or a userset that is the subject.
	SelfStep
)

// StepNote says what is particular about a step.
type StepNote uint8

// The notes. Steps that have one are not explained further.
const (
	NoNote       StepNote = iota
	ShownAbove            // it is explained before, in preorder
	InCircle              // it is being explained further up
	OutOfReach            // it can have no subject of this kind, whatever is stored
	BeyondLimits          // it is too deep, or too much work
	Paradoxical           // it depends on its own exclusion, and is neither yes nor no
	Unexplained           // the explanation would be too long
	NotDecisive           // it did not matter in the end
	Failed                // a condition that it depends on has no value
)

// Explain answers a question as Check does, and says why. It takes several times
// as long as Check, and may exceed the limits where Check does not. The errors are
// those of Check.
func (e *Engine) Explain(ctx context.Context, reader Reader, q Question, options ExplainOptions) (*Explanation, error) {
	result, err := e.Check(ctx, reader, q)
	if err != nil {
		return nil, err
	}
	root, err := e.reasons(ctx, reader, q, options, result.Verdict)
	if err != nil {
		return nil, err
	}
	explained := &Explanation{Result: result, Root: root, Given: q.Given}
	if result.Verdict == No {
		explained.Remedies, err = e.remedies(ctx, reader, q, root)
	}
	return explained, err
}

// reasons returns the steps of a verdict that Check has found.
func (e *Engine) reasons(ctx context.Context, reader Reader, q Question, options ExplainOptions, verdict Verdict) (*Step, error) {
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.begin(q.Subject, q.Given)
	x := &explainer{run: r, clock: options.Clock, left: options.MaxSteps, known: make(map[int32]bool), path: make(map[int32]bool)}
	if x.left <= 0 {
		x.left = DefaultExplainSteps
	}
	if x.clock == nil {
		x.clock = func() time.Time { return time.Time{} }
	}
	root, err := x.userset(q.Slot, q.ObjectID, verdict)
	if err != nil {
		return nil, err
	}
	root.addReads()
	return root, nil
}

// addReads adds to the reads of each step those below it.
func (s *Step) addReads() {
	for _, child := range s.Children {
		child.addReads()
		s.Reads += child.Reads
	}
}

// What may be wanted of a step beside a verdict: any but a no, and nothing at all.
const (
	whatever Verdict = 254
	nothing  Verdict = 255
)

// explainer is one call of Explain. It asks for the verdict of each userset on
// its way, all with one memo, and goes on below those whose verdict decided.
type explainer struct {
	run   *run
	clock func() time.Time
	left  int            // steps that may still be made
	known map[int32]bool // goals that were explained
	order []int32        // those, in the order in which they were
	path  map[int32]bool // goals that are being explained
}

// newStep makes a step of goal g.
func (x *explainer) newStep(kind StepKind, g int32) *Step {
	return &Step{Kind: kind, Object: x.object(g), Relation: tuple.RelationID(x.slot(g).Number), mark: len(x.order)}
}

// object is the object of a goal; it stays as it is when the memo is gone.
func (x *explainer) object(g int32) tuple.Object {
	object := x.run.object(g)
	object.ID = bytes.Clone(object.ID)
	return object
}

// userset explains a userset, if its verdict is the one that is wanted.
func (x *explainer) userset(slot int32, id []byte, want Verdict) (*Step, error) {
	begin := x.clock()
	g := x.run.goals.at(slot, id)
	s := x.newStep(UsersetStep, g)
	err := x.ask(s, g)
	if err == nil && s.Note == NoNote {
		switch {
		case s.Verdict != want && (want != whatever || s.Verdict == No):
			s.Note = NotDecisive
		case x.path[g]:
			s.Note = InCircle
		case x.known[g]:
			s.Note = ShownAbove
		case x.left <= 0:
			s.Note = Unexplained
		default:
			err = x.reason(s, g)
		}
	}
	s.Elapsed = x.clock().Sub(begin)
	return s, err
}

// reason adds to a userset's step why it has its verdict.
func (x *explainer) reason(s *Step, g int32) error {
	x.left--
	x.path[g] = true
	var child *Step
	var err error
	if x.run.isSubject(g) {
		child = x.newStep(SelfStep, g)
		child.Verdict = Yes
	} else {
		child, err = x.node(x.slot(g).Root, g, s.Verdict)
	}
	delete(x.path, g)
	if err != nil {
		return err
	}
	s.Children = []*Step{child}
	// A yes that leans on one further up is no reason that can be shown again.
	if s.Verdict != Yes || !circular(child) {
		x.known[g] = true
		x.order = append(x.order, g)
	}
	return nil
}

// forget takes goals for unexplained again, because the steps that explain them
// are not shown.
func (x *explainer) forget(mark int) {
	for _, g := range x.order[mark:] {
		delete(x.known, g)
	}
	x.order = x.order[:mark]
}

// ask finds the verdict of a userset.
func (x *explainer) ask(s *Step, g int32) error {
	r := x.run
	if !r.reaches(r.goals.list[g].slot) {
		s.Note = OutOfReach
		return nil
	}
	// Its questions are one to the limits, which the answer itself has taken too.
	if limit := r.engine.limits.SubProblems; len(r.goals.list) > 2*limit {
		return &WorkError{Unit: "sub-problems", Limit: limit}
	}
	result, err := r.answer(&Question{Slot: r.goals.list[g].slot, ObjectID: s.Object.ID})
	switch {
	case errors.Is(err, ErrCondition):
		s.Note = Failed
		return nil
	case err != nil && ofOneQuestion(err):
		s.Note = BeyondLimits
		if errors.Is(err, ErrTooManySubProblems) {
			return err
		}
		return nil
	case err != nil:
		return err
	}
	s.Verdict, s.Missing = result.Verdict, result.Missing
	if r.goals.list[g].state == undefined {
		s.Note = Paradoxical
	}
	return nil
}

// circular reports whether a yes leans on a userset further up.
func circular(s *Step) bool {
	if s.Verdict != Yes {
		return false
	}
	for _, child := range s.Children {
		if circular(child) {
			return true
		}
	}
	return s.Note == InCircle
}
