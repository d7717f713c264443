package authzed

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

// traceAsked reports whether older clients, which do not know with_tracing, ask for
// a trace in the metadata of a call.
func traceAsked(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, string(requestmeta.RequestDebugInformation))) > 0
}

// tracing makes traces out of explanations, all of one revision.
type tracing struct {
	operation  string
	schemaText string
	// kinds says of each member of a definition, as definition#member, what it is.
	kinds   map[string]v1.CheckDebugTrace_PermissionType
	caveats map[string]*schema.Caveat
}

// newTracing reads the schema that traces of a revision speak of.
func (a *adapter) newTracing(ctx context.Context, zookie string) (*tracing, error) {
	read, err := a.native.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: exactly(zookie)})
	if err != nil {
		return nil, err
	}
	tree, err := schema.Load("", read.Text)
	if err != nil {
		return nil, fmt.Errorf("loading the schema of a trace: %w", err)
	}
	t := &tracing{
		operation: rand.Text(), schemaText: strings.TrimSpace(read.Text),
		kinds: make(map[string]v1.CheckDebugTrace_PermissionType), caveats: make(map[string]*schema.Caveat),
	}
	for _, d := range tree.Definitions {
		for _, m := range d.Members {
			kind := v1.CheckDebugTrace_PERMISSION_TYPE_PERMISSION
			if _, ok := m.(*schema.Relation); ok {
				kind = v1.CheckDebugTrace_PERMISSION_TYPE_RELATION
			}
			t.kinds[d.Name+"#"+m.MemberName()] = kind
		}
	}
	for _, c := range tree.Caveats {
		t.caveats[c.Name] = c
	}
	return t, nil
}

// of tells an explanation of a check.
func (t *tracing) of(e *tupelov1.Explanation, about *v1.SubjectReference, given *structpb.Struct) *v1.DebugInformation {
	c := &checkTrace{tracing: t, subject: about, given: given, formulas: make(map[*tupelov1.ExplanationStep]formula), named: make(map[string]formula)}
	return &v1.DebugInformation{Check: c.node(e.GetRoot(), ""), SchemaUsed: t.schemaText}
}

// checkTrace is the trace of one check. The usersets of the explanation are its
// nodes; what joins them is left out.
type checkTrace struct {
	*tracing
	subject *v1.SubjectReference
	given   *structpb.Struct
	// formulas has what conditional usersets depend on: by their steps, and for steps
	// that stand for one shown above by its name.
	formulas map[*tupelov1.ExplanationStep]formula
	named    map[string]formula
}

// node tells a userset, or an object whose type lacks the target of the arrow that
// led to it.
func (c *checkTrace) node(step *tupelov1.ExplanationStep, target string) *v1.CheckDebugTrace {
	permission := cmp.Or(step.GetRelation(), target)
	node := &v1.CheckDebugTrace{
		TraceOperationId: c.operation,
		Resource:         objectReference(step.GetObject()), Permission: permission,
		PermissionType: c.kinds[step.GetObject().GetType()+"#"+permission],
		Subject:        c.subject, Result: tracedResult(step), Duration: step.GetElapsed(), Source: tracedSource(step),
	}
	node.CaveatEvaluationInfo = c.evaluation(step)
	problems := &v1.CheckDebugTrace_SubProblems{}
	c.nodesBelow(step, problems)
	if len(problems.Traces) > 0 {
		node.Resolution = &v1.CheckDebugTrace_SubProblems_{SubProblems: problems}
	} else {
		above := step.GetNote() == tupelov1.ExplanationStep_NOTE_SHOWN_ABOVE
		node.Resolution = &v1.CheckDebugTrace_WasCachedResult{WasCachedResult: above}
	}
	return node
}

// nodesBelow adds the usersets that are next below a step.
func (c *checkTrace) nodesBelow(step *tupelov1.ExplanationStep, problems *v1.CheckDebugTrace_SubProblems) {
	for _, child := range step.GetChildren() {
		if child.Kind == tupelov1.ExplanationStep_KIND_USERSET {
			problems.Traces = append(problems.Traces, c.node(child, step.GetTarget()))
		} else {
			c.nodesBelow(child, problems)
		}
	}
}

