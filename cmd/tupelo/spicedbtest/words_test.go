package spicedbtest

import (
	"context"
	"strings"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// object reads "type:id".
func object(text string) *v1.ObjectReference {
	kind, id, _ := strings.Cut(text, ":")
	return &v1.ObjectReference{ObjectType: kind, ObjectId: id}
}

// subject reads "type:id" and "type:id#relation".
func subject(text string) *v1.SubjectReference {
	of, relation, _ := strings.Cut(text, "#")
	return &v1.SubjectReference{Object: object(of), OptionalRelation: relation}
}

// rel reads "type:id#relation@subject", with "[caveat]", "[caveat:{…}]" and
// "[expiration:…]" behind it.
func rel(text string) *v1.Relationship {
	text, traits, _ := strings.Cut(text, "[")
	resource, rest, _ := strings.Cut(text, "#")
	relation, of, _ := strings.Cut(rest, "@")
	r := &v1.Relationship{Resource: object(resource), Relation: relation, Subject: subject(of)}
	for trait := range strings.SplitSeq(strings.TrimSuffix(traits, "]"), "][") {
		name, value, _ := strings.Cut(trait, ":")
		switch {
		case name == "expiration":
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil {
				panic(err)
			}
			r.OptionalExpiresAt = timestamppb.New(at)
		case name != "":
			r.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: name, Context: values(value)}
		}
	}
	return r
}

// values reads JSON; "" is none.
func values(text string) *structpb.Struct {
	if text == "" {
		return nil
	}
	return parsed(text, &structpb.Struct{})
}

// parsed reads a message that the test spells in JSON.
func parsed[M proto.Message](text string, m M) M {
	if err := protojson.Unmarshal([]byte(text), m); err != nil {
		panic(err)
	}
	return m
}

// rels reads a relationship a line.
func rels(text string) (all []*v1.Relationship) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, rel(line))
		}
	}
	return all
}

// updates are the same operation on each.
func updates(operation v1.RelationshipUpdate_Operation, all ...*v1.Relationship) (list []*v1.RelationshipUpdate) {
	for _, r := range all {
		list = append(list, &v1.RelationshipUpdate{Operation: operation, Relationship: r})
	}
	return list
}

const (
	create = v1.RelationshipUpdate_OPERATION_CREATE
	touch  = v1.RelationshipUpdate_OPERATION_TOUCH
	remove = v1.RelationshipUpdate_OPERATION_DELETE
)

func full() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
}

func exactly(token *v1.ZedToken) *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: token}}
}

// given writes a schema and relationships that both must take.
func (s *side) given(schema, relationships string) *v1.ZedToken {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	if _, err := s.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: schema}); err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
	return s.wrote(updates(touch, rels(relationships)...)...)
}

// wrote writes what both must take.
func (s *side) wrote(all ...*v1.RelationshipUpdate) *v1.ZedToken {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	written, err := s.WriteRelationships(ctx, &v1.WriteRelationshipsRequest{Updates: all})
	if err != nil {
		s.t.Fatalf("%s: %v", s.name, err)
	}
	return written.WrittenAt
}
