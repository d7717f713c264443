package authzed

import (
	"fmt"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/codec/codectest"
)

// held are the fast paths, and messages in their plain form.
func held() *codectest.Held {
	return &codectest.Held{Fast: fastMessages, Requests: plainRequests(), Answers: plainAnswers()}
}

func TestMessagesInTheirPlainFormTakeTheFastPath(t *testing.T) { codectest.Plain(t, held()) }

func TestFastPathsAgreeWithTheLibraryOnDamagedMessages(t *testing.T) {
	codectest.Damaged(t, held(), 20_000)
}

func FuzzFastMessages(f *testing.F) { codectest.Fuzz(f, held()) }

// contextOf is a context of a question or a caveat.
func contextOf() *structpb.Struct {
	context, err := structpb.NewStruct(map[string]any{"hour": 12.0})
	if err != nil {
		panic(err)
	}
	return context
}

func plainRequests() []proto.Message {
	fresh := &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: token("zookie")}}
	fully := &v1.Consistency{Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}
	quick := &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: true}}
	exact := &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: token("zookie")}}
	selected := &v1.RelationshipFilter{
		ResourceType: "run", OptionalResourceId: "42", OptionalResourceIdPrefix: "4", OptionalRelation: "job",
		OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "team", OptionalSubjectId: "core", OptionalRelation: &v1.SubjectFilter_RelationFilter{Relation: "member"}},
	}
	one, of := rel("run", "42", "cancel", "user", "alice", ""), rel("run", "42", "job", "team", "core", "member")
	of.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "hours", Context: contextOf()}
	bulk, bring := &v1.CheckBulkPermissionsRequest{Consistency: fresh, WithTracing: true}, &v1.ImportBulkRelationshipsRequest{}
	write := &v1.WriteRelationshipsRequest{
		OptionalPreconditions:       []*v1.Precondition{{Operation: v1.Precondition_OPERATION_MUST_MATCH, Filter: selected}},
		OptionalTransactionMetadata: contextOf(),
	}
	for i := range 1000 {
		r := rel("run", strings.Repeat("7", 1+i), "cancel", "user", "alice", "")
		bulk.Items = append(bulk.Items, &v1.CheckBulkPermissionsRequestItem{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject})
		bring.Relationships = append(bring.Relationships, r)
		write.Updates = append(write.Updates, &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_Operation(i % 4), Relationship: r})
	}
	bulk.Items[7].Context = contextOf()
	return []proto.Message{
		&v1.CheckPermissionRequest{Resource: one.Resource, Permission: "cancel", Subject: one.Subject},
		&v1.CheckPermissionRequest{Consistency: fully, Resource: one.Resource, Permission: "cancel", Subject: of.Subject, Context: contextOf(), WithTracing: true},
		&v1.CheckPermissionRequest{Consistency: quick}, &v1.CheckPermissionRequest{Consistency: exact}, &v1.CheckPermissionRequest{Consistency: &v1.Consistency{}},
		&v1.CheckPermissionRequest{},
		bulk, &v1.CheckBulkPermissionsRequest{Items: bulk.Items[:2]}, &v1.CheckBulkPermissionsRequest{},
		&v1.LookupResourcesRequest{Consistency: fresh, ResourceObjectType: "run", Permission: "cancel", Subject: of.Subject, Context: contextOf(), OptionalLimit: 1000, OptionalCursor: &v1.Cursor{Token: "cursor"}, WithDebug: true},
		&v1.LookupSubjectsRequest{
			Consistency: exact, Resource: one.Resource, Permission: "cancel", SubjectObjectType: "team", OptionalSubjectRelation: "member", Context: contextOf(),
			OptionalConcreteLimit: 1000, OptionalCursor: &v1.Cursor{Token: "cursor"}, WildcardOption: v1.LookupSubjectsRequest_WILDCARD_OPTION_EXCLUDE_WILDCARDS,
		},
		write, &v1.WriteRelationshipsRequest{Updates: []*v1.RelationshipUpdate{{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: of}}}, &v1.WriteRelationshipsRequest{},
		&v1.ReadRelationshipsRequest{Consistency: quick, RelationshipFilter: selected, OptionalLimit: 1000, OptionalCursor: &v1.Cursor{Token: "cursor"}},
		bring, &v1.ImportBulkRelationshipsRequest{Relationships: []*v1.Relationship{of, one}}, &v1.ImportBulkRelationshipsRequest{},
	}
}

