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

// WriteSchema replaces the schema.
func (s schemas) WriteSchema(ctx context.Context, r *v1.WriteSchemaRequest) (*v1.WriteSchemaResponse, error) {
	answer, err := s.native.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: r.Schema})
	if err != nil {
		return nil, schemaRefused(err, r.Schema)
	}
	return &v1.WriteSchemaResponse{WrittenAt: token(answer.Zookie)}, nil
}

// ReadSchema returns the newest schema, as it was written.
func (s schemas) ReadSchema(ctx context.Context, _ *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	newest := &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
	answer, err := s.native.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest})
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
	tree, err := schema.Parse("", answer.Text)
	if err != nil {
		return nil, "", fmt.Errorf("reading the stored schema: %w", err)
	}
	return tree, answer.Zookie, nil
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
		"source_code":           p.Line[from:min(end, len(p.Line))],
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
	schema.ArrowToNothing:       {definition: "definition_name", member: "permission_name", name: "relation_or_permission_name"},
	schema.CircularPermission:   {definition: "definition_name", name: "permission_names"},
	schema.IncompleteAnnotation: {definition: "definition_name", name: "permission_name"},
	schema.UnusedParameter:      {definition: "caveat_name", name: "parameter_name"},
}

func aboutTold(a schema.About) map[string]string {
	called := aboutNames[a.Kind]
	metadata := make(map[string]string)
	for _, told := range [][2]string{{called.definition, a.Definition}, {called.member, a.Member}, {called.name, a.Name}} {
		if told[0] != "" {
			metadata[told[0]] = told[1]
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
