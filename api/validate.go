package api

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// What one request may ask for. The numbers are part of the API: tupelo.proto
// names them.
const (
	maxUpdates       = 1000
	maxPreconditions = 1000
	maxBatchItems    = 1000
	maxReadLimit     = 1000
	defaultReadLimit = 100
	maxDeleteLimit   = 1000000
)

// maxNameBytes bounds the names of types and relations; which names exist is
// the schema's to say.
const maxNameBytes = 128

// This file holds a request to what is true whatever the store holds; the
// model (resolve.go) holds it to the schema. Paths of fields begin at the
// message that is validated; the caller puts its own before them.

func validateQuestion(o *tupelov1.Object, relation string, s *tupelov1.Subject) error {
	if err := validateObject(o); err != nil {
		return within("object", err)
	}
	if err := validateName("relation", relation, false); err != nil {
		return err
	}
	return validateAsker(s)
}

// validateAsker holds the subject of a question.
func validateAsker(s *tupelov1.Subject) error {
	if err := validateSubject(s); err != nil {
		return within("subject", err)
	}
	if s.Id == tuple.WildcardID {
		return fault(tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED, "subject.id",
			"a question is about one subject; %q is for tuples", tuple.WildcardID)
	}
	return nil
}

func validateObject(o *tupelov1.Object) error {
	if o == nil {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "", "an object is needed")
	}
	if err := validateName("type", o.Type, true); err != nil {
		return err
	}
	if o.Id == tuple.WildcardID {
		return fault(tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED, "id",
			"%q may only be the id of a subject", tuple.WildcardID)
	}
	return validateID("id", o.Id)
}

func validateSubject(s *tupelov1.Subject) error {
	if s == nil {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "", "a subject is needed")
	}
	if err := validateName("type", s.Type, true); err != nil {
		return err
	}
	if s.Id == tuple.WildcardID {
		if s.Relation != "" {
			return fault(tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED, "relation",
				"a subject with the id %q stands for objects and cannot have a relation", tuple.WildcardID)
		}
		return nil
	}
	if err := validateID("id", s.Id); err != nil {
		return err
	}
	if s.Relation == "" {
		return nil
	}
	return validateName("relation", s.Relation, false)
}

func validateTuple(t *tupelov1.Tuple) error {
	if t == nil {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "", "a tuple is needed")
	}
	if err := validateObject(t.Object); err != nil {
		return within("object", err)
	}
	if err := validateName("relation", t.Relation, false); err != nil {
		return err
	}
	if err := validateSubject(t.Subject); err != nil {
		return within("subject", err)
	}
	if err := validateTraits(t); err != nil {
		return err
	}
	return knownFieldsOnly(t, t.Object, t.Subject)
}

// validateFilter holds the parts of a filter that are given; an empty filter
// is for the caller to judge.
func validateFilter(f *tupelov1.Filter) error {
	if f == nil {
		return nil
	}
	for _, name := range []struct {
		field, value string
		slash        bool
	}{
		{"object_type", f.ObjectType, true},
		{"relation", f.Relation, false},
		{"subject_type", f.SubjectType, true},
		{"subject_relation", f.GetSubjectRelation(), false},
	} {
		if name.value == "" {
			continue
		}
		if err := validateName(name.field, name.value, name.slash); err != nil {
			return err
		}
	}
	if f.ObjectId == tuple.WildcardID {
		return fault(tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED, "object_id",
			"no object has the id %q; leave the field empty to select every object", tuple.WildcardID)
	}
	if f.ObjectId != "" {
		if err := validateID("object_id", f.ObjectId); err != nil {
			return err
		}
	}
	if err := validatePrefix(f); err != nil {
		return err
	}
	if f.SubjectId != "" && f.SubjectId != tuple.WildcardID {
		if err := validateID("subject_id", f.SubjectId); err != nil {
			return err
		}
	}
	return knownFieldsOnly(f)
}

// validatePrefix holds how an object's id is to begin.
func validatePrefix(f *tupelov1.Filter) error {
	if f.ObjectIdPrefix == "" {
		return nil
	}
	if f.ObjectId != "" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "object_id_prefix",
			"the filter names an object_id too; one of the two is possible")
	}
	return validateID("object_id_prefix", f.ObjectIdPrefix)
}