func plainAnswers() []proto.Message {
	at, behind, missing := token("zookie"), &v1.Cursor{Token: "cursor"}, &v1.PartialCaveatInfo{MissingRequiredContext: []string{"hour", "day"}}
	one, ending := rel("run", "42", "job", "team", "core", "member"), rel("run", "43", "job", "user", "ana", "")
	ending.OptionalExpiresAt = timestamppb.New(time.Unix(1_900_000_000, 5))
	bulk := &v1.CheckBulkPermissionsResponse{CheckedAt: at}
	export := &v1.ExportBulkRelationshipsResponse{AfterResultCursor: behind}
	for i := range 300 {
		r := rel("run", strings.Repeat("7", 1+i), "cancel", "user", "alice", "")
		export.Relationships = append(export.Relationships, r)
		bulk.Pairs = append(bulk.Pairs, &v1.CheckBulkPermissionsPair{
			Request: &v1.CheckBulkPermissionsRequestItem{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject},
			Response: &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{
				Permissionship: v1.CheckPermissionResponse_Permissionship(i % 4),
			}},
		})
	}
	found := &v1.ResolvedSubject{SubjectObjectId: "ana", Permissionship: v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION, PartialCaveatInfo: missing}
	return []proto.Message{
		&v1.CheckPermissionResponse{CheckedAt: at, Permissionship: v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION},
		&v1.CheckPermissionResponse{CheckedAt: at, Permissionship: v1.CheckPermissionResponse_PERMISSIONSHIP_CONDITIONAL_PERMISSION, PartialCaveatInfo: missing},
		&v1.CheckPermissionResponse{Permissionship: -1}, &v1.CheckPermissionResponse{},
		bulk, &v1.CheckBulkPermissionsResponse{Pairs: bulk.Pairs[:2]}, &v1.CheckBulkPermissionsResponse{},
		&v1.LookupResourcesResponse{LookedUpAt: at, ResourceObjectId: "42", Permissionship: 1, AfterResultCursor: behind, PartialCaveatInfo: missing}, &v1.LookupResourcesResponse{},
		&v1.LookupSubjectsResponse{
			LookedUpAt: at, Subject: found, ExcludedSubjects: []*v1.ResolvedSubject{found, {}}, AfterResultCursor: behind,
			//lint:ignore SA1019 older clients read these
			SubjectObjectId: "ana", Permissionship: 2, PartialCaveatInfo: missing, ExcludedSubjectIds: []string{"ana", ""},
		},
		&v1.LookupSubjectsResponse{},
		&v1.WriteRelationshipsResponse{WrittenAt: at}, &v1.WriteRelationshipsResponse{},
		&v1.ReadRelationshipsResponse{ReadAt: at, Relationship: ending, AfterResultCursor: behind}, &v1.ReadRelationshipsResponse{},
		export, &v1.ExportBulkRelationshipsResponse{AfterResultCursor: behind, Relationships: []*v1.Relationship{one, ending}}, &v1.ExportBulkRelationshipsResponse{},
	}
}