// tracedResult is the answer of a step. What could not be found out is not told as no.
func tracedResult(step *tupelov1.ExplanationStep) v1.CheckDebugTrace_Permissionship {
	switch {
	case step.GetNote() == tupelov1.ExplanationStep_NOTE_BEYOND_LIMITS, step.GetNote() == tupelov1.ExplanationStep_NOTE_FAILED:
		return v1.CheckDebugTrace_PERMISSIONSHIP_UNSPECIFIED
	case step.GetResult() == tupelov1.Result_RESULT_YES:
		return v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION
	case step.GetResult() == tupelov1.Result_RESULT_CONDITIONAL:
		return v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION
	}
	return v1.CheckDebugTrace_PERMISSIONSHIP_NO_PERMISSION
}

// tracedSource says where the answer of a step is from, and why there is nothing
// below it: tupelo:shown_above. Of steps that are left out it has the number.
func tracedSource(step *tupelov1.ExplanationStep) string {
	note := "check"
	if step.GetNote() != tupelov1.ExplanationStep_NOTE_UNSPECIFIED {
		note = strings.ToLower(strings.TrimPrefix(step.GetNote().String(), "NOTE_"))
	}
	if omitted := omittedBelow(step); omitted > 0 {
		note += fmt.Sprintf(",omitted=%d", omitted)
	}
	return "tupelo:" + note
}

// omittedBelow counts what is left out under a step, without the usersets below it.
func omittedBelow(step *tupelov1.ExplanationStep) int32 {
	omitted := step.GetOmitted()
	for _, child := range step.GetChildren() {
		if child.Kind != tupelov1.ExplanationStep_KIND_USERSET {
			omitted += omittedBelow(child)
		}
	}
	return omitted
}

// evaluation tells of the caveats that a userset's answer depends on: of a
// conditional one all, of others those of its own tuples.
func (c *checkTrace) evaluation(step *tupelov1.ExplanationStep) *v1.CaveatEvalInfo {
	info := &v1.CaveatEvalInfo{}
	switch step.GetResult() {
	case tupelov1.Result_RESULT_CONDITIONAL:
		info.Result = v1.CaveatEvalInfo_RESULT_MISSING_SOME_CONTEXT
		info.PartialCaveatInfo = &v1.PartialCaveatInfo{MissingRequiredContext: step.GetMissingContext()}
	case tupelov1.Result_RESULT_YES:
		info.Result = v1.CaveatEvalInfo_RESULT_TRUE
	default:
		info.Result = v1.CaveatEvalInfo_RESULT_FALSE
	}
	f := c.below(step, step.GetResult())
	switch {
	case step.GetResult() == tupelov1.Result_RESULT_CONDITIONAL: // perhaps by the tuple that led here
		f = c.userset(step, step.GetResult())
	case len(f.names) == 0:
		return nil
	}
	info.Expression = cmp.Or(f.text, "…") // of what the explanation shows elsewhere or not at all
	if len(f.names) == 1 {
		info.CaveatName = f.names[0]
	}
	info.Context = c.values(f)
	return info
}

