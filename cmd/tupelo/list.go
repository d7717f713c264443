package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newListCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the objects, subjects or relations for which check does not say no",
		Example: `  tupelo list objects repository read user:alice
  tupelo list subjects repository:gitclub read user
  tupelo list relations repository:gitclub user:alice`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("list: say what to list: objects, subjects or relations")
		},
	}
	cmd.AddCommand(
		newListObjectsCommand(t),
		newListSubjectsCommand(t),
		newListRelationsCommand(t),
	)
	return cmd
}

// entryHelp explains the lines of a list.
const entryHelp = `What depends on values that --context does not give has the word conditional before
it, and the names of the values behind.`

// pagesHelp explains how a list ends.
const pagesHelp = `Lines are printed as they come, in ascending order of the ids. Standard error tells
whether the list is complete, and the zookie; one that is not, because of --limit,
an interrupt or an error, goes on with the --cursor told there, at the same revision,
if all the other flags but --limit stay as they are.`

// listFlags are those of each list.
type listFlags struct {
	fresh consistency
	given contextFlag
}

func (f *listFlags) register(cmd *cobra.Command) {
	f.fresh.register(cmd)
	f.given.register(cmd.Flags())
}

func (f *listFlags) messages(t *terminal) (*tupelov1.Consistency, *structpb.Struct, error) {
	requirement, err := f.fresh.message()
	if err != nil {
		return nil, nil, err
	}
	given, err := f.given.message(t)
	return requirement, given, err
}

// pageFlags are those of the lists that come in pages.
type pageFlags struct {
	listFlags
	limit  int32
	cursor string
}

func (f *pageFlags) register(cmd *cobra.Command) {
	f.listFlags.register(cmd)
	cmd.Flags().Int32Var(&f.limit, "limit", 0, "most entries to list; 0 for all")
	cmd.Flags().StringVar(&f.cursor, "cursor", "", "go on where a list ended")
}

func (f *pageFlags) messages(t *terminal) (*tupelov1.Consistency, *structpb.Struct, error) {
	if f.limit < 0 {
		return nil, nil, usagef("--limit must not be negative")
	}
	return f.listFlags.messages(t)
}

func newListObjectsCommand(t *terminal) *cobra.Command {
	var f pageFlags
	cmd := &cobra.Command{
		Use:   "objects TYPE RELATION SUBJECT",
		Short: "List the objects that a subject has a relation or permission on",
		Long: `List the objects of a type that a subject has a relation or permission on: those for
which check does not say no. ` + entryHelp + `

` + pagesHelp,
		Example: `  tupelo list objects repository read user:alice
  tupelo list objects repository#read team:core#member --limit 100
  tupelo list objects repository read user:alice --context '{"day":"friday"}' --json`,
		Args: arguments(2, 3),
	}
	f.register(cmd)
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		request, err := objectsRequest(args)
		if err != nil {
			return err
		}
		if request.Consistency, request.Context, err = f.messages(t); err != nil {
			return err
		}
		request.Limit, request.Cursor = f.limit, f.cursor
		stream, err := c.ListObjects(ctx, request)
		if err != nil {
			return err
		}
		return followList(t, "object", func() (listPart, error) {
			message, err := stream.Recv()
			part := listPart{message: message, cursor: message.GetCursor(), zookie: message.GetZookie(), complete: message.GetComplete()}
			for _, o := range message.GetObjects() {
				part.add(request.ObjectType+":"+o.Id, o.Result, o.MissingContext)
			}
			return part, err
		})
	})
}

// objectsRequest reads TYPE RELATION SUBJECT, or TYPE#RELATION SUBJECT.
func objectsRequest(words []string) (*tupelov1.ListObjectsRequest, error) {
	last := len(words) - 1
	typeName, relation, ok := strings.Cut(strings.Join(words[:last], "#"), "#")
	if !ok && !strings.Contains(words[last], ":") {
		return nil, usagef("list objects: SUBJECT is missing behind %s: write TYPE RELATION SUBJECT, as in repository read user:alice", words[last])
	}
	if !ok || typeName == "" || relation == "" || strings.ContainsAny(typeName+relation, ":#@") {
		return nil, usagef("list objects: write TYPE RELATION SUBJECT, as in repository read user:alice")
	}
	subject, err := parseSubject(words[last])
	if err != nil {
		return nil, err
	}
	return &tupelov1.ListObjectsRequest{ObjectType: typeName, Relation: relation, Subject: subject}, nil
}

