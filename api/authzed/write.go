package authzed

import (
	"context"
	"strconv"
	"strings"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// What a write may have; SpiceDB's defaults.
const (
	maxUpdates       = 1000
	maxMetadataBytes = 65000
	maxContextBytes  = 25000
)

// WriteRelationships creates, touches and deletes relationships, all or none.
func (p permissions) WriteRelationships(ctx context.Context, r *v1.WriteRelationshipsRequest) (*v1.WriteRelationshipsResponse, error) {
	write, err := writeRequest(r)
	if err != nil {
		return nil, err
	}
	answer, err := p.native.Write(ctx, write)
	if err != nil {
		return nil, writeFault(r, err)
	}
	return &v1.WriteRelationshipsResponse{WrittenAt: token(answer.Zookie)}, nil
}

func writeRequest(r *v1.WriteRelationshipsRequest) (*tupelov1.WriteRequest, error) {
	if err := refuseMetadata(r.OptionalTransactionMetadata); err != nil {
		return nil, err
	}
	if len(r.Updates) > maxUpdates {
		return nil, refuse(tooManyUpdates, counts("update_count", len(r.Updates), "maximum_updates_allowed", maxUpdates),
			"the request has %d updates, %d are allowed; ImportBulkRelationships takes more", len(r.Updates), maxUpdates)
	}
	guards, err := preconditions(r.OptionalPreconditions)
	if err != nil {
		return nil, err
	}
	updates := make([]nativeUpdate, len(r.Updates)) // all in one allocation
	write := &tupelov1.WriteRequest{
		Updates: make([]*tupelov1.Update, len(r.Updates)), Preconditions: guards, Metadata: r.OptionalTransactionMetadata,
	}
	for i, u := range r.Updates {
		if err := refuseRelationship(u.GetRelationship()); err != nil {
			return nil, err
		}
		n := &updates[i]
		n.update.Operation, n.update.Tuple = operations[u.GetOperation()], n.of(u.GetRelationship())
		write.Updates[i] = &n.update
	}
	return write, nil
}

// nativeUpdate is an update with its messages.
type nativeUpdate struct {
	update tupelov1.Update
	wholeTuple
}

var operations = map[v1.RelationshipUpdate_Operation]tupelov1.Update_Operation{
	v1.RelationshipUpdate_OPERATION_CREATE: tupelov1.Update_OPERATION_CREATE,
	v1.RelationshipUpdate_OPERATION_TOUCH:  tupelov1.Update_OPERATION_TOUCH,
	v1.RelationshipUpdate_OPERATION_DELETE: tupelov1.Update_OPERATION_DELETE,
}

// refuseMetadata bounds what a transaction says of itself, as JSON, as SpiceDB does,
// and as the native handlers do, which look at the message.
func refuseMetadata(metadata *structpb.Struct) error {
	if metadata == nil {
		return nil
	}
	text, err := metadata.MarshalJSON()
	if err != nil {
		return nil // the native handlers say what is wrong
	}
	if size := max(len(text), proto.Size(metadata)); size > maxMetadataBytes {
		return refuse(largeMetadata, counts("metadata_byte_size", size, "maximum_allowed_metadata_byte_size", maxMetadataBytes),
			"the transaction's metadata has %d bytes, %d are allowed", size, maxMetadataBytes)
	}
	return nil
}

// refuseRelationship refuses what translation would lose, and contexts that are too
// large; a relationship that is not there is for others to refuse.
func refuseRelationship(r *v1.Relationship) error {
	switch {
	case hasUnknownFields(r, r.GetResource(), r.GetSubject(), r.GetSubject().GetObject(), r.GetOptionalCaveat()):
		return refuse(invalid, nil, "%s has fields that this server does not know", spelled(r))
	case r.GetOptionalCaveat() != nil && proto.Size(r.OptionalCaveat) > maxContextBytes:
		return refuse(largeContext, aboutContext(r), "the context of %s has more than %d bytes", spelled(r), maxContextBytes)
	}
	return nil
}

// aboutContext has the size of the relationship, not of its context, as SpiceDB's has.
func aboutContext(r *v1.Relationship) map[string]string {
	about := counts("context_size", proto.Size(r), "max_allowed_size", maxContextBytes)
	about["relationship"] = spelled(r)
	return about
}

// counts is the metadata of a limit that was passed.
func counts(given string, n int, allowed string, most int) map[string]string {
	return map[string]string{given: strconv.Itoa(n), allowed: strconv.Itoa(most)}
}

// writeFault tells of the update or the precondition that a write fails for.
func writeFault(r *v1.WriteRelationshipsRequest, err error) error {
	e := api.Described(err)
	if i, ok := place(e, "preconditions", len(r.OptionalPreconditions)); ok {
		return preconditionFault(e, r.OptionalPreconditions[i], err)
	}
	if i, ok := place(e, "updates", len(r.Updates)); ok {
		return relationshipFault(e, r.Updates[i].GetRelationship(), err)
	}
	return err
}

// place returns which element of a repeated field of the native request an error is
// about.
func place(e *api.Error, field string, n int) (int, bool) {
	if len(e.Fields) != 1 {
		return 0, false
	}
	rest, ok := strings.CutPrefix(e.Fields[0].Path, field+"[")
	if !ok {
		return 0, false
	}
	digits, _, _ := strings.Cut(rest, "]")
	i, err := strconv.Atoi(digits)
	return i, err == nil && i >= 0 && i < n
}

// preconditionFault tells of an error that is about a precondition.
func preconditionFault(e *api.Error, p *v1.Precondition, err error) error {
	if e.Reason == tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET {
		return unmet(err, p)
	}
	return filterFault(err)
}

// relationshipFault tells of an error that is about a relationship to write.
func relationshipFault(e *api.Error, r *v1.Relationship, err error) error {
	switch e.Reason {
	case tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED: // of a resource, or with a relation
		return retell(err, invalid, nil)
	case tupelov1.ErrorReason_ERROR_REASON_DUPLICATE_UPDATE:
		return retell(err, sameRelationship, map[string]string{"definition_name": r.GetResource().GetObjectType(), "relationship": spelled(r)})
	case tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS:
		return retell(err, recreated, aboutRelationship(r))
	case tupelov1.ErrorReason_ERROR_REASON_SUBJECT_NOT_ALLOWED, tupelov1.ErrorReason_ERROR_REASON_TRAITS_NOT_ALLOWED,
		tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT: // no relation takes what nobody has defined
		return retell(err, wrongSubjectType, map[string]string{
			"definition_name": r.GetResource().GetObjectType(), "relation_name": r.GetRelation(), "subject_type": kindOf(r),
		})
	case tupelov1.ErrorReason_ERROR_REASON_INVALID_CONTEXT:
		return retell(err, mistypedContext, map[string]string{"caveat_name": r.GetOptionalCaveat().GetCaveatName()})
	case tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS:
		if strings.HasSuffix(e.Fields[0].Path, ".caveat.context") {
			return retell(err, largeContext, aboutContext(r))
		}
	}
	return err
}

func aboutRelationship(r *v1.Relationship) map[string]string {
	return map[string]string{
		"relationship":       spelled(r),
		"resource_type":      r.GetResource().GetObjectType(),
		"resource_object_id": r.GetResource().GetObjectId(),
		"resource_relation":  r.GetRelation(),
		"subject_type":       r.GetSubject().GetObject().GetObjectType(),
		"subject_object_id":  r.GetSubject().GetObject().GetObjectId(),
		"subject_relation":   r.GetSubject().GetOptionalRelation(),
	}
}

// spelled spells a relationship as resource#relation@subject.
func spelled(r *v1.Relationship) string {
	resource, subject := r.GetResource(), r.GetSubject()
	text := resource.GetObjectType() + ":" + resource.GetObjectId() + "#" + r.GetRelation() +
		"@" + subject.GetObject().GetObjectType() + ":" + subject.GetObject().GetObjectId()
	if subject.GetOptionalRelation() != "" {
		text += "#" + subject.OptionalRelation
	}
	return text
}

// kindOf spells what a relation would have to take, as a schema does: team#member, or
// user:* with office_hours and expiration.
func kindOf(r *v1.Relationship) string {
	subject := r.GetSubject()
	kind := subject.GetObject().GetObjectType()
	switch {
	case subject.GetObject().GetObjectId() == wildcardID:
		kind += ":" + wildcardID
	case subject.GetOptionalRelation() != "":
		kind += "#" + subject.OptionalRelation
	}
	var with []string
	if c := r.GetOptionalCaveat(); c != nil {
		with = append(with, c.CaveatName)
	}
	if r.GetOptionalExpiresAt() != nil {
		with = append(with, "expiration")
	}
	if len(with) == 0 {
		return kind
	}
	return kind + " with " + strings.Join(with, " and ")
}
