package api

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// badInput is a request and what it must come to.
type badInput struct {
	name    string
	request proto.Message
	code    string // without the underscores: InvalidArgument
	reason  string // without its prefix
	field   string
	says    string // part of the message: the fix, where there is one
}

const (
	alicePushes = "repository:club#push@user:alice"
	aliceOwns   = "repository:club#owner@user:alice"
)

// TestBadInputsGetTheirCodeAndField holds every RPC to a clear error, that
// names the field, for whatever can be wrong with a request.
func TestBadInputsGetTheirCodeAndField(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	for group, list := range map[string][]badInput{
		"consistency": badConsistencies(t),
		"check":       badChecks(t),
		"batch":       badBatches(t),
		"expand":      badExpands(t),
		"read":        badReads(t),
		"write":       badWrites(t),
		"tuples":      badTuples(t),
		"filters":     badFilters(t),
		"delete":      badDeletes(t),
		"schema":      badSchemas(t),
		"watch":       badWatches(t),
		"metadata":    badMetadata(t),
		"list":        badLists(t),
		"context":     badContexts(t),
		"compare":     badComparisons(t),
		"counters":    badCounters(t),
		"import":      badImports(t),
	} {
		for _, in := range list {
			t.Run(group+"/"+in.name, func(t *testing.T) { in.run(t, w) })
		}
	}
	if got := w.check(t, nil, alicePushes).Result; got != tupelov1.Result_RESULT_YES {
		t.Errorf("after all that, the tuple of before is gone: %v", got)
	}
}

func (in badInput) run(t *testing.T, w *world) {
	t.Helper()
	before := w.log.last()
	err := w.call(w.ctx, in.request)
	if err == nil {
		t.Fatal("it passes")
	}
	got := seen(t, err)
	if got.code != in.code || got.reason != "ERROR_REASON_"+in.reason || got.field != in.field {
		t.Errorf("%s %s at %q, want %s %s at %q: %s",
			got.code, got.reason, got.field, in.code, in.reason, in.field, got.message)
	}
	if !strings.Contains(got.message, in.says) {
		t.Errorf("%q does not say %q", got.message, in.says)
	}
	if in.code == "InvalidArgument" && w.log.last() != before {
		t.Error("something was proposed for it")
	}
}

// call sends any request of the service.
func (w *world) call(ctx context.Context, request proto.Message) error {
	var err error
	switch r := request.(type) {
	case *tupelov1.CheckRequest:
		_, err = w.client.Check(ctx, r)
	case *tupelov1.BatchCheckRequest:
		_, err = w.client.BatchCheck(ctx, r)
	case *tupelov1.ExpandRequest:
		_, err = w.client.Expand(ctx, r)
	case *tupelov1.ReadRequest:
		_, err = w.client.Read(ctx, r)
	case *tupelov1.WriteRequest:
		_, err = w.client.Write(ctx, r)
	case *tupelov1.DeleteByFilterRequest:
		_, err = w.client.DeleteByFilter(ctx, r)
	case *tupelov1.ImportRequest:
		_, err = w.importing(ctx, r)
	case *tupelov1.ExportRequest:
		err = firstError(w.client.Export(ctx, r))
	case *tupelov1.RegisterCounterRequest:
		_, err = w.client.RegisterCounter(ctx, r)
	case *tupelov1.UnregisterCounterRequest:
		_, err = w.client.UnregisterCounter(ctx, r)
	case *tupelov1.ReadCounterRequest:
		_, err = w.client.ReadCounter(ctx, r)
	case *tupelov1.ReadSchemaRequest:
		_, err = w.client.ReadSchema(ctx, r)
	case *tupelov1.WriteSchemaRequest:
		_, err = w.client.WriteSchema(ctx, r)
	case *tupelov1.WatchRequest:
		err = firstError(w.client.Watch(ctx, r))
	case *tupelov1.ListObjectsRequest:
		err = firstError(w.client.ListObjects(ctx, r))
	case *tupelov1.ListSubjectsRequest:
		err = firstError(w.client.ListSubjects(ctx, r))
	case *tupelov1.ListRelationsRequest:
		_, err = w.client.ListRelations(ctx, r)
	case *tupelov1.CompareSchemaRequest:
		err = firstError(w.client.CompareSchema(ctx, r))
	default:
		panic(fmt.Sprintf("no call takes a %T", request))
	}
	return err
}

