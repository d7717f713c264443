package authzed

import (
	"unicode/utf8"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// This file writes answers. The protocol's messages bring methods of their own for it,
// which go without reflection but do not look whether texts are UTF-8, as the protobuf
// library does: so a message is taken here where all its texts are looked at.

func fastSize(message any) (bytes int, ok bool) {
	switch m := message.(type) {
	case *v1.CheckPermissionResponse:
		if m != nil && m.DebugTrace == nil && m.OptionalExpiresAt == nil && plainToken(m.CheckedAt) && plainMissing(m.PartialCaveatInfo) {
			return m.SizeVT(), true
		}
	case *v1.CheckBulkPermissionsResponse:
		if m != nil && plainToken(m.CheckedAt) && all(m.Pairs, plainPair) {
			return m.SizeVT(), true
		}
	case *v1.LookupResourcesResponse:
		if m != nil && plain(m.ResourceObjectId) && plainToken(m.LookedUpAt) && plainCursor(m.AfterResultCursor) && plainMissing(m.PartialCaveatInfo) {
			return m.SizeVT(), true
		}
	case *v1.LookupSubjectsResponse:
		return sizeLookupSubjects(m)
	case *v1.WriteRelationshipsResponse:
		if m != nil && plainToken(m.WrittenAt) {
			return m.SizeVT(), true
		}
	case *v1.ReadRelationshipsResponse:
		if m != nil && plainToken(m.ReadAt) && plainRelationship(m.Relationship) && plainCursor(m.AfterResultCursor) {
			return m.SizeVT(), true
		}
	case *v1.ExportBulkRelationshipsResponse:
		if m != nil && plainCursor(m.AfterResultCursor) && all(m.Relationships, plainRelationship) {
			return m.SizeVT(), true
		}
	}
	return 0, false
}

// fastAppend fills what Size took, from the end on.
func fastAppend(to []byte, message any) []byte {
	m, ok := message.(interface {
		MarshalToSizedBufferVT(data []byte) (int, error)
	})
	if !ok {
		return to
	}
	n, err := m.MarshalToSizedBufferVT(to[:cap(to)])
	if err != nil {
		return to // which is told from what Size said
	}
	return to[:n]
}

func sizeLookupSubjects(m *v1.LookupSubjectsResponse) (int, bool) {
	if m == nil || !plainToken(m.LookedUpAt) || !plainCursor(m.AfterResultCursor) || !plainSubject(m.Subject) || !all(m.ExcludedSubjects, plainSubject) {
		return 0, false
	}
	//lint:ignore SA1019 older clients read these
	if !plain(m.SubjectObjectId) || !all(m.ExcludedSubjectIds, plain) || !plainMissing(m.PartialCaveatInfo) {
		return 0, false
	}
	return m.SizeVT(), true
}

func all[T any](list []T, is func(T) bool) bool {
	for _, one := range list {
		if !is(one) {
			return false
		}
	}
	return true
}

func plain(text string) bool { return utf8.ValidString(text) }

func plainToken(t *v1.ZedToken) bool { return t == nil || plain(t.Token) }

func plainCursor(c *v1.Cursor) bool { return c == nil || plain(c.Token) }

func plainMissing(p *v1.PartialCaveatInfo) bool {
	return p == nil || all(p.MissingRequiredContext, plain)
}

// plainPair takes answers. Errors, and explanations, are for the library.
func plainPair(p *v1.CheckBulkPermissionsPair) bool {
	answer, ok := p.GetResponse().(*v1.CheckBulkPermissionsPair_Item)
	if !ok || answer == nil || answer.Item == nil || answer.Item.DebugTrace != nil || !plainMissing(answer.Item.PartialCaveatInfo) {
		return false
	}
	r := p.Request
	return r == nil || r.Context == nil && plain(r.Permission) && plainObject(r.Resource) && plainReference(r.Subject)
}

func plainObject(o *v1.ObjectReference) bool {
	return o == nil || plain(o.ObjectType) && plain(o.ObjectId)
}

func plainReference(s *v1.SubjectReference) bool {
	return s == nil || plain(s.OptionalRelation) && plainObject(s.Object)
}

func plainSubject(s *v1.ResolvedSubject) bool {
	return s == nil || plain(s.SubjectObjectId) && plainMissing(s.PartialCaveatInfo)
}

// plainRelationship takes those without a caveat.
func plainRelationship(r *v1.Relationship) bool {
	return r == nil || r.OptionalCaveat == nil && plainTime(r.OptionalExpiresAt) &&
		plain(r.Relation) && plainObject(r.Resource) && plainReference(r.Subject)
}

// plainTime takes those without unknown fields, which the methods pass over.
func plainTime(t *timestamppb.Timestamp) bool {
	return t == nil || len(t.ProtoReflect().GetUnknown()) == 0
}
