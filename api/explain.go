package api

import (
	"context"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// explain answers a check with the reasons for the answer.
func (s *Server) explain(ctx context.Context, v view, q rewrite.Question) (*tupelov1.CheckResponse, error) {
	explanation, result, err := s.explanation(ctx, side{v.model, v.snapshot, v.snapshot.Names()}, q)
	if err != nil {
		return nil, err
	}
	return &tupelov1.CheckResponse{
		Result: resultOf(result.Verdict), Zookie: v.zookie, MissingContext: result.Missing, Explanation: explanation,
	}, nil
}

// explanation answers a question under a schema, with the reasons for the answer.
func (s *Server) explanation(ctx context.Context, under side, q rewrite.Question) (*tupelov1.Explanation, rewrite.Result, error) {
	found, err := under.model.engine.Explain(ctx, under.reader, q, rewrite.ExplainOptions{Clock: s.now})
	if err != nil {
		return nil, rewrite.Result{}, err
	}
	s.metrics.evaluated(1, found.Cost)
	explanation := &tupelov1.Explanation{}
	if explanation.Root, err = stepMessage(under.names, found.Root); err != nil {
		return nil, rewrite.Result{}, err
	}
	for _, remedy := range found.Remedies {
		message := &tupelov1.Remedy{}
		if message.Add, err = tupleMessages(under.names, remedy.Add); err != nil {
			return nil, rewrite.Result{}, err
		}
		if message.Remove, err = tupleMessages(under.names, remedy.Remove); err != nil {
			return nil, rewrite.Result{}, err
		}
		explanation.Remedies = append(explanation.Remedies, message)
	}
	return explanation, found.Result, nil
}

var stepKinds = map[rewrite.StepKind]tupelov1.ExplanationStep_Kind{
	rewrite.UsersetStep:      tupelov1.ExplanationStep_KIND_USERSET,
	rewrite.TupleStep:        tupelov1.ExplanationStep_KIND_TUPLE,
	rewrite.StoredStep:       tupelov1.ExplanationStep_KIND_THIS,
	rewrite.ArrowStep:        tupelov1.ExplanationStep_KIND_TUPLE_TO_USERSET,
	rewrite.EveryArrowStep:   tupelov1.ExplanationStep_KIND_TUPLE_TO_USERSET_ALL,
	rewrite.UnionStep:        tupelov1.ExplanationStep_KIND_UNION,
	rewrite.IntersectionStep: tupelov1.ExplanationStep_KIND_INTERSECTION,
	rewrite.ExclusionStep:    tupelov1.ExplanationStep_KIND_EXCLUSION,
	rewrite.NothingStep:      tupelov1.ExplanationStep_KIND_NIL,
	rewrite.SelfStep:         tupelov1.ExplanationStep_KIND_SELF,
}

var stepNotes = map[rewrite.StepNote]tupelov1.ExplanationStep_Note{
	rewrite.NoNote:       tupelov1.ExplanationStep_NOTE_UNSPECIFIED,
	rewrite.ShownAbove:   tupelov1.ExplanationStep_NOTE_SHOWN_ABOVE,
	rewrite.InCircle:     tupelov1.ExplanationStep_NOTE_IN_CIRCLE,
	rewrite.OutOfReach:   tupelov1.ExplanationStep_NOTE_OUT_OF_REACH,
	rewrite.BeyondLimits: tupelov1.ExplanationStep_NOTE_BEYOND_LIMITS,
	rewrite.Paradoxical:  tupelov1.ExplanationStep_NOTE_PARADOXICAL,
	rewrite.Unexplained:  tupelov1.ExplanationStep_NOTE_UNEXPLAINED,
	rewrite.NotDecisive:  tupelov1.ExplanationStep_NOTE_NOT_DECISIVE,
	rewrite.Failed:       tupelov1.ExplanationStep_NOTE_FAILED,
}

// stepMessage spells a step, and those below it, with names.
func stepMessage(names *tuple.Names, step *rewrite.Step) (*tupelov1.ExplanationStep, error) {
	message := &tupelov1.ExplanationStep{
		Kind: stepKinds[step.Kind], Note: stepNotes[step.Note],
		Result: resultOf(step.Verdict), MissingContext: step.Missing,
		Relation: names.RelationName(step.Object.Type, step.Relation),
		Target:   names.RelationName(step.Target.Type, step.Target.Relation),
		Reads:    int32(step.Reads), Elapsed: durationpb.New(step.Elapsed), Omitted: int32(step.Omitted),
	}
	if step.Object.Type != 0 {
		message.Object = &tupelov1.Object{Type: names.TypeName(step.Object.Type), Id: string(step.Object.ID)}
	}
	if step.Tuple != nil {
		spelled, err := tupleMessages(names, []tuple.Tuple{*step.Tuple})
		if err != nil {
			return nil, err
		}
		message.Tuple = spelled[0]
	}
	if step.Tuple != nil && step.Kind == rewrite.UsersetStep {
		message.TupleResult = resultOf(step.Counts)
	}
	for _, child := range step.Children {
		m, err := stepMessage(names, child)
		if err != nil {
			return nil, err
		}
		message.Children = append(message.Children, m)
	}
	return message, nil
}