// firstError is the error of a stream's first message.
func firstError[M any](stream grpc.ServerStreamingClient[M], err error) error {
	if err == nil {
		_, err = stream.Recv()
	}
	return err
}

// everyRead is one request of each kind that reads, with a consistency.
func everyRead(t *testing.T, c *tupelov1.Consistency) map[string]proto.Message {
	return map[string]proto.Message{
		"Check":      checkRequest(t, c, alicePushes),
		"BatchCheck": &tupelov1.BatchCheckRequest{Consistency: c, Items: []*tupelov1.BatchCheckItem{checkItem(t, alicePushes)}},
		"Expand":     &tupelov1.ExpandRequest{Consistency: c, Object: &tupelov1.Object{Type: "repository", Id: "club"}, Relation: "push"},
		"Read":       &tupelov1.ReadRequest{Consistency: c},
		"ReadSchema": &tupelov1.ReadSchemaRequest{Consistency: c},
		"ListObjects": &tupelov1.ListObjectsRequest{
			Consistency: c, ObjectType: "repository", Relation: "push", Subject: &tupelov1.Subject{Type: "user", Id: "alice"}},
		"ListSubjects": &tupelov1.ListSubjectsRequest{
			Consistency: c, Object: &tupelov1.Object{Type: "repository", Id: "club"}, Relation: "push", SubjectType: "user"},
		"ListRelations": &tupelov1.ListRelationsRequest{
			Consistency: c, Object: &tupelov1.Object{Type: "repository", Id: "club"}, Subject: &tupelov1.Subject{Type: "user", Id: "alice"}},
		"CompareSchema": &tupelov1.CompareSchemaRequest{Consistency: c, Text: gitclub},
		"ReadCounter":   &tupelov1.ReadCounterRequest{Consistency: c, Name: "owners"},
		"Export":        &tupelov1.ExportRequest{Consistency: c},
	}
}

// withUnknownField returns m as a newer client might send it.
func withUnknownField[M proto.Message](m M) M {
	field := protowire.AppendTag(nil, 1000, protowire.VarintType)
	m.ProtoReflect().SetUnknown(protowire.AppendVarint(field, 1))
	return m
}

func badConsistencies(t *testing.T) (list []badInput) {
	zookie := here.zookie(1)
	for _, c := range []struct {
		name                string
		c                   *tupelov1.Consistency
		code, reason, field string
		says                string
	}{
		{"none", &tupelov1.Consistency{}, "InvalidArgument", "NO_CONSISTENCY", "consistency", "leave the message out"},
		{"false latency", &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{}}, "InvalidArgument", "OUT_OF_BOUNDS", "consistency.minimize_latency", "only true"},
		{"false full", &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{}}, "InvalidArgument", "OUT_OF_BOUNDS", "consistency.fully_consistent", "only true"},
		{"one of tomorrow", withUnknownField(&tupelov1.Consistency{}), "InvalidArgument", "UNKNOWN_FIELD", "consistency", "older than the client"},
		{"empty zookie", atLeast(""), "InvalidArgument", "MISSING_FIELD", "consistency.at_least_as_fresh", "zookie is needed"},
		{"empty exact zookie", exactly(""), "InvalidArgument", "MISSING_FIELD", "consistency.at_exact_snapshot", "zookie is needed"},
		{"no zookie", atLeast("hello world"), "InvalidArgument", "DAMAGED_ZOOKIE", "consistency.at_least_as_fresh", "base64"},
		{"damaged zookie", exactly(zookie[:len(zookie)-1] + "A"), "InvalidArgument", "DAMAGED_ZOOKIE", "consistency.at_exact_snapshot", "not a zookie"},
		{"long zookie", atLeast(strings.Repeat("A", 9000)), "InvalidArgument", "DAMAGED_ZOOKIE", "consistency.at_least_as_fresh", "9000 bytes"},
		{"foreign zookie", atLeast(elsewhere.zookie(1)), "InvalidArgument", "FOREIGN_ZOOKIE", "consistency.at_least_as_fresh", "another cluster"},
		{"zookie of a lost future", atLeast(here.zookie(1 << 40)), "OutOfRange", "REVISION_UNKNOWN", "", ""},
		{"snapshot of a lost future", exactly(here.zookie(1 << 40)), "OutOfRange", "REVISION_UNKNOWN", "", ""},
	} {
		for rpc, request := range everyRead(t, c.c) {
			list = append(list, badInput{rpc + " " + c.name, request, c.code, c.reason, c.field, c.says})
		}
	}
	return list
}

