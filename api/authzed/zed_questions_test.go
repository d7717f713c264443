package authzed

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// This file has zed's questions, and its printers: what they print here is less than
// what zed does, but they look at all that zed's do, and object where zed would end
// in a panic.

// check is `zed permission check --explain --schema`: the answer and the trace.
func (z *zed) check(ctx context.Context, text string) (answer, trace string, err error) {
	question := relationshipOf(text)
	response, err := z.CheckPermission(requestmeta.AddRequestHeaders(ctx, requestmeta.RequestDebugInformation), &v1.CheckPermissionRequest{
		Consistency: minimizedLatency(), Resource: question.Resource, Permission: question.Relation,
		Subject: question.Subject, WithTracing: true,
	})
	if err != nil {
		return "", "", err
	}
	answer, err = permissionshipText(response.Permissionship)
	if err != nil {
		return "", "", err
	}
	if answer == "caveated" {
		answer += " " + strings.Join(response.PartialCaveatInfo.MissingRequiredContext, ",")
	}
	if response.DebugTrace.GetCheck() == nil || response.DebugTrace.SchemaUsed == "" {
		return "", "", fmt.Errorf("no trace, or no schema: %v", response.DebugTrace)
	}
	var b strings.Builder
	err = printTrace(&b, response.DebugTrace.Check, "")
	return answer, b.String(), err
}

func permissionshipText(p v1.CheckPermissionResponse_Permissionship) (string, error) {
	switch p {
	case v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION:
		return "true", nil
	case v1.CheckPermissionResponse_PERMISSIONSHIP_NO_PERMISSION:
		return "false", nil
	case v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION:
		return "caveated", nil
	}
	return "", fmt.Errorf("unknown permissionship %v", p)
}

// printTrace prints a line for each step of a trace. Printers before zed v1 go to
// the caveat's evaluation of each conditional step without looking whether there is one.
func printTrace(b *strings.Builder, trace *v1.CheckDebugTrace, indent string) error {
	if trace.Resource == nil || trace.Subject.GetObject() == nil || trace.PermissionType == v1.CheckDebugTrace_PERMISSION_TYPE_UNSPECIFIED {
		return fmt.Errorf("a step cannot be printed: %v", trace)
	}
	mark := map[v1.CheckDebugTrace_Permissionship]string{
		v1.CheckDebugTrace_PERMISSIONSHIP_HAS_PERMISSION:         "yes",
		v1.CheckDebugTrace_PERMISSIONSHIP_NO_PERMISSION:          "no",
		v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION: "?",
	}[trace.Result]
	info := trace.CaveatEvaluationInfo
	switch {
	case mark == "":
		return fmt.Errorf("a step has the result %v", trace.Result)
	case mark == "?" && info == nil:
		return fmt.Errorf("a conditional step does not say of what: %v", trace)
	}
	fmt.Fprintf(b, "%s%s %s:%s %s\n", indent, mark, trace.Resource.ObjectType, trace.Resource.ObjectId, trace.Permission)
	if info != nil {
		if info.Result == v1.CaveatEvalInfo_RESULT_MISSING_SOME_CONTEXT && info.PartialCaveatInfo == nil {
			return fmt.Errorf("a caveat misses what it does not name: %v", info)
		}
		fmt.Fprintf(b, "%s  %s %q misses %q\n", indent, info.CaveatName, info.Expression, info.PartialCaveatInfo.GetMissingRequiredContext())
	}
	for _, inner := range trace.GetSubProblems().GetTraces() {
		if err := printTrace(b, inner, indent+"  "); err != nil {
			return err
		}
	}
	return nil
}

