package authzed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

// newest asks for what holds now.
func newest() *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
}

// WriteSchema replaces the schema.
func (s schemas) WriteSchema(ctx context.Context, r *v1.WriteSchemaRequest) (*v1.WriteSchemaResponse, error) {
	if err := s.keepsParameters(ctx, r.Schema); err != nil {
		return nil, err
	}
	answer, err := s.native.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: r.Schema})
	if err != nil {
		return nil, schemaRefused(err, r.Schema)
	}
	return &v1.WriteSchemaResponse{WrittenAt: token(answer.Zookie)}, nil
}

// keepsParameters refuses a text whose caveats lack parameters that they have now, or
// have them with other types: contexts that are stored have values for them. The
// native call takes such a text, and checks that come to one of these contexts fail.
// Two that write schemas at the same time may pass each other here.
func (s schemas) keepsParameters(ctx context.Context, text string) error {
	tree, err := schema.Load("", text)
	if err != nil || len(tree.Caveats) == 0 {
		return nil // the native call says what is wrong with a text
	}
	stored, err := s.native.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		if reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA {
			return nil
		}
		return err
	}
	before, err := storedTree(stored.Text)
	if err != nil {
		return err
	}
	for _, now := range tree.Caveats {
		if was, ok := before.Caveat(now.Name); ok {
			if err := keepsParametersOf(was, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func keepsParametersOf(was, now *schema.Caveat) error {
	for _, p := range was.Params {
		about := map[string]string{"caveat_name": was.Name, "parameter_name": p.Name}
		switch kept := parameter(now, p.Name); {
		case kept == nil:
			about["operation"] = "remove_parameter"
			return refuse(strandingSchema, about, "caveat `%s` must keep its parameter `%s`", was.Name, p.Name)
		case kept.Type.String() != p.Type.String():
			about["operation"] = "change_parameter_type"
			return refuse(strandingSchema, about, "parameter `%s` of caveat `%s` must stay %s", p.Name, was.Name, p.Type)
		}
	}
	return nil
}

// ReadSchema returns the newest schema, as it was written.
func (s schemas) ReadSchema(ctx context.Context, _ *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	answer, err := s.native.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		return nil, schemaAbsent(err)
	}
	if strings.TrimSpace(answer.Text) == "" {
		return nil, noSchema()
	}
	return &v1.ReadSchemaResponse{SchemaText: answer.Text, ReadAt: token(answer.Zookie)}, nil
}

// schemaAt returns the schema of a revision as a tree, and the revision's zookie.
func (a *adapter) schemaAt(ctx context.Context, c *v1.Consistency) (*schema.Schema, string, error) {
	answer, err := a.native.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: consistency(c)})
	if err != nil {
		return nil, "", schemaAbsent(err)
	}
	tree, err := storedTree(answer.Text)
	return tree, answer.Zookie, err
}

func storedTree(text string) (*schema.Schema, error) {
	tree, err := schema.Parse("", text)
	if err != nil {
		return nil, fmt.Errorf("reading the stored schema: %w", err)
	}
	return tree, nil
}

// schemaAbsent tells that there is no schema, if that is what the error says, in
// the way of the calls that are about the schema.
func schemaAbsent(err error) error {
	if reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA {
		return noSchema()
	}
	return err
}

func noSchema() error {
	return refuse(absent, nil, "no schema has been written yet; WriteSchema writes one")
}

// schemaRefused tells why a schema's text was refused, if that is what the error is of.
func schemaRefused(err error, text string) error {
	var problems *schema.Errors
	switch {
	case errors.As(err, &problems):
		v, metadata := problemsTold(problems)
		return retell(err, v, metadata)
	case reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_STRANDED_TUPLES:
		return retell(err, strandingSchema, strandingTold(api.Described(err), text))
	}
	return err
}

// problemsTold returns how the problems of a schema's text are told: a text that is no
// schema by the place of the first reason for that, any other by what it has wrong first.
func problemsTold(problems *schema.Errors) (verdict, map[string]string) {
	for i := range problems.Problems {
		if p := &problems.Problems[i]; p.Kind == schema.Malformed {
			return unparsableSchema, placeTold(p)
		}
	}
	return mistypedSchema, aboutTold(problems.Problems[0].About)
}

// maxWordBytes bounds what is told of a schema's own words, which may have any length.
const maxWordBytes = 256

// placeTold says where a problem is. Places count from 0 here, and end with what
// they hold last.
func placeTold(p *schema.Problem) map[string]string {
	if p.Pos.Line == 0 {
		return nil
	}
	start := p.Pos.Column - 1
	from := min(start, len(p.Line))
	end := start + max(p.LengthBytes, 1)
	return map[string]string{
		"start_line_number":     strconv.Itoa(p.Pos.Line - 1),
		"start_column_position": strconv.Itoa(start),
		"end_line_number":       strconv.Itoa(p.Pos.Line - 1),
		"end_column_position":   strconv.Itoa(end - 1),
		"source_code":           shortened(p.Line[from:min(end, len(p.Line))], maxWordBytes),
	}
}

// aboutNames has, for the kinds of problems with what a schema means, what the
// definition, the member and the name at fault are called. What is called nothing is
// not told.
var aboutNames = map[schema.ProblemKind]struct{ definition, member, name string }{
	schema.UnknownType:          {name: "definition_name"},
	schema.UnknownMember:        {definition: "definition_name", name: "relation_or_permission_name"},
	schema.UnknownCaveat:        {name: "caveat_name"},
	schema.RepeatedMember:       {definition: "definition_name", name: "relation_or_permission_name"},
	schema.RepeatedRestriction:  {definition: "definition_name", member: "relation_name", name: "allowed_relation"},
	schema.MissingRestriction:   {definition: "definition_name", name: "relation_name"},
	schema.ArrowOverPermission:  {definition: "definition_name", member: "permission_name", name: "used_permission_name"},
	schema.ArrowOverWildcard:    {definition: "definition_name", member: "permission_name", name: "accessed_relation_name"},
	schema.CircularPermission:   {definition: "definition_name", name: "permission_names"},
	schema.IncompleteAnnotation: {}, // SpiceDB tells the reason alone
	schema.UnusedParameter:      {definition: "caveat_name", name: "parameter_name"},
}

func aboutTold(a schema.About) map[string]string {
	called := aboutNames[a.Kind]
	metadata := make(map[string]string)
	for _, told := range [][2]string{{called.definition, a.Definition}, {called.member, a.Member}, {called.name, a.Name}} {
		if told[0] != "" {
			metadata[told[0]] = shortened(told[1], maxWordBytes)
		}
	}
	return metadata
}

// strandingTold says what the schema of a text takes away although tuples need it: of
// all kinds of tuples that it strands, for the first.
func strandingTold(e *api.Error, text string) map[string]string {
	if len(e.Unmet) == 0 {
		return nil
	}
	userset, subject, _ := strings.Cut(e.Unmet[0].Subject, "@")
	typeName, relation, _ := strings.Cut(userset, "#")
	metadata := map[string]string{"resource_type": typeName, "operation": "delete_object_definition"}
	tree, err := schema.Parse("", text)
	if err != nil {
		return metadata // a text that strands tuples was read before
	}
	definition, ok := tree.Definition(typeName)
	if !ok {
		return metadata
	}
	metadata["relation"], metadata["operation"] = relation, "delete_relation"
	member, _ := definition.Member(relation)
	if _, ok := member.(*schema.Relation); ok {
		metadata["allowed_type"], metadata["operation"] = subject, "remove_allowed_type"
	}
	return metadata
}