// badQuestion is something wrong with an object, relation and subject.
type badQuestion struct {
	name                string
	object              *tupelov1.Object
	relation            string
	subject             *tupelov1.Subject
	code, reason, field string
	says                string
}

func badQuestions() []badQuestion {
	club, alice := &tupelov1.Object{Type: "repository", Id: "club"}, &tupelov1.Subject{Type: "user", Id: "alice"}
	object := func(typ, id string) *tupelov1.Object { return &tupelov1.Object{Type: typ, Id: id} }
	subject := func(typ, id, relation string) *tupelov1.Subject {
		return &tupelov1.Subject{Type: typ, Id: id, Relation: relation}
	}
	const invalid, failed = "InvalidArgument", "FailedPrecondition"
	return []badQuestion{
		{"no object", nil, "push", alice, invalid, "MISSING_FIELD", "object", "object is needed"},
		{"no object type", object("", "club"), "push", alice, invalid, "MISSING_FIELD", "object.type", "name is needed"},
		{"bad object type", object("Repo", "club"), "push", alice, invalid, "INVALID_NAME", "object.type", "a-z 0-9 _"},
		{"long object type", object(strings.Repeat("a", 129), "club"), "push", alice, invalid, "INVALID_NAME", "object.type", "129 bytes"},
		{"unknown object type", object("repositry", "club"), "push", alice, failed, "UNKNOWN_TYPE", "object.type", `did you mean "repository"?`},
		{"no object id", object("repository", ""), "push", alice, invalid, "MISSING_FIELD", "object.id", "id is needed"},
		{"bad object id", object("repository", "club!"), "push", alice, invalid, "INVALID_ID", "object.id", "at byte 4"},
		{"object id with NUL", object("repository", "a\x00b"), "push", alice, invalid, "INVALID_ID", "object.id", "at byte 1"},
		{"long object id", object("repository", strings.Repeat("a", 1025)), "push", alice, invalid, "INVALID_ID", "object.id", "1024 are allowed"},
		{"wildcard object", object("repository", "*"), "push", alice, invalid, "WILDCARD_NOT_ALLOWED", "object.id", "subject"},
		{"no relation", club, "", alice, invalid, "MISSING_FIELD", "relation", "name is needed"},
		{"bad relation", club, "prefix/push", alice, invalid, "INVALID_NAME", "relation", "'/'"},
		{"unknown relation", club, "pusk", alice, failed, "UNKNOWN_RELATION", "relation", `did you mean "push"?`},
		{"far relation", club, "something_else", alice, failed, "UNKNOWN_RELATION", "relation", "no relation or permission"},
		{"no subject", club, "push", nil, invalid, "MISSING_FIELD", "subject", "subject is needed"},
		{"no subject type", club, "push", subject("", "alice", ""), invalid, "MISSING_FIELD", "subject.type", ""},
		{"bad subject type", club, "push", subject("us er", "alice", ""), invalid, "INVALID_NAME", "subject.type", ""},
		{"unknown subject type", club, "push", subject("usr", "alice", ""), failed, "UNKNOWN_TYPE", "subject.type", `did you mean "user"?`},
		{"no subject id", club, "push", subject("user", "", ""), invalid, "MISSING_FIELD", "subject.id", ""},
		{"bad subject id", club, "push", subject("user", "al ice", ""), invalid, "INVALID_ID", "subject.id", ""},
		{"long subject id", club, "push", subject("user", strings.Repeat("x", 5000), ""), invalid, "INVALID_ID", "subject.id", "5000 bytes"},
		{"bad subject relation", club, "push", subject("team", "core", "Member"), invalid, "INVALID_NAME", "subject.relation", ""},
		{"unknown subject relation", club, "push", subject("team", "core", "membr"), failed, "UNKNOWN_RELATION", "subject.relation", `did you mean "member"?`},
		{"wildcard with a relation", club, "push", subject("team", "*", "member"), invalid, "WILDCARD_NOT_ALLOWED", "subject.relation", "cannot have a relation"},
	}
}

