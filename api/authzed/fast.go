package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/codec"
)

// This file reads the requests of checks and lookups: the texts of one are parts of a
// single string, and its messages of few allocations. See package codec for what it may
// decline. Those that bring relationships are in fast_relationships.go, and answers in
// fast_answers.go.

var fastMessages = codec.Fast{Read: fastRead, Size: fastSize, Append: fastAppend}

func fastRead(data []byte, message any) bool {
	switch m := message.(type) {
	case *v1.CheckPermissionRequest:
		return readCheckPermission(data, m)
	case *v1.CheckBulkPermissionsRequest:
		return readCheckBulkPermissions(data, m)
	case *v1.LookupResourcesRequest:
		return readLookupResources(data, m)
	case *v1.LookupSubjectsRequest:
		return readLookupSubjects(data, m)
	case *v1.WriteRelationshipsRequest:
		return readWriteRelationships(data, m)
	case *v1.ReadRelationshipsRequest:
		return readReadRelationships(data, m)
	case *v1.ImportBulkRelationshipsRequest:
		return readImportBulkRelationships(data, m)
	}
	return false
}

// askedAbout are the messages that a question is about.
type askedAbout struct {
	resource v1.ObjectReference
	subject  wholeSubject
}

// wholeSubject is a subject with its message.
type wholeSubject struct {
	reference v1.SubjectReference
	object    v1.ObjectReference
}

func (s *wholeSubject) read(text string) (*v1.SubjectReference, bool) {
	return &s.reference, codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			s.reference.Object, ok = readObject(f.Text, &s.object)
		case codec.Text(2):
			ok = f.Set(&s.reference.OptionalRelation)
		}
		return ok
	})
}

func readObject(text string, o *v1.ObjectReference) (*v1.ObjectReference, bool) {
	return o, codec.ReadTexts(text, &o.ObjectType, &o.ObjectId)
}

func readCheckPermission(data []byte, m *v1.CheckPermissionRequest) bool {
	m.Reset()
	about := &askedAbout{}
	return codec.Read(string(data), func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			m.Resource, ok = readObject(f.Text, &about.resource)
		case codec.Text(3):
			ok = f.Set(&m.Permission)
		case codec.Text(4):
			m.Subject, ok = about.subject.read(f.Text)
		case codec.Text(5):
			m.Context, ok = codec.ReadStruct(f.In(data), m.Context == nil)
		case codec.Small(6):
			m.WithTracing, ok = f.Value != 0, true
		}
		return ok
	})
}

func readCheckBulkPermissions(data []byte, m *v1.CheckBulkPermissionsRequest) bool {
	m.Reset()
	text := string(data)
	questions, items, ok := codec.Room[bulkQuestion, v1.CheckBulkPermissionsRequestItem](text, codec.Text(2), maxBulkItems)
	m.Items = items
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			q := &questions[len(m.Items)]
			m.Items = append(m.Items, &q.item)
			ok = q.read(f.In(data), f.Text)
		case codec.Small(3):
			m.WithTracing, ok = f.Value != 0, true
		}
		return ok
	})
}

// bulkQuestion is an item of a bulk check with its messages.
type bulkQuestion struct {
	item v1.CheckBulkPermissionsRequestItem
	askedAbout
}

func (q *bulkQuestion) read(data []byte, text string) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			q.item.Resource, ok = readObject(f.Text, &q.resource)
		case codec.Text(2):
			ok = f.Set(&q.item.Permission)
		case codec.Text(3):
			q.item.Subject, ok = q.subject.read(f.Text)
		case codec.Text(4):
			q.item.Context, ok = codec.ReadStruct(f.In(data), q.item.Context == nil)
		}
		return ok
	})
}

func readLookupResources(data []byte, m *v1.LookupResourcesRequest) bool {
	m.Reset()
	about := &wholeSubject{}
	return codec.Read(string(data), func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			ok = f.Set(&m.ResourceObjectType)
		case codec.Text(3):
			ok = f.Set(&m.Permission)
		case codec.Text(4):
			m.Subject, ok = about.read(f.Text)
		case codec.Text(5):
			m.Context, ok = codec.ReadStruct(f.In(data), m.Context == nil)
		case codec.Small(6):
			m.OptionalLimit, ok = f.Value, true
		case codec.Text(7):
			m.OptionalCursor, ok = readCursor(f.Text, m.OptionalCursor == nil)
		case codec.Small(8):
			m.WithDebug, ok = f.Value != 0, true
		}
		return ok
	})
}

func readLookupSubjects(data []byte, m *v1.LookupSubjectsRequest) bool {
	m.Reset()
	about := &v1.ObjectReference{}
	return codec.Read(string(data), func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			m.Resource, ok = readObject(f.Text, about)
		case codec.Text(3):
			ok = f.Set(&m.Permission)
		case codec.Text(4):
			ok = f.Set(&m.SubjectObjectType)
		case codec.Text(5):
			ok = f.Set(&m.OptionalSubjectRelation)
		case codec.Text(6):
			m.Context, ok = codec.ReadStruct(f.In(data), m.Context == nil)
		case codec.Small(7):
			m.OptionalConcreteLimit, ok = f.Value, true
		case codec.Text(8):
			m.OptionalCursor, ok = readCursor(f.Text, m.OptionalCursor == nil)
		case codec.Small(9):
			m.WildcardOption, ok = v1.LookupSubjectsRequest_WildcardOption(f.Value), true
		}
		return ok
	})
}

// readConsistency reads a message that is the first of its field, with one requirement
// at most: a second token would be merged into the first one.
func readConsistency(text string, first bool) (*v1.Consistency, bool) {
	var c *v1.Consistency
	whole := codec.Read(text, func(f codec.Field) (ok bool) {
		switch {
		case c != nil:
		case f.Key == codec.Small(1):
			c, ok = &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: f.Value != 0}}, true
		case f.Key == codec.Text(2):
			at := &v1.ZedToken{}
			c, ok = &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: at}}, codec.ReadTexts(f.Text, &at.Token)
		case f.Key == codec.Text(3):
			at := &v1.ZedToken{}
			c, ok = &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: at}}, codec.ReadTexts(f.Text, &at.Token)
		case f.Key == codec.Small(4):
			c, ok = &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: f.Value != 0}}, true
		}
		return ok
	})
	if c == nil {
		c = &v1.Consistency{}
	}
	return c, first && whole
}

// readCursor reads a message that is the first of its field.
func readCursor(text string, first bool) (*v1.Cursor, bool) {
	c := &v1.Cursor{}
	return c, first && codec.ReadTexts(text, &c.Token)
}
