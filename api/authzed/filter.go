package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// This file turns what selects relationships into what selects tuples. The names
// in it are looked up by the native handlers.

// filter turns a filter that must be there, and select less than everything, into
// the native one.
func filter(f *v1.RelationshipFilter) (*tupelov1.Filter, error) {
	if err := refuseFilter(f); err != nil {
		return nil, err
	}
	native := &tupelov1.Filter{
		ObjectType: f.ResourceType, ObjectId: f.OptionalResourceId, ObjectIdPrefix: f.OptionalResourceIdPrefix,
		Relation: f.OptionalRelation,
	}
	if s := f.OptionalSubjectFilter; s != nil {
		native.SubjectType, native.SubjectId = s.SubjectType, s.OptionalSubjectId
		if s.OptionalRelation != nil {
			native.SubjectRelation = &s.OptionalRelation.Relation
		}
	}
	return native, nil
}

// refuseFilter refuses the filters that this protocol does not allow and the native
// one does.
func refuseFilter(f *v1.RelationshipFilter) error {
	s := f.GetOptionalSubjectFilter()
	switch {
	case f == nil:
		return refuse(invalid, nil, "a relationship filter is required")
	case hasUnknownFields(f, s, s.GetOptionalRelation()):
		return refuse(invalid, nil, "the relationship filter has fields that this server does not know")
	case f.OptionalResourceId != "" && f.OptionalResourceIdPrefix != "":
		return refuse(badFilter, aboutFilter(f), "the relationship filter is not valid: it has both a resource id and a prefix of resource ids")
	case s != nil && s.SubjectType == "":
		return refuse(invalid, nil, "the subject filter needs a subject type")
	case s.GetOptionalSubjectId() == wildcardID && s.GetOptionalRelation().GetRelation() != "":
		return refuse(invalid, nil, "a subject filter for wildcards cannot have a relation")
	case s == nil && f.ResourceType+f.OptionalResourceId+f.OptionalResourceIdPrefix+f.OptionalRelation == "":
		return refuse(badFilter, aboutFilter(f), "the relationship filter is not valid: it needs at least one field")
	}
	return nil
}

func aboutFilter(f *v1.RelationshipFilter) map[string]string {
	return map[string]string{"filter": f.String()}
}

// wildcardID is the id of the subject that stands for every object of a type.
const wildcardID = "*"

// hasUnknownFields tells whether a message, nil or not, has fields that came with a
// newer version of the protocol. They might narrow what is asked for.
func hasUnknownFields(messages ...proto.Message) bool {
	for _, m := range messages {
		if len(m.ProtoReflect().GetUnknown()) > 0 {
			return true
		}
	}
	return false
}

// filterFault tells of an error of a native handler that may be about a filter. A
// permission in one is told as SpiceDB does when it is to read by it: to write to a
// permission is something else.
func filterFault(err error) error {
	e := api.Described(err)
	if e.Reason != tupelov1.ErrorReason_ERROR_REASON_NOT_A_RELATION {
		return err
	}
	return retell(err, mistypedSchema, tellings[e.Reason].metadata(e))
}

// maxPreconditions is how many preconditions a request may have.
const maxPreconditions = 1000

var conditions = map[v1.Precondition_Operation]tupelov1.Precondition_Condition{
	v1.Precondition_OPERATION_MUST_MATCH:     tupelov1.Precondition_CONDITION_MUST_MATCH,
	v1.Precondition_OPERATION_MUST_NOT_MATCH: tupelov1.Precondition_CONDITION_MUST_NOT_MATCH,
}

// preconditions turns preconditions into the native ones.
func preconditions(list []*v1.Precondition) ([]*tupelov1.Precondition, error) {
	if len(list) > maxPreconditions {
		// The second name is SpiceDB's.
		return nil, refuse(tooManyPreconditions, counts("precondition_count", len(list), "maximum_updates_allowed", maxPreconditions),
			"the request has %d preconditions, %d are allowed", len(list), maxPreconditions)
	}
	native := make([]*tupelov1.Precondition, len(list))
	for i, p := range list {
		if p.GetFilter() == nil {
			return nil, refuse(emptyPrecondition, nil, "precondition %d is empty", i)
		}
		f, err := filter(p.Filter)
		if err != nil {
			return nil, err
		}
		native[i] = &tupelov1.Precondition{Condition: conditions[p.Operation], Filter: f}
	}
	return native, nil
}

// unmet tells of the precondition that a write fails for.
func unmet(err error, p *v1.Precondition) error {
	about := map[string]string{"precondition_operation": p.Operation.String()}
	addFilter(about, "precondition_", p.Filter)
	return retell(err, unmetPrecondition, about)
}

// addFilter spells the parts of a filter into metadata.
func addFilter(metadata map[string]string, prefix string, f *v1.RelationshipFilter) {
	s := f.GetOptionalSubjectFilter()
	for _, part := range []struct{ name, value string }{
		{"resource_type", f.GetResourceType()},
		{"resource_id", f.GetOptionalResourceId()},
		{"resource_id_prefix", f.GetOptionalResourceIdPrefix()},
		{"relation", f.GetOptionalRelation()},
		{"subject_type", s.GetSubjectType()},
		{"subject_id", s.GetOptionalSubjectId()},
	} {
		if part.value != "" {
			metadata[prefix+part.name] = part.value
		}
	}
	if s.GetOptionalRelation() != nil {
		metadata[prefix+"subject_relation"] = s.OptionalRelation.Relation
	}
}