func badChecks(*testing.T) (list []badInput) {
	for _, q := range badQuestions() {
		list = append(list, badInput{q.name, &tupelov1.CheckRequest{Object: q.object, Relation: q.relation, Subject: q.subject},
			q.code, q.reason, q.field, q.says})
	}
	return append(list, badInput{"wildcard subject",
		&tupelov1.CheckRequest{
			Object: &tupelov1.Object{Type: "repository", Id: "club"}, Relation: "reader",
			Subject: &tupelov1.Subject{Type: "user", Id: "*"},
		}, "InvalidArgument", "WILDCARD_NOT_ALLOWED", "subject.id", "one subject"})
}

func badBatches(t *testing.T) []badInput {
	items := make([]*tupelov1.BatchCheckItem, 1001)
	for i := range items {
		items[i] = checkItem(t, alicePushes)
	}
	return []badInput{
		{"no items", &tupelov1.BatchCheckRequest{}, "InvalidArgument", "MISSING_FIELD", "items", "at least 1"},
		{"too many items", &tupelov1.BatchCheckRequest{Items: items}, "InvalidArgument", "TOO_MANY_ITEMS", "items", "1000 are allowed"},
	}
}

func badExpands(*testing.T) (list []badInput) {
	for _, q := range badQuestions() {
		if strings.HasPrefix(q.field, "subject") {
			continue
		}
		list = append(list, badInput{q.name, &tupelov1.ExpandRequest{Object: q.object, Relation: q.relation},
			q.code, q.reason, q.field, q.says})
	}
	club := &tupelov1.Object{Type: "repository", Id: "club"}
	for name, r := range map[string]*tupelov1.ExpandRequest{
		"max_depth":    {Object: club, Relation: "push", MaxDepth: 51},
		"max_subjects": {Object: club, Relation: "push", MaxSubjects: 10001},
	} {
		list = append(list, badInput{"large " + name, r, "InvalidArgument", "OUT_OF_BOUNDS", name, "are possible"})
		negative := proto.CloneOf(r)
		negative.MaxDepth, negative.MaxSubjects = -negative.MaxDepth, -negative.MaxSubjects
		list = append(list, badInput{"negative " + name, negative, "InvalidArgument", "OUT_OF_BOUNDS", name, "are possible"})
	}
	return list
}

func badReads(*testing.T) []badInput {
	other := here.cursor(cursor{1, hashRead(&tupelov1.ReadRequest{Filter: &tupelov1.Filter{ObjectId: "x"}}), []byte("x")})
	forged := here.cursor(cursor{2, hashRead(&tupelov1.ReadRequest{}), []byte("\xff\xffno place that is")})
	return []badInput{
		{"large limit", &tupelov1.ReadRequest{Limit: 1001}, "InvalidArgument", "OUT_OF_BOUNDS", "limit", "1 to 1000"},
		{"negative limit", &tupelov1.ReadRequest{Limit: -1}, "InvalidArgument", "OUT_OF_BOUNDS", "limit", "1 to 1000"},
		{"no cursor", &tupelov1.ReadRequest{Cursor: "page 2"}, "InvalidArgument", "DAMAGED_CURSOR", "cursor", "not a cursor"},
		{"zookie for a cursor", &tupelov1.ReadRequest{Cursor: here.zookie(1)}, "InvalidArgument", "DAMAGED_CURSOR", "cursor", "not a cursor"},
		{"cursor of another filter", &tupelov1.ReadRequest{Cursor: other}, "InvalidArgument", "FOREIGN_CURSOR", "cursor", "first page"},
		{"cursor that the store did not give", &tupelov1.ReadRequest{Cursor: forged}, "InvalidArgument", "DAMAGED_CURSOR", "cursor", ""},
		{"cursor with no consistency", &tupelov1.ReadRequest{Cursor: other, Consistency: &tupelov1.Consistency{}}, "InvalidArgument", "NO_CONSISTENCY", "consistency", ""},
	}
}

// longKey is an idempotency key of one byte too many.
var longKey = strings.Repeat("k", 129)