// values are those that the caveats of a formula took: what a single tuple fixes,
// and else what the request gives. Several tuples may fix several values for one
// name; they are shown with the usersets that have the tuples.
func (c *checkTrace) values(f formula) *structpb.Struct {
	taken := make(map[string]*structpb.Value)
	for _, name := range f.names {
		for _, p := range c.caveats[name].Params {
			if v, ok := c.given.GetFields()[p.Name]; ok {
				taken[p.Name] = v
			}
		}
	}
	if f.tuples == 1 {
		for name, v := range f.fixed.GetFields() {
			taken[name] = v
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return &structpb.Struct{Fields: taken}
}

// formula is what the caveats of some tuples say together.
type formula struct {
	text   string
	names  []string // of the caveats, sorted, each once
	tuples int
	fixed  *structpb.Struct // the values that the tuple fixes, if it is one
}

// maxFormulaBytes bounds the text of a formula: what is shown above in an
// explanation is spelled out again.
const maxFormulaBytes = 4 << 10

// join puts formulas together, those that there are.
func join(operator string, parts ...formula) formula {
	parts = slices.DeleteFunc(parts, func(f formula) bool { return f.text == "" })
	if len(parts) == 0 {
		return formula{}
	}
	if len(parts) == 1 {
		return parts[0]
	}
	joined := formula{}
	texts := make([]string, len(parts))
	for i, f := range parts {
		texts[i] = "(" + f.text + ")"
		joined.names = append(joined.names, f.names...)
		joined.tuples += f.tuples
	}
	slices.Sort(joined.names)
	joined.names = slices.Compact(joined.names)
	if joined.text = strings.Join(texts, operator); len(joined.text) > maxFormulaBytes {
		joined.text = "…"
	}
	return joined
}

// below is the formula of what is below a step and decided by being want.
func (c *checkTrace) below(step *tupelov1.ExplanationStep, want tupelov1.Result) formula {
	operator := " || "
	switch step.GetKind() {
	case tupelov1.ExplanationStep_KIND_TUPLE:
		if step.GetResult() == want {
			return c.ofTuple(step.GetTuple())
		}
		return formula{}
	case tupelov1.ExplanationStep_KIND_EXCLUSION:
		return c.exclusion(step, want)
	case tupelov1.ExplanationStep_KIND_INTERSECTION, tupelov1.ExplanationStep_KIND_TUPLE_TO_USERSET_ALL:
		operator = " && "
	}
	parts := make([]formula, 0, len(step.GetChildren()))
	for _, child := range step.GetChildren() {
		if child.Kind == tupelov1.ExplanationStep_KIND_USERSET {
			parts = append(parts, c.userset(child, want))
		} else {
			parts = append(parts, c.below(child, want))
		}
	}
	return join(operator, parts...)
}

// exclusion is the formula of an exclusion, whose second operand counts against it.
func (c *checkTrace) exclusion(step *tupelov1.ExplanationStep, want tupelov1.Result) formula {
	against := want
	switch want {
	case tupelov1.Result_RESULT_YES:
		against = tupelov1.Result_RESULT_NO
	case tupelov1.Result_RESULT_NO:
		against = tupelov1.Result_RESULT_YES
	}
	var parts []formula
	for i, child := range step.GetChildren() {
		operand := &tupelov1.ExplanationStep{Children: []*tupelov1.ExplanationStep{child}}
		if i == 0 {
			parts = append(parts, c.below(operand, want))
			continue
		}
		f := c.below(operand, against)
		if f.text != "" {
			f.text = "!(" + f.text + ")"
		}
		parts = append(parts, f)
	}
	return join(" && ", parts...)
}

// userset is the formula of a userset below: that of the tuple by which it was
// reached, and if it is conditional its own.
func (c *checkTrace) userset(step *tupelov1.ExplanationStep, want tupelov1.Result) formula {
	if step.Result != want {
		return formula{}
	}
	var parts []formula
	if step.Tuple != nil && step.TupleResult == want {
		parts = append(parts, c.ofTuple(step.Tuple))
	}
	if want == tupelov1.Result_RESULT_CONDITIONAL {
		parts = append(parts, c.own(step))
	}
	return join(" && ", parts...)
}

// own is the formula of a conditional userset itself.
func (c *checkTrace) own(step *tupelov1.ExplanationStep) formula {
	name := step.Object.GetType() + ":" + step.Object.GetId() + "#" + step.Relation
	if len(step.Children) == 0 {
		return c.named[name] // in a circle none: that adds nothing
	}
	f, known := c.formulas[step]
	if !known {
		f = c.below(step, step.Result)
		c.formulas[step], c.named[name] = f, f
	}
	return f
}

// ofTuple is the formula of a tuple, if it has a caveat.
func (c *checkTrace) ofTuple(t *tupelov1.Tuple) formula {
	caveat := c.caveats[t.GetCaveat().GetName()]
	if caveat == nil {
		return formula{}
	}
	return formula{
		text: cmp.Or(strings.TrimSpace(caveat.Expression), "true"), names: []string{caveat.Name},
		tuples: 1, fixed: t.Caveat.Context,
	}
}