func TestAnswersThatAreNotPlainAreWrittenByTheLibrary(t *testing.T) {
	const wrong = "\xff"
	newer := timestamppb.New(time.Unix(7, 0))
	newer.ProtoReflect().SetUnknown([]byte{0x18, 7})
	caveated := rel("run", "42", "job", "user", "ana", "")
	caveated.OptionalCaveat = &v1.ContextualizedCaveat{CaveatName: "hours", Context: contextOf()}
	pair := func(item *v1.CheckBulkPermissionsRequestItem, answer *v1.CheckBulkPermissionsPair) *v1.CheckBulkPermissionsResponse {
		answer.Request = item
		return &v1.CheckBulkPermissionsResponse{Pairs: []*v1.CheckBulkPermissionsPair{answer}}
	}
	yes := &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{}}
	explained := &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{DebugTrace: &v1.DebugInformation{}}}
	for _, m := range []proto.Message{
		&v1.CheckPermissionResponse{DebugTrace: &v1.DebugInformation{}},
		&v1.CheckPermissionResponse{CheckedAt: token(wrong)}, &v1.CheckPermissionResponse{OptionalExpiresAt: newer},
		&v1.CheckPermissionResponse{PartialCaveatInfo: &v1.PartialCaveatInfo{MissingRequiredContext: []string{wrong}}},
		(*v1.CheckPermissionResponse)(nil), (*v1.CheckBulkPermissionsResponse)(nil), (*v1.LookupResourcesResponse)(nil),
		(*v1.LookupSubjectsResponse)(nil), (*v1.WriteRelationshipsResponse)(nil), (*v1.ReadRelationshipsResponse)(nil),
		(*v1.ExportBulkRelationshipsResponse)(nil),
		&v1.CheckBulkPermissionsResponse{Pairs: []*v1.CheckBulkPermissionsPair{nil}},
		&v1.CheckBulkPermissionsResponse{CheckedAt: token(wrong)},
		pair(nil, &v1.CheckBulkPermissionsPair{}),
		pair(nil, &v1.CheckBulkPermissionsPair{Response: &v1.CheckBulkPermissionsPair_Item{}}),
		pair(nil, &v1.CheckBulkPermissionsPair{Response: (*v1.CheckBulkPermissionsPair_Item)(nil)}),
		pair(nil, &v1.CheckBulkPermissionsPair{Response: explained}),
		pair(nil, &v1.CheckBulkPermissionsPair{Response: &v1.CheckBulkPermissionsPair_Error{Error: &status.Status{Message: wrong}}}),
		pair(&v1.CheckBulkPermissionsRequestItem{Permission: wrong}, &v1.CheckBulkPermissionsPair{Response: yes}),
		pair(&v1.CheckBulkPermissionsRequestItem{Context: contextOf()}, &v1.CheckBulkPermissionsPair{Response: yes}),
		pair(&v1.CheckBulkPermissionsRequestItem{Resource: &v1.ObjectReference{ObjectType: wrong}}, &v1.CheckBulkPermissionsPair{Response: yes}),
		pair(&v1.CheckBulkPermissionsRequestItem{Subject: &v1.SubjectReference{Object: &v1.ObjectReference{ObjectId: wrong}}}, &v1.CheckBulkPermissionsPair{Response: yes}),
		pair(&v1.CheckBulkPermissionsRequestItem{Subject: &v1.SubjectReference{OptionalRelation: wrong}}, &v1.CheckBulkPermissionsPair{Response: yes}),
		&v1.LookupResourcesResponse{ResourceObjectId: wrong}, &v1.LookupResourcesResponse{AfterResultCursor: &v1.Cursor{Token: wrong}},
		&v1.LookupResourcesResponse{LookedUpAt: token(wrong)},
		//lint:ignore SA1019 older clients read these
		&v1.LookupSubjectsResponse{SubjectObjectId: wrong}, &v1.LookupSubjectsResponse{ExcludedSubjectIds: []string{wrong}},
		&v1.LookupSubjectsResponse{Subject: &v1.ResolvedSubject{SubjectObjectId: wrong}}, &v1.LookupSubjectsResponse{ExcludedSubjects: []*v1.ResolvedSubject{{SubjectObjectId: wrong}}},
		&v1.LookupSubjectsResponse{LookedUpAt: token(wrong)}, &v1.LookupSubjectsResponse{AfterResultCursor: &v1.Cursor{Token: wrong}},
		&v1.WriteRelationshipsResponse{WrittenAt: token(wrong)},
		&v1.ReadRelationshipsResponse{Relationship: caveated}, &v1.ReadRelationshipsResponse{Relationship: &v1.Relationship{OptionalExpiresAt: newer}}, &v1.ReadRelationshipsResponse{ReadAt: token(wrong)},
		&v1.ReadRelationshipsResponse{Relationship: &v1.Relationship{Relation: wrong}},
		&v1.ExportBulkRelationshipsResponse{Relationships: []*v1.Relationship{caveated}},
		&v1.DeleteRelationshipsResponse{},
	} {
		if _, ok := fastSize(m); ok {
			t.Errorf("%T{%v} has a fast path", m, m)
		}
	}
}