func badWrites(t *testing.T) []badInput {
	touch := tupelov1.Update_OPERATION_TOUCH
	many := &tupelov1.WriteRequest{}
	for i := range 1001 {
		many.Updates = append(many.Updates, updates(t, touch, fmt.Sprintf("repository:r%d#owner@user:alice", i)).Updates...)
	}
	with := func(change func(*tupelov1.WriteRequest)) *tupelov1.WriteRequest {
		r := updates(t, touch, "repository:new#owner@user:alice")
		change(r)
		return r
	}
	const invalid = "InvalidArgument"
	return append(badPreconditions(func(list []*tupelov1.Precondition) proto.Message {
		return with(func(r *tupelov1.WriteRequest) { r.Preconditions = list })
	}), []badInput{
		{"no updates", &tupelov1.WriteRequest{}, invalid, "MISSING_FIELD", "updates", "at least 1"},
		{"too many updates", many, invalid, "TOO_MANY_ITEMS", "updates", "1000 are allowed"},
		{"no update", &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{}}}, invalid, "MISSING_FIELD", "updates[0].operation", "TOUCH"},
		{"no operation", with(func(r *tupelov1.WriteRequest) { r.Updates[0].Operation = 0 }), invalid, "MISSING_FIELD", "updates[0].operation", "TOUCH"},
		{"operation of tomorrow", with(func(r *tupelov1.WriteRequest) { r.Updates[0].Operation = 17 }), invalid, "OUT_OF_BOUNDS", "updates[0].operation", "17"},
		{"no tuple", with(func(r *tupelov1.WriteRequest) { r.Updates[0].Tuple = nil }), invalid, "MISSING_FIELD", "updates[0].tuple", "tuple is needed"},
		{"unknown field in a tuple", with(func(r *tupelov1.WriteRequest) { withUnknownField(r.Updates[0].Tuple) }), invalid, "UNKNOWN_FIELD", "updates[0].tuple", "tuple has fields"},
		{"unknown field in a subject", with(func(r *tupelov1.WriteRequest) { withUnknownField(r.Updates[0].Tuple.Subject) }), invalid, "UNKNOWN_FIELD", "updates[0].tuple", "subject has fields"},
		{"unknown field in an update", with(func(r *tupelov1.WriteRequest) { withUnknownField(r.Updates[0]) }), invalid, "UNKNOWN_FIELD", "updates[0]", "update has fields"},
		{"unknown field in the request", with(func(r *tupelov1.WriteRequest) { withUnknownField(r) }), invalid, "UNKNOWN_FIELD", "", "writerequest has fields"},
		{"long key", with(func(r *tupelov1.WriteRequest) { r.IdempotencyKey = longKey }), invalid, "OUT_OF_BOUNDS", "idempotency_key", "128 are allowed"},
		{"the same tuple twice", updates(t, touch, aliceOwns, "repository:a#owner@user:bob", aliceOwns), invalid, "DUPLICATE_UPDATE", "updates[2].tuple", "updates[0]"},
		{"a tuple that exists", updates(t, tupelov1.Update_OPERATION_CREATE, "repository:a#owner@user:bob", aliceOwns), "AlreadyExists", "TUPLE_EXISTS", "updates[1].tuple", aliceOwns},
	}...)
}

// badTuples are the faults of questions, in a tuple, and those of tuples only.
func badTuples(t *testing.T) (list []badInput) {
	write := func(tuples ...*tupelov1.Tuple) *tupelov1.WriteRequest {
		r := updates(t, tupelov1.Update_OPERATION_DELETE, "repository:club#reader@user:zoe")
		for _, one := range tuples {
			r.Updates = append(r.Updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: one})
		}
		return r
	}
	for _, q := range badQuestions() {
		relation := strings.NewReplacer("push", "owner", "pusk", "ownr").Replace(q.relation)
		says := strings.ReplaceAll(q.says, "push", "owner")
		list = append(list, badInput{q.name, write(&tupelov1.Tuple{Object: q.object, Relation: relation, Subject: q.subject}),
			q.code, q.reason, "updates[1].tuple." + q.field, says})
	}
	const failed = "FailedPrecondition"
	return append(list, []badInput{
		{"a permission", write(tupleMessage(t, alicePushes)), failed, "NOT_A_RELATION", "updates[1].tuple.relation", "repository#push is a permission"},
		{"a subject type not taken", write(tupleMessage(t, "repository:club#owner@team:core")), failed, "SUBJECT_NOT_ALLOWED", "updates[1].tuple.subject", "repository#owner does not take team; it takes user"},
		{"a userset not taken", write(tupleMessage(t, "repository:club#owner@team:core#member")), failed, "SUBJECT_NOT_ALLOWED", "updates[1].tuple.subject", "does not take team#member; it takes user"},
		{"a wildcard not taken", write(tupleMessage(t, "repository:club#maintainer@user:*")), failed, "SUBJECT_NOT_ALLOWED", "updates[1].tuple.subject", "does not take user:*; it takes user, team#member"},
		{"an object for a userset", write(tupleMessage(t, "repository:club#reader@team:core")), failed, "SUBJECT_NOT_ALLOWED", "updates[1].tuple.subject", "user:*"},
	}...)
}

