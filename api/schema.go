package api

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// ReadSchema returns the schema.
func (s *Server) ReadSchema(ctx context.Context, r *tupelov1.ReadSchemaRequest) (*tupelov1.ReadSchemaResponse, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	snapshot, zookie, err := s.openSnapshot(ctx, r.Consistency)
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	stored, err := snapshot.Schema()
	if err != nil {
		return nil, s.expired(f, err)
	}
	return &tupelov1.ReadSchemaResponse{Text: stored.Text, WrittenAt: f.zookie(stored.Revision), Zookie: zookie}, nil
}

// WriteSchema replaces the schema.
func (s *Server) WriteSchema(ctx context.Context, r *tupelov1.WriteSchemaRequest) (*tupelov1.WriteSchemaResponse, error) {
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	if err := validateKey(r.IdempotencyKey); err != nil {
		return nil, err
	}
	tree, err := schema.Load("", r.Text)
	if err != nil {
		return nil, schemaFault(err)
	}
	definitions := definitionsOf(tree)
	if err := rehearse(tree, definitions); err != nil {
		return nil, err
	}
	command := store.WriteSchema{Text: r.Text, Definitions: definitions, Caveats: caveatsOf(tree)}
	return atLeader(ctx, s, leaderCall[*tupelov1.WriteSchemaResponse]{
		method: "WriteSchema", limit: s.waitLimit, once: r.IdempotencyKey != "",
		here: func(ctx context.Context) (*tupelov1.WriteSchemaResponse, error) {
			return s.writeSchemaHere(ctx, r.IdempotencyKey, command)
		},
		there: func(ctx context.Context, leader grpc.ClientConnInterface) (*tupelov1.WriteSchemaResponse, error) {
			return tupelov1.NewTupeloClient(leader).WriteSchema(ctx, r)
		},
	})
}

// writeSchemaHere proposes a schema that compiles.
func (s *Server) writeSchemaHere(ctx context.Context, key string, command store.WriteSchema) (*tupelov1.WriteSchemaResponse, error) {
	f, err := s.identify(ctx)
	if err != nil {
		return nil, err
	}
	if command.Key, err = s.commandKey(key); err != nil {
		return nil, err
	}
	command.UnixMillis = s.now().UnixMilli()
	result, err := s.propose(ctx, command)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		return nil, strandedFault(result.Err)
	}
	return &tupelov1.WriteSchemaResponse{Zookie: s.zookie(f, result.Revision)}, nil
}

// definitionsOf returns what the store must know of a schema.
func definitionsOf(tree *schema.Schema) []store.Definition {
	list := make([]store.Definition, len(tree.Definitions))
	for i, d := range tree.Definitions {
		list[i].Type = d.Name
		for _, member := range d.Members {
			list[i].Relations = append(list[i].Relations, member.MemberName())
			relation, ok := member.(*schema.Relation)
			if !ok {
				continue
			}
			for _, t := range relation.Types {
				list[i].Allowed = append(list[i].Allowed, store.Allowed{
					Relation: relation.Name, SubjectType: t.Type, SubjectRelation: t.Relation, Wildcard: t.Wildcard,
					Caveat: t.Caveat, Expires: t.Expiration,
				})
			}
		}
	}
	return list
}

func caveatsOf(tree *schema.Schema) []string {
	names := make([]string, len(tree.Caveats))
	for i, c := range tree.Caveats {
		names[i] = c.Name
	}
	return names
}

// rehearse compiles a schema as every replica will once it is stored: what
// cannot be compiled must not get there, or no request could be answered again.
func rehearse(tree *schema.Schema, definitions []store.Definition) error {
	names, err := intern(&tuple.Names{}, tree, definitions)
	if err != nil {
		return err
	}
	_, err = schema.Compile(tree, names)
	return err
}

// intern returns a table that also has the names of a schema, with the numbers
// that the apply would give them.
func intern(names *tuple.Names, tree *schema.Schema, definitions []store.Definition) (*tuple.Names, error) {
	for _, d := range definitions {
		var err error
		if names, _, err = names.Intern(d.Type, d.Relations); err != nil {
			return nil, err
		}
	}
	for _, name := range caveatsOf(tree) {
		var err error
		if names, _, err = names.InternCaveat(name); err != nil {
			return nil, err
		}
	}
	return names, nil
}

// schemaFault turns the problems of a schema's text into faults of the field.
func schemaFault(err error) error {
	var bad *schema.Errors
	if !errors.As(err, &bad) {
		return err
	}
	e := &Error{Reason: tupelov1.ErrorReason_ERROR_REASON_INVALID_SCHEMA, Message: bad.Error(), cause: err}
	for i := range bad.Problems {
		e.Fields = append(e.Fields, FieldFault{"text", bad.Problems[i].String()})
	}
	return e
}

// maxStrandedShown bounds the list in an error.
const maxStrandedShown = 20

// strandedFault lists the tuples that a schema would strand.
func strandedFault(err error) error {
	var stranded *store.StrandedError
	if !errors.As(err, &stranded) {
		return err
	}
	e := &Error{
		Reason:  tupelov1.ErrorReason_ERROR_REASON_STRANDED_TUPLES,
		Message: "the schema does not allow tuples that are stored; delete them first:",
		Fields:  []FieldFault{{"text", "it does not allow tuples that are stored"}},
		cause:   err,
	}
	for i, st := range stranded.Stranded {
		if i == maxStrandedShown {
			e.Message += fmt.Sprintf("\n  and %d more kinds", len(stranded.Stranded)-i)
			break
		}
		e.Message += fmt.Sprintf("\n  %d of %s", st.Count, st.Text)
		e.Unmet = append(e.Unmet, Unmet{st.Text, fmt.Sprintf("%d stored", st.Count)})
	}
	return e
}
