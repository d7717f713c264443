package api

import (
	"context"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
)

// ListRelations answers what a subject has on an object.
func (s *Server) ListRelations(ctx context.Context, r *tupelov1.ListRelationsRequest) (*tupelov1.ListRelationsResponse, error) {
	if err := validateObject(r.Object); err != nil {
		return nil, within("object", err)
	}
	if err := validateAsker(r.Subject); err != nil {
		return nil, err
	}
	given, err := s.given(r.Context)
	if err != nil {
		return nil, err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer v.close()
	typ, err := v.model.typeNamed("object.type", r.Object.Type)
	if err != nil {
		return nil, err
	}
	subject, err := v.model.subject(r.Subject)
	if err != nil {
		return nil, within("subject", err)
	}
	t := v.model.program.Types[typ]
	questions := make([]rewrite.Question, t.SlotCount)
	for i := range questions {
		questions[i] = rewrite.Question{Slot: t.FirstSlot + int32(i), ObjectID: readOnlyBytes(r.Object.Id), Subject: subject, Given: given}
	}
	answers := make([]rewrite.Answer, len(questions))
	if err := v.model.engine.BatchCheck(ctx, v.snapshot, questions, answers); err != nil {
		return nil, err
	}
	response := &tupelov1.ListRelationsResponse{Zookie: v.zookie}
	for i, a := range answers {
		s.metrics.evaluated(1, a.Cost)
		if a.Err != nil {
			return nil, a.Err
		}
		if slot := v.model.program.Slots[questions[i].Slot]; a.Verdict != rewrite.No {
			response.Relations = append(response.Relations, &tupelov1.ListedRelation{
				Name: slot.Name, Permission: slot.Permission, Result: resultOf(a.Verdict), MissingContext: a.Missing,
			})
		}
	}
	return response, nil
}