func badPreconditions(request func([]*tupelov1.Precondition) proto.Message) (list []badInput) {
	must, mustNot := tupelov1.Precondition_CONDITION_MUST_MATCH, tupelov1.Precondition_CONDITION_MUST_NOT_MATCH
	owners := &tupelov1.Filter{ObjectType: "repository", ObjectId: "club", Relation: "owner"}
	many := make([]*tupelov1.Precondition, 1001)
	for i := range many {
		many[i] = &tupelov1.Precondition{Condition: must, Filter: owners}
	}
	one := func(p *tupelov1.Precondition) proto.Message { return request([]*tupelov1.Precondition{many[0], p}) }
	const invalid, failed = "InvalidArgument", "FailedPrecondition"
	return []badInput{
		{"too many preconditions", request(many), invalid, "TOO_MANY_ITEMS", "preconditions", "1000 are allowed"},
		{"no condition", one(&tupelov1.Precondition{Filter: owners}), invalid, "MISSING_FIELD", "preconditions[1].condition", "MUST_MATCH"},
		{"condition of tomorrow", one(&tupelov1.Precondition{Condition: 9, Filter: owners}), invalid, "OUT_OF_BOUNDS", "preconditions[1].condition", "9"},
		{"no filter", one(&tupelov1.Precondition{Condition: must}), invalid, "EMPTY_FILTER", "preconditions[1].filter", "every tuple"},
		{"unknown field in a precondition", one(withUnknownField(&tupelov1.Precondition{Condition: must, Filter: owners})), invalid, "UNKNOWN_FIELD", "preconditions[1]", ""},
		{"bad filter", one(&tupelov1.Precondition{Condition: must, Filter: &tupelov1.Filter{ObjectType: "A"}}), invalid, "INVALID_NAME", "preconditions[1].filter.object_type", ""},
		{"unknown type in a filter", one(&tupelov1.Precondition{Condition: must, Filter: &tupelov1.Filter{SubjectType: "usr"}}), failed, "UNKNOWN_TYPE", "preconditions[1].filter.subject_type", "user"},
		{"nothing matches", one(&tupelov1.Precondition{Condition: must, Filter: &tupelov1.Filter{ObjectType: "repository", SubjectId: "nobody"}}), failed, "PRECONDITION_NOT_MET", "preconditions[1]", "no tuple matches the filter repository:_#_@_:nobody#_"},
		{"something matches", one(&tupelov1.Precondition{Condition: mustNot, Filter: owners}), failed, "PRECONDITION_NOT_MET", "preconditions[1]", "a tuple matches the filter repository:club#owner@_:_#_"},
	}
}