func validateFilterNotEmpty(f *tupelov1.Filter) error {
	if err := validateFilter(f); err != nil {
		return err
	}
	if filterOf(f).Empty() {
		return fault(tupelov1.ErrorReason_ERROR_REASON_EMPTY_FILTER, "", "it selects every tuple; name at least one part")
	}
	return nil
}

// filterOf turns a filter into the store's form.
func filterOf(f *tupelov1.Filter) tuple.Filter {
	return tuple.Filter{
		ObjectType:           f.GetObjectType(),
		ObjectID:             f.GetObjectId(),
		ObjectIDPrefix:       f.GetObjectIdPrefix(),
		Relation:             f.GetRelation(),
		SubjectType:          f.GetSubjectType(),
		SubjectID:            f.GetSubjectId(),
		SubjectRelation:      f.GetSubjectRelation(),
		MatchSubjectRelation: f != nil && f.SubjectRelation != nil,
	}
}

func validatePreconditions(list []*tupelov1.Precondition) error {
	if err := validateCount("preconditions", len(list), 0, maxPreconditions); err != nil {
		return err
	}
	for i, p := range list {
		if err := validatePrecondition(p); err != nil {
			return within(fmt.Sprintf("preconditions[%d]", i), err)
		}
	}
	return nil
}

func validatePrecondition(p *tupelov1.Precondition) error {
	switch p.GetCondition() {
	case tupelov1.Precondition_CONDITION_MUST_MATCH, tupelov1.Precondition_CONDITION_MUST_NOT_MATCH:
	case tupelov1.Precondition_CONDITION_UNSPECIFIED:
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "condition", "say MUST_MATCH or MUST_NOT_MATCH")
	default:
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "condition",
			"%d is no condition that this server knows", p.Condition)
	}
	if err := validateFilterNotEmpty(p.Filter); err != nil {
		return within("filter", err)
	}
	return knownFieldsOnly(p)
}

// validateCount holds the length of a repeated field to its bounds.
func validateCount(field string, n, least, most int) error {
	if n < least {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, field, "at least %d is needed", least)
	}
	if n > most {
		return fault(tupelov1.ErrorReason_ERROR_REASON_TOO_MANY_ITEMS, field,
			"it has %d items, %d are allowed; use several requests", n, most)
	}
	return nil
}

// boundedLimit returns a limit, or the default if it is 0.
func boundedLimit(field string, limit int32, fallback, most int) (int, error) {
	if limit == 0 {
		return fallback, nil
	}
	if limit < 0 || int(limit) > most {
		return 0, fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, field,
			"it is %d; 1 to %d are possible, or 0 for %d", limit, most, fallback)
	}
	return int(limit), nil
}

func validateID(field, id string) error {
	if id == "" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, field, "an id is needed")
	}
	if err := tuple.ValidateObjectID(id); err != nil {
		return fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_ID, field, "%s", err)
	}
	return nil
}

// validateName holds a name to what a schema could define at all. Only types
// have slashes, between the segments of their names.
func validateName(field, name string, slashes bool) error {
	if name == "" {
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, field, "a name is needed")
	}
	if len(name) > maxNameBytes {
		return fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_NAME, field,
			"it has %d bytes, no name has more than %d", len(name), maxNameBytes)
	}
	for i := range len(name) {
		if c := name[i]; !nameByte(c) && (c != '/' || !slashes) {
			return fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_NAME, field,
				"%q has %q at byte %d; names have a-z 0-9 _ only", name, c, i)
		}
	}
	return nil
}

func nameByte(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' }

// knownFieldsOnly refuses messages with fields that this server does not know.
// A newer client's field may narrow what it asks for: a filter without it would
// select more, a tuple without it would grant more (invariant A4).
func knownFieldsOnly(messages ...proto.Message) error {
	for _, m := range messages {
		if unknown := m.ProtoReflect().GetUnknown(); len(unknown) > 0 {
			name := string(m.ProtoReflect().Descriptor().Name())
			return fault(tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_FIELD, "",
				"the %s has fields that this server does not know; it may be older than the client", strings.ToLower(name))
		}
	}
	return nil
}
