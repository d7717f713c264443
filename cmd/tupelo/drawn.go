package main

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Trees and explanations are drawn by the evaluator that makes them, in one way
// for all who show them. What came over the wire is brought back into its form
// first, with names numbered anew: the numbers of the server stay there.

// treeText draws the answer of an Expand.
func treeText(root *tupelov1.UsersetTree) (string, error) {
	var n numbering
	tree := n.tree(root)
	if n.err != nil {
		return "", fmt.Errorf("drawing the tree: %w", n.err)
	}
	return tree.Text(&n.names), nil
}

// explanationText draws the reasons for the answer of a Check, which has just come
// and had a context.
func explanationText(m *tupelov1.Explanation, given *structpb.Struct) (string, error) {
	var n numbering
	explanation := rewrite.Explanation{Root: n.step(m.GetRoot())}
	explanation.Given = rewrite.Given{Context: []byte(contextText(given)), NowNanos: time.Now().UnixNano()}
	for _, remedy := range m.GetRemedies() {
		explanation.Remedies = append(explanation.Remedies, rewrite.Remedy{Add: n.tuples(remedy.Add), Remove: n.tuples(remedy.Remove)})
	}
	if n.err != nil {
		return "", fmt.Errorf("drawing the explanation: %w", n.err)
	}
	return explanation.Text(&n.names), nil
}

// numbering gives numbers to names as it meets them. The first error stays.
type numbering struct {
	names tuple.Names
	err   error
}

func (n *numbering) kind(typeName, relation string) tuple.Kind {
	t, known := n.names.Type(typeName)
	r, _ := n.names.Relation(t, relation)
	if known && (relation == "" || r != 0) {
		return tuple.Kind{Type: t, Relation: r}
	}
	var relations []string
	if relation != "" {
		relations = []string{relation}
	}
	next, _, err := n.names.Intern(typeName, relations)
	if err != nil {
		n.fail(err)
		return tuple.Kind{}
	}
	n.names = *next
	return n.kind(typeName, relation)
}

func (n *numbering) fail(err error) {
	if n.err == nil {
		n.err = err
	}
}

// userset numbers an object and a relation of it; what is absent stays zero.
func (n *numbering) userset(o *tupelov1.Object, relation string) (tuple.Object, tuple.RelationID) {
	if o == nil {
		return tuple.Object{}, 0
	}
	kind := n.kind(o.Type, relation)
	return tuple.Object{Type: kind.Type, ID: []byte(o.Id)}, kind.Relation
}

func (n *numbering) subject(s *tupelov1.Subject) tuple.Subject {
	kind := n.kind(s.GetType(), s.GetRelation())
	if s.GetId() == tuple.WildcardID && s.GetRelation() == "" {
		kind.Relation = tuple.Wildcard
	}
	return tuple.Subject{Type: kind.Type, Relation: kind.Relation, ID: []byte(s.GetId())}
}

func (n *numbering) traits(m *tupelov1.Tuple) tuple.Traits {
	named := namedTuple(m)
	traits := tuple.Traits{ExpiresNanos: named.ExpiresNanos}
	if named.Caveat == "" {
		return traits
	}
	next, number, err := n.names.InternCaveat(named.Caveat)
	if err != nil {
		n.fail(err)
		return traits
	}
	n.names = *next
	traits.Caveat, traits.Context = number, []byte(named.Context)
	return traits
}

func (n *numbering) tuple(m *tupelov1.Tuple) tuple.Tuple {
	object, relation := n.userset(m.GetObject(), m.GetRelation())
	return tuple.Tuple{Object: object, Relation: relation, Subject: n.subject(m.GetSubject()), Traits: n.traits(m)}
}

func (n *numbering) tuples(list []*tupelov1.Tuple) []tuple.Tuple {
	var numbered []tuple.Tuple
	for _, m := range list {
		numbered = append(numbered, n.tuple(m))
	}
	return numbered
}

var treeKinds = map[tupelov1.UsersetTree_Kind]rewrite.TreeKind{
	tupelov1.UsersetTree_KIND_USERSET:              rewrite.UsersetTree,
	tupelov1.UsersetTree_KIND_THIS:                 rewrite.ThisTree,
	tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET:     rewrite.ArrowTree,
	tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET_ALL: rewrite.EveryArrowTree,
	tupelov1.UsersetTree_KIND_UNION:                rewrite.UnionTree,
	tupelov1.UsersetTree_KIND_INTERSECTION:         rewrite.IntersectionTree,
	tupelov1.UsersetTree_KIND_EXCLUSION:            rewrite.ExclusionTree,
	tupelov1.UsersetTree_KIND_NIL:                  rewrite.NothingTree,
	tupelov1.UsersetTree_KIND_SELF:                 rewrite.SelfTree,
}

var treeCuts = map[tupelov1.UsersetTree_Cut]rewrite.Cut{
	tupelov1.UsersetTree_CUT_UNSPECIFIED: rewrite.Whole,
	tupelov1.UsersetTree_CUT_TRUNCATED:   rewrite.Truncated,
	tupelov1.UsersetTree_CUT_FOLDED:      rewrite.Folded,
	tupelov1.UsersetTree_CUT_REPEATED:    rewrite.Repeated,
}