// badFilters are the faults of filters, which Read and DeleteByFilter share.
func badFilters(*testing.T) (list []badInput) {
	const invalid, failed = "InvalidArgument", "FailedPrecondition"
	for _, c := range []struct {
		name                string
		f                   *tupelov1.Filter
		code, reason, field string
		says                string
	}{
		{"bad object type", &tupelov1.Filter{ObjectType: "a b"}, invalid, "INVALID_NAME", "filter.object_type", ""},
		{"bad object id", &tupelov1.Filter{ObjectId: "a b"}, invalid, "INVALID_ID", "filter.object_id", ""},
		{"wildcard object", &tupelov1.Filter{ObjectId: "*"}, invalid, "WILDCARD_NOT_ALLOWED", "filter.object_id", "leave the field empty"},
		{"bad prefix", &tupelov1.Filter{ObjectIdPrefix: "a*"}, invalid, "INVALID_ID", "filter.object_id_prefix", "at byte 1"},
		{"an id and a prefix", &tupelov1.Filter{ObjectId: "ab", ObjectIdPrefix: "a"}, invalid, "OUT_OF_BOUNDS", "filter.object_id_prefix", "one of the two"},
		{"bad relation", &tupelov1.Filter{Relation: "a/b"}, invalid, "INVALID_NAME", "filter.relation", ""},
		{"bad subject type", &tupelov1.Filter{SubjectType: "a-b"}, invalid, "INVALID_NAME", "filter.subject_type", ""},
		{"bad subject id", &tupelov1.Filter{SubjectId: "a@b"}, invalid, "INVALID_ID", "filter.subject_id", ""},
		{"long subject id", &tupelov1.Filter{SubjectId: strings.Repeat("a", 1025)}, invalid, "INVALID_ID", "filter.subject_id", ""},
		{"bad subject relation", &tupelov1.Filter{SubjectRelation: ptr("a#b")}, invalid, "INVALID_NAME", "filter.subject_relation", ""},
		{"unknown field", withUnknownField(&tupelov1.Filter{ObjectType: "team"}), invalid, "UNKNOWN_FIELD", "filter", "older than the client"},
		{"unknown object type", &tupelov1.Filter{ObjectType: "teem"}, failed, "UNKNOWN_TYPE", "filter.object_type", "team"},
		{"unknown relation", &tupelov1.Filter{ObjectType: "team", Relation: "owner"}, failed, "UNKNOWN_RELATION", "filter.relation", "team has no relation"},
		{"unknown relation of any type", &tupelov1.Filter{Relation: "ownr"}, failed, "UNKNOWN_RELATION", "filter.relation", `did you mean "owner"?`},
		{"permission", &tupelov1.Filter{ObjectType: "repository", Relation: "push"}, failed, "NOT_A_RELATION", "filter.relation", "repository#push is a permission"},
		{"permission of any type", &tupelov1.Filter{Relation: "cancel"}, failed, "NOT_A_RELATION", "filter.relation", "job#cancel is a permission"},
		{"unknown subject type", &tupelov1.Filter{SubjectType: "usr"}, failed, "UNKNOWN_TYPE", "filter.subject_type", "user"},
		{"unknown subject relation", &tupelov1.Filter{SubjectType: "team", SubjectRelation: ptr("membr")}, failed, "UNKNOWN_RELATION", "filter.subject_relation", "member"},
		{"unknown subject relation of any type", &tupelov1.Filter{SubjectRelation: ptr("membr")}, failed, "UNKNOWN_RELATION", "filter.subject_relation", "member"},
	} {
		list = append(list,
			badInput{"Read " + c.name, &tupelov1.ReadRequest{Filter: c.f}, c.code, c.reason, c.field, c.says},
			badInput{"Export " + c.name, &tupelov1.ExportRequest{Filter: c.f}, c.code, c.reason, c.field, c.says},
			badInput{"DeleteByFilter " + c.name, &tupelov1.DeleteByFilterRequest{Filter: c.f}, c.code, c.reason, c.field, c.says},
			badInput{"RegisterCounter " + c.name, &tupelov1.RegisterCounterRequest{Name: "a", Filter: c.f}, c.code, c.reason, c.field, c.says})
	}
	return list
}

func badDeletes(*testing.T) []badInput {
	owners := &tupelov1.Filter{ObjectType: "repository"}
	const invalid = "InvalidArgument"
	return append(badPreconditions(func(list []*tupelov1.Precondition) proto.Message {
		return &tupelov1.DeleteByFilterRequest{Filter: owners, Preconditions: list}
	}), []badInput{
		{"no filter", &tupelov1.DeleteByFilterRequest{}, invalid, "EMPTY_FILTER", "filter", "every tuple"},
		{"empty filter", &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{}}, invalid, "EMPTY_FILTER", "filter", "every tuple"},
		{"large limit", &tupelov1.DeleteByFilterRequest{Filter: owners, Limit: 1000001}, invalid, "OUT_OF_BOUNDS", "limit", "1 to 1000000"},
		{"negative limit", &tupelov1.DeleteByFilterRequest{Filter: owners, Limit: -1}, invalid, "OUT_OF_BOUNDS", "limit", "1 to 1000000"},
		{"unknown field", withUnknownField(&tupelov1.DeleteByFilterRequest{Filter: owners}), invalid, "UNKNOWN_FIELD", "", ""},
		{"long key", &tupelov1.DeleteByFilterRequest{Filter: owners, IdempotencyKey: longKey}, invalid, "OUT_OF_BOUNDS", "idempotency_key", "128 are allowed"},
	}...)
}