// bulk is `zed permission bulk`: a line for each question.
func (z *zed) bulk(ctx context.Context, texts ...string) (lines []string, err error) {
	r := &v1.CheckBulkPermissionsRequest{Consistency: minimizedLatency(), WithTracing: true}
	for _, text := range texts {
		question := relationshipOf(text)
		r.Items = append(r.Items, &v1.CheckBulkPermissionsRequestItem{
			Resource: question.Resource, Permission: question.Relation, Subject: question.Subject,
		})
	}
	answer, err := z.CheckBulkPermissions(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, pair := range answer.Pairs {
		q := pair.Request
		asked := textOf(&v1.Relationship{Resource: q.Resource, Relation: q.Permission, Subject: q.Subject})
		if e := pair.GetError(); e != nil {
			lines = append(lines, fmt.Sprintf("%s => error: %d", asked, e.Code))
			continue
		}
		answer, err := permissionshipText(pair.GetItem().GetPermissionship())
		if err != nil {
			return nil, err
		}
		if err := printTrace(&strings.Builder{}, pair.GetItem().DebugTrace.GetCheck(), ""); err != nil {
			return nil, err
		}
		lines = append(lines, asked+" => "+answer)
	}
	return lines, nil
}

// expand is `zed permission expand`: the tree as one line.
func (z *zed) expand(ctx context.Context, permission, resource string) (string, error) {
	answer, err := z.ExpandPermissionTree(ctx, &v1.ExpandPermissionTreeRequest{
		Consistency: minimizedLatency(), Resource: objectOf(resource), Permission: permission,
	})
	if err != nil {
		return "", err
	}
	return treeText(answer.TreeRoot)
}

func treeText(tree *v1.PermissionRelationshipTree) (string, error) {
	text := ""
	if tree.ExpandedObject != nil {
		text = fmt.Sprintf("%s:%s->%s ", tree.ExpandedObject.ObjectType, tree.ExpandedObject.ObjectId, tree.ExpandedRelation)
	}
	switch t := tree.TreeType.(type) {
	case *v1.PermissionRelationshipTree_Leaf:
		var users []string
		for _, s := range t.Leaf.Subjects {
			users = append(users, strings.TrimSuffix(fmt.Sprintf("%s:%s->%s", s.Object.ObjectType, s.Object.ObjectId, s.OptionalRelation), "->"))
		}
		return text + "{" + strings.Join(users, " ") + "}", nil
	case *v1.PermissionRelationshipTree_Intermediate:
		operation, known := map[v1.AlgebraicSubjectSet_Operation]string{
			v1.AlgebraicSubjectSet_OPERATION_UNION: "union", v1.AlgebraicSubjectSet_OPERATION_INTERSECTION: "intersection",
			v1.AlgebraicSubjectSet_OPERATION_EXCLUSION: "exclusion",
		}[t.Intermediate.Operation]
		if !known {
			return "", fmt.Errorf("unknown operation %v", t.Intermediate.Operation)
		}
		var children []string
		for _, child := range t.Intermediate.Children {
			inner, err := treeText(child)
			if err != nil {
				return "", err
			}
			children = append(children, inner)
		}
		return text + operation + "(" + strings.Join(children, ", ") + ")", nil
	}
	return "", errors.New("a node of the tree is neither a leaf nor has children")
}

// lookupResources is `zed permission lookup-resources`, page by page.
func (z *zed) lookupResources(ctx context.Context, typ, permission, user string, page uint32, cursor *v1.Cursor) (ids []string, last *v1.Cursor, err error) {
	user, relation, _ := strings.Cut(user, "#")
	for {
		stream, err := z.LookupResources(ctx, &v1.LookupResourcesRequest{
			Consistency: minimizedLatency(), ResourceObjectType: typ, Permission: permission,
			Subject:       &v1.SubjectReference{Object: objectOf(user), OptionalRelation: relation},
			OptionalLimit: page, OptionalCursor: cursor,
		})
		if err != nil {
			return nil, nil, err
		}
		n := uint32(0)
		err = eachOf(stream, func(m *v1.LookupResourcesResponse) {
			n++
			cursor = m.AfterResultCursor
			ids = append(ids, lookupText(m.ResourceObjectId, m.Permissionship, m.PartialCaveatInfo))
		})
		if err != nil || page == 0 || n < page {
			return ids, cursor, err
		}
	}
}

func lookupText(id string, p v1.LookupPermissionship, info *v1.PartialCaveatInfo) string {
	if p == v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION {
		return id + " if " + strings.Join(info.MissingRequiredContext, ",")
	}
	return id
}

// lookupSubjects is `zed permission lookup-subjects`.
func (z *zed) lookupSubjects(ctx context.Context, resource, permission, typ string) (ids []string, err error) {
	typ, relation, _ := strings.Cut(typ, "#")
	stream, err := z.LookupSubjects(ctx, &v1.LookupSubjectsRequest{
		Consistency: minimizedLatency(), Resource: objectOf(resource), Permission: permission,
		SubjectObjectType: typ, OptionalSubjectRelation: relation,
	})
	if err != nil {
		return nil, err
	}
	err = eachOf(stream, func(m *v1.LookupSubjectsResponse) {
		text := lookupText(m.Subject.SubjectObjectId, m.Subject.Permissionship, m.Subject.PartialCaveatInfo)
		for _, without := range m.ExcludedSubjects {
			text += " - " + lookupText(without.SubjectObjectId, without.Permissionship, without.PartialCaveatInfo)
		}
		ids = append(ids, text)
	})
	return ids, err
}

// watch is `zed relationship watch`: it hands each line to print, until ctx ends.
func (z *zed) watch(ctx context.Context, r *v1.WatchRequest, print func(line string)) error {
	r.OptionalUpdateKinds = []v1.WatchKind{v1.WatchKind_WATCH_KIND_INCLUDE_CHECKPOINTS, v1.WatchKind_WATCH_KIND_INCLUDE_SCHEMA_UPDATES}
	stream, err := z.Watch(ctx, r)
	if err != nil {
		return err
	}
	return eachOf(stream, func(m *v1.WatchResponse) {
		r.OptionalStartCursor = m.ChangesThrough // from where zed goes on if it is cut off
		if m.SchemaUpdated {
			print("SCHEMA UPDATED")
		}
		for _, u := range m.Updates {
			print(strings.TrimPrefix(u.Operation.String(), "OPERATION_") + " " + textOf(u.Relationship))
		}
	})
}