func (n *numbering) tree(m *tupelov1.UsersetTree) *rewrite.Tree {
	kind, known := treeKinds[m.GetKind()]
	cut, knownCut := treeCuts[m.GetCut()]
	if !known || !knownCut {
		n.fail(unknownForm(m.GetKind(), m.GetCut()))
	}
	t := &rewrite.Tree{Kind: kind, Cut: cut}
	t.Object, t.Relation = n.userset(m.GetObject(), m.GetRelation())
	t.Target = n.target(m.GetObject(), m.GetTarget())
	for _, s := range m.GetSubjects() {
		t.Subjects = append(t.Subjects, n.subject(s))
	}
	for _, c := range m.GetConditions() {
		t.Conditions = append(t.Conditions, n.condition(c))
	}
	t.Condition = n.condition(m.GetCondition())
	for _, child := range m.GetChildren() {
		t.Children = append(t.Children, n.tree(child))
	}
	return t
}

func (n *numbering) condition(c *tupelov1.Condition) tuple.Traits {
	return n.traits(&tupelov1.Tuple{Caveat: c.GetCaveat(), ExpiresAt: c.GetExpiresAt()})
}

// target numbers the target of an arrow. Of which type it is the message does
// not say, nor the drawing.
func (n *numbering) target(o *tupelov1.Object, name string) tuple.Kind {
	if o == nil || name == "" {
		return tuple.Kind{}
	}
	return n.kind(o.Type, name)
}

var stepKinds = map[tupelov1.ExplanationStep_Kind]rewrite.StepKind{
	tupelov1.ExplanationStep_KIND_USERSET:              rewrite.UsersetStep,
	tupelov1.ExplanationStep_KIND_TUPLE:                rewrite.TupleStep,
	tupelov1.ExplanationStep_KIND_THIS:                 rewrite.StoredStep,
	tupelov1.ExplanationStep_KIND_TUPLE_TO_USERSET:     rewrite.ArrowStep,
	tupelov1.ExplanationStep_KIND_TUPLE_TO_USERSET_ALL: rewrite.EveryArrowStep,
	tupelov1.ExplanationStep_KIND_UNION:                rewrite.UnionStep,
	tupelov1.ExplanationStep_KIND_INTERSECTION:         rewrite.IntersectionStep,
	tupelov1.ExplanationStep_KIND_EXCLUSION:            rewrite.ExclusionStep,
	tupelov1.ExplanationStep_KIND_NIL:                  rewrite.NothingStep,
	tupelov1.ExplanationStep_KIND_SELF:                 rewrite.SelfStep,
}

var stepNotes = map[tupelov1.ExplanationStep_Note]rewrite.StepNote{
	tupelov1.ExplanationStep_NOTE_UNSPECIFIED:   rewrite.NoNote,
	tupelov1.ExplanationStep_NOTE_SHOWN_ABOVE:   rewrite.ShownAbove,
	tupelov1.ExplanationStep_NOTE_IN_CIRCLE:     rewrite.InCircle,
	tupelov1.ExplanationStep_NOTE_OUT_OF_REACH:  rewrite.OutOfReach,
	tupelov1.ExplanationStep_NOTE_BEYOND_LIMITS: rewrite.BeyondLimits,
	tupelov1.ExplanationStep_NOTE_PARADOXICAL:   rewrite.Paradoxical,
	tupelov1.ExplanationStep_NOTE_UNEXPLAINED:   rewrite.Unexplained,
	tupelov1.ExplanationStep_NOTE_NOT_DECISIVE:  rewrite.NotDecisive,
	tupelov1.ExplanationStep_NOTE_FAILED:        rewrite.Failed,
}

var verdicts = map[tupelov1.Result]rewrite.Verdict{
	tupelov1.Result_RESULT_NO:          rewrite.No,
	tupelov1.Result_RESULT_CONDITIONAL: rewrite.Conditional,
	tupelov1.Result_RESULT_YES:         rewrite.Yes,
}

func (n *numbering) step(m *tupelov1.ExplanationStep) *rewrite.Step {
	kind, known := stepKinds[m.GetKind()]
	note, knownNote := stepNotes[m.GetNote()]
	verdict, knownVerdict := verdicts[m.GetResult()]
	if !known || !knownNote || !knownVerdict {
		n.fail(unknownForm(m.GetKind(), m.GetNote(), m.GetResult()))
	}
	s := &rewrite.Step{
		Kind: kind, Note: note, Verdict: verdict, Missing: m.GetMissingContext(), Counts: verdicts[m.GetTupleResult()],
		Reads: int(m.GetReads()), Elapsed: m.GetElapsed().AsDuration(), Omitted: int(m.GetOmitted()),
	}
	s.Object, s.Relation = n.userset(m.GetObject(), m.GetRelation())
	s.Target = n.target(m.GetObject(), m.GetTarget())
	if m.GetTuple() != nil {
		t := n.tuple(m.Tuple)
		s.Tuple = &t
	} else if kind == rewrite.TupleStep {
		n.fail(unknownForm(m.GetKind(), "without a tuple"))
	}
	for _, child := range m.GetChildren() {
		s.Children = append(s.Children, n.step(child))
	}
	return s
}