func TestMessagesThatAskForMuchMemoryAreReadByTheLibrary(t *testing.T) {
	for _, m := range []proto.Message{
		&v1.CheckBulkPermissionsRequest{Items: empties[v1.CheckBulkPermissionsRequestItem](maxBulkItems + 1)},
		&v1.WriteRelationshipsRequest{Updates: empties[v1.RelationshipUpdate](maxUpdates + 1)},
		&v1.WriteRelationshipsRequest{OptionalPreconditions: empties[v1.Precondition](maxPreconditions + 1)},
		&v1.ImportBulkRelationshipsRequest{Relationships: empties[v1.Relationship](10)},
	} {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if fastRead(wire, m.ProtoReflect().New().Interface()) {
			t.Errorf("a %T of %d bytes has a fast path", m, len(wire))
		}
	}
}

func empties[T any](n int) []*T {
	list := make([]*T, n)
	for i := range list {
		list[i] = new(T)
	}
	return list
}

func TestReadingAndWritingTakesFewAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("allocations are not those of the program under the race detector")
	}
	c := held().Codec()
	wireOf := func(m proto.Message) mem.BufferSlice {
		wire, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return mem.BufferSlice{mem.SliceBuffer(wire)}
	}
	r := rel("run", "42", "cancel", "user", "alice", "")
	check := wireOf(&v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject})
	bulk, write, bring := &v1.CheckBulkPermissionsRequest{}, &v1.WriteRelationshipsRequest{}, &v1.ImportBulkRelationshipsRequest{}
	answers := &v1.CheckBulkPermissionsResponse{CheckedAt: token("zookie")}
	for i := range 100 {
		r := rel("run", fmt.Sprint(i), "cancel", "user", "alice", "")
		item := &v1.CheckBulkPermissionsRequestItem{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject}
		bulk.Items = append(bulk.Items, item)
		answers.Pairs = append(answers.Pairs, &v1.CheckBulkPermissionsPair{Request: item, Response: &v1.CheckBulkPermissionsPair_Item{Item: &v1.CheckBulkPermissionsResponseItem{}}})
		write.Updates = append(write.Updates, &v1.RelationshipUpdate{Relationship: r})
		bring.Relationships = append(bring.Relationships, r)
	}
	bulkWire, writeWire, bringWire := wireOf(bulk), wireOf(write), wireOf(bring)
	answer := &v1.CheckPermissionResponse{CheckedAt: token("zookie"), Permissionship: v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION}
	one := &v1.LookupResourcesResponse{LookedUpAt: answer.CheckedAt, ResourceObjectId: "42", AfterResultCursor: &v1.Cursor{Token: "cursor"}}
	for _, m := range []struct {
		name string
		most float64
		do   func() error
	}{
		{"reading a check: itself, the text and the terms", 3, func() error { return c.Unmarshal(check, &v1.CheckPermissionRequest{}) }},
		{"reading 100 checks: itself, the text, the items and the list of them", 4, func() error { return c.Unmarshal(bulkWire, &v1.CheckBulkPermissionsRequest{}) }},
		{"reading 100 updates: itself, the text, the updates and the list of them", 4, func() error { return c.Unmarshal(writeWire, &v1.WriteRelationshipsRequest{}) }},
		{"reading 100 relationships: itself, the text, the relationships and the list of them", 4, func() error { return c.Unmarshal(bringWire, &v1.ImportBulkRelationshipsRequest{}) }},
		{"writing an answer: as the transport takes it", 3, func() error { _, err := c.Marshal(answer); return err }},
		{"writing an entry of a list: as the transport takes it", 3, func() error { _, err := c.Marshal(one); return err }},
		{"writing 100 answers: as the transport takes them", 3, func() error {
			data, err := c.Marshal(answers)
			data.Free()
			return err
		}},
	} {
		n := testing.AllocsPerRun(200, func() {
			if err := m.do(); err != nil {
				t.Fatal(err)
			}
		})
		if n > m.most {
			t.Errorf("%s: %.0f allocations", m.name, n)
		}
	}
}