func badSchemas(*testing.T) []badInput {
	text := func(s string) *tupelov1.WriteSchemaRequest { return &tupelov1.WriteSchemaRequest{Text: s} }
	const invalid = "InvalidArgument"
	return []badInput{
		{"no language", text("hello"), invalid, "INVALID_SCHEMA", "text", "1:1:"},
		{"unknown type", text("definition user {}\ndefinition team {\n\trelation member: usr\n}"), invalid, "INVALID_SCHEMA", "text", "did you mean `user`?"},
		{"unknown field", withUnknownField(text("definition user {}")), invalid, "UNKNOWN_FIELD", "", ""},
		{"long key", &tupelov1.WriteSchemaRequest{Text: gitclub, IdempotencyKey: longKey}, invalid, "OUT_OF_BOUNDS", "idempotency_key", "128 are allowed"},
		{"one that strands tuples", text(strings.Replace(gitclub, "relation owner: user\n", "relation owner: team\n", 1)),
			"FailedPrecondition", "STRANDED_TUPLES", "text", "1 of repository#owner@user"},
	}
}

func TestNothingCanBeAskedBeforeTheFirstLeader(t *testing.T) {
	l := newTestLog(t)
	s := newTestServer(t, l, func(o *Options) { o.Tokens = []string{testToken} })
	w := &world{log: l, server: s, ctx: withToken(t.Context(), testToken)}
	w.client = tupelov1.NewTupeloClient(dialTest(t, s))
	requests := everyRead(t, nil)
	requests["Write"] = updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
	requests["WriteSchema"] = &tupelov1.WriteSchemaRequest{Text: gitclub}
	requests["UnregisterCounter"] = &tupelov1.UnregisterCounterRequest{Name: "owners"}
	requests["DeleteByFilter"] = &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "team"}}
	requests["RegisterCounter"] = registerOwners("")
	requests["Import"] = importOf(t, tupelov1.ImportRequest_MODE_TOUCH, aliceOwns)
	requests["Watch"] = &tupelov1.WatchRequest{Filters: []*tupelov1.WatchFilter{{ObjectType: "team"}}}
	for rpc, request := range requests {
		if got := seen(t, w.call(w.ctx, request)); got.code != "Unavailable" || got.reason != "ERROR_REASON_NO_LEADER" {
			t.Errorf("%s: %+v", rpc, got)
		}
	}
}

func TestWithoutASchemaThereIsNothingToAskAbout(t *testing.T) {
	w := newWorld(t, "")
	requests := everyRead(t, nil)
	requests["Write"] = updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns)
	requests["DeleteByFilter"] = &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "team"}}
	requests["RegisterCounter"] = registerOwners("")
	requests["Import"] = importOf(t, tupelov1.ImportRequest_MODE_TOUCH, aliceOwns)
	requests["Watch"] = &tupelov1.WatchRequest{Filters: []*tupelov1.WatchFilter{{ObjectType: "team"}}}
	for rpc, request := range requests {
		if got := seen(t, w.call(w.ctx, request)); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_NO_SCHEMA" {
			t.Errorf("%s: %+v", rpc, got)
		}
	}
}

// The deadline and the end of a call reach what the handler waits for.
func TestACallThatEndsEndsItsWait(t *testing.T) {
	w := newWorld(t, gitclub)
	behind := newFollower(t, w.log)
	behind.release(t, 1)
	s := newTestServer(t, behind, nil)
	for name, c := range map[string]*tupelov1.Consistency{
		"at least": atLeast(here.zookie(2)), "exact": exactly(here.zookie(2)), "fully": fully(),
	} {
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := s.Check(ended, checkRequest(t, c, alicePushes))
		if got := seen(t, statusOf(err).Err()); got.code != "Canceled" || got.reason != "ERROR_REASON_CANCELLED" {
			t.Errorf("%s, ended by the client: %+v", name, got)
		}
		late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
		_, err = s.Check(late, checkRequest(t, c, alicePushes))
		cancel()
		if got := seen(t, statusOf(err).Err()); got.code != "DeadlineExceeded" || got.reason != "ERROR_REASON_DEADLINE_EXCEEDED" {
			t.Errorf("%s, out of time: %+v", name, got)
		}
	}
}

// Once the call has ended, the evaluation of a batch does not go on.
func TestACallThatEndsEndsItsEvaluation(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r := &tupelov1.ExpandRequest{Object: &tupelov1.Object{Type: "repository", Id: "club"}, Relation: "push"}
	_, err := w.server.Expand(ended, r)
	if got := seen(t, statusOf(err).Err()); got.code != "Canceled" {
		t.Errorf("%+v", got)
	}
}