func newListSubjectsCommand(t *terminal) *cobra.Command {
	var f pageFlags
	cmd := &cobra.Command{
		Use:   "subjects OBJECT RELATION TYPE[#RELATION]",
		Short: "List the subjects that have a relation or permission on an object",
		Long: `List the subjects of a type, or its usersets, that have a relation or permission on
an object: those for which check does not say no. ` + entryHelp + `

If everybody has it, the first line is TYPE:*, which stands for all subjects that no
other line names. Those that it does not stand for follow with the word except before
them.

` + pagesHelp,
		Example: `  tupelo list subjects repository:gitclub read user
  tupelo list subjects repository:gitclub#read team#member
  tupelo list subjects run:42 cancel user --limit 100 --json`,
		Args: arguments(2, 3),
	}
	f.register(cmd)
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		request, err := subjectsRequest(args)
		if err != nil {
			return err
		}
		if request.Consistency, request.Context, err = f.messages(t); err != nil {
			return err
		}
		request.Limit, request.Cursor = f.limit, f.cursor
		stream, err := c.ListSubjects(ctx, request)
		if err != nil {
			return err
		}
		return followList(t, "subject", func() (listPart, error) {
			message, err := stream.Recv()
			part := listPart{message: message, cursor: message.GetCursor(), zookie: message.GetZookie(), complete: message.GetComplete()}
			for _, s := range message.GetSubjects() {
				text := subjectText(&tupelov1.Subject{Type: request.SubjectType, Id: s.Id, Relation: request.SubjectRelation})
				part.add(text, s.Result, s.MissingContext)
			}
			return part, err
		})
	})
}

// subjectsRequest reads OBJECT RELATION TYPE[#RELATION], or OBJECT#RELATION
// before the type.
func subjectsRequest(words []string) (*tupelov1.ListSubjectsRequest, error) {
	last := len(words) - 1
	if last == 1 && !strings.Contains(words[0], "#") {
		return nil, usagef("list subjects: TYPE or RELATION is missing beside %s: write OBJECT RELATION TYPE[#RELATION], as in run:42 cancel user", words[last])
	}
	object, relation, err := parseUserset(words[:last])
	if err != nil {
		return nil, err
	}
	typeName, subjectRelation, hasRelation := strings.Cut(words[last], "#")
	if subjectRelation == noRelation {
		subjectRelation, hasRelation = "", false
	}
	if typeName == "" || hasRelation && subjectRelation == "" || strings.ContainsAny(words[last], ":@") {
		return nil, usagef("list subjects: %q is not a type of subjects: write user, or team#member for usersets", words[last])
	}
	return &tupelov1.ListSubjectsRequest{
		Object: object, Relation: relation, SubjectType: typeName, SubjectRelation: subjectRelation,
	}, nil
}

func newListRelationsCommand(t *terminal) *cobra.Command {
	var f listFlags
	cmd := &cobra.Command{
		Use:   "relations OBJECT SUBJECT",
		Short: "List what a subject has on an object",
		Long: `List what a subject may do with an object: the relations and permissions of its type
for which check does not say no, in the order of the schema. ` + entryHelp + `

The zookie goes to standard error.`,
		Example: `  tupelo list relations repository:gitclub user:alice
  tupelo list relations run:42 team:core#member --json`,
		Args: arguments(2, 2),
	}
	f.register(cmd)
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		request, err := relationsRequest(args)
		if err != nil {
			return err
		}
		if request.Consistency, request.Context, err = f.messages(t); err != nil {
			return err
		}
		response, err := c.ListRelations(ctx, request)
		if err != nil {
			return err
		}
		if t.json {
			return t.message(response)
		}
		for _, r := range response.Relations {
			t.printf("%s\n", entryText(r.Name, r.Result, r.MissingContext))
		}
		if !t.quiet {
			t.notef("%s, zookie %s", plural(len(response.Relations), "relation"), response.Zookie)
		}
		return nil
	})
}

func relationsRequest(words []string) (*tupelov1.ListRelationsRequest, error) {
	object, err := parseSubject(words[0])
	if err != nil {
		return nil, err
	}
	if object.Relation != "" {
		return nil, usagef("list relations: %s is a userset; write OBJECT SUBJECT, as in run:42 user:alice", words[0])
	}
	subject, err := parseSubject(words[1])
	if err != nil {
		return nil, err
	}
	return &tupelov1.ListRelationsRequest{
		Object: &tupelov1.Object{Type: object.Type, Id: object.Id}, Subject: subject,
	}, nil
}
