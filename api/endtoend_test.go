package api

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/internal/golden"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store"
)

func TestASchemaAndTuplesAreWrittenAndQuestionsAnswered(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t,
		"team:core#member@user:alice",
		"repository:club#maintainer@team:core#member",
		"repository:club#reader@user:*",
		"repository:club#banned@user:mallory",
		"job:build#repo@repository:club",
		"job:build#creator@user:bob",
	)
	for question, want := range map[string]tupelov1.Result{
		"job:build#cancel@user:alice":                  tupelov1.Result_RESULT_YES,
		"job:build#cancel@user:bob":                    tupelov1.Result_RESULT_YES,
		"job:build#cancel@user:carol":                  tupelov1.Result_RESULT_NO,
		"repository:club#pull@user:carol":              tupelov1.Result_RESULT_YES,
		"repository:club#pull@user:mallory":            tupelov1.Result_RESULT_NO,
		"repository:club#push@team:core#member":        tupelov1.Result_RESULT_YES,
		"repository:other#push@user:alice":             tupelov1.Result_RESULT_NO,
		"repository:club#maintainer@team:other#member": tupelov1.Result_RESULT_NO,
	} {
		if got := w.check(t, nil, question).Result; got != want {
			t.Errorf("%s: %v, want %v", question, got, want)
		}
	}
}

func TestABatchIsAnsweredInOrderWithErrorsInTheirPlaces(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#owner@user:alice")
	zookie := w.touch(t, "repository:club#owner@user:bob")
	unknown := checkItem(t, "repository:club#push@user:alice")
	unknown.Relation = "pusk"
	response, err := w.client.BatchCheck(w.ctx, &tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
		checkItem(t, "repository:club#push@user:alice"),
		checkItem(t, "repository:club#push@user:carol"),
		unknown,
		{},
		nil,
		checkItem(t, "repository:club#push@user:bob"),
		checkItem(t, "repository:club#push@user:alice"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range response.Results {
		if r.Error != nil {
			got = append(got, codes.Code(r.Error.Code).String()+" "+r.Error.Message)
			continue
		}
		got = append(got, r.Result.String())
	}
	want := []string{
		"RESULT_YES",
		"RESULT_NO",
		`FailedPrecondition items[2].relation: repository has no relation or permission "pusk"; did you mean "push"?`,
		"InvalidArgument items[3].object: an object is needed",
		"InvalidArgument items[4].object: an object is needed",
		"RESULT_YES",
		"RESULT_YES",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if response.Zookie != zookie {
		t.Errorf("the zookie is %s, not that of the newest revision, %s", response.Zookie, zookie)
	}
}

func TestPagesOfAReadShowOneRevisionWithoutGapsOrRepeats(t *testing.T) {
	w := newWorld(t, gitclub)
	var want []string
	for i := range 25 {
		want = append(want, fmt.Sprintf("repository:r%02d#owner@user:alice", i))
	}
	w.touch(t, want...)
	zookie := w.touch(t, "team:core#member@user:alice")
	request := &tupelov1.ReadRequest{Filter: &tupelov1.Filter{ObjectType: "repository"}, Limit: 4, Consistency: fully()}
	var got []string
	for {
		page, err := w.client.Read(w.ctx, request)
		if err != nil {
			t.Fatal(err)
		}
		if page.Zookie != zookie {
			t.Fatalf("a page is of %s, not of the first page's %s", page.Zookie, zookie)
		}
		for _, one := range page.Tuples {
			got = append(got, tupleText(one))
		}
		if page.NextCursor == "" {
			break
		}
		request.Cursor = page.NextCursor
		request.Limit = 7
		// What is written between two pages is not seen.
		w.touch(t, fmt.Sprintf("repository:between%d#owner@user:bob", len(got)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestAReadSelectsByAnyPart(t *testing.T) {
	w := newWorld(t, gitclub)
	all := []string{
		"repository:club#maintainer@team:core#member",
		"repository:club#owner@user:alice",
		"repository:club#reader@user:*",
		"repository:hub#owner@user:bob",
		"team:core#member@user:alice",
	}
	w.touch(t, all...)
	for _, c := range []struct {
		filter *tupelov1.Filter
		want   []int
	}{
		{nil, []int{0, 1, 2, 3, 4}},
		{&tupelov1.Filter{}, []int{0, 1, 2, 3, 4}},
		{&tupelov1.Filter{ObjectType: "team"}, []int{4}},
		{&tupelov1.Filter{ObjectId: "club"}, []int{0, 1, 2}},
		{&tupelov1.Filter{ObjectIdPrefix: "c"}, []int{0, 1, 2, 4}},
		{&tupelov1.Filter{ObjectIdPrefix: "c", Relation: "owner"}, []int{1}},
		{&tupelov1.Filter{ObjectIdPrefix: "c", SubjectId: "alice"}, []int{1, 4}},
		{&tupelov1.Filter{Relation: "owner"}, []int{1, 3}},
		{&tupelov1.Filter{SubjectType: "user"}, []int{1, 2, 3, 4}},
		{&tupelov1.Filter{SubjectId: "alice"}, []int{1, 4}},
		{&tupelov1.Filter{SubjectId: "*"}, []int{2}},
		{&tupelov1.Filter{SubjectRelation: ptr("")}, []int{1, 2, 3, 4}},
		{&tupelov1.Filter{SubjectRelation: ptr("member")}, []int{0}},
		{&tupelov1.Filter{ObjectType: "repository", Relation: "owner", SubjectId: "bob"}, []int{3}},
		{&tupelov1.Filter{ObjectId: "nothing"}, nil},
	} {
		page, err := w.client.Read(w.ctx, &tupelov1.ReadRequest{Filter: c.filter})
		if err != nil {
			t.Fatal(err)
		}
		var got, want []string
		for _, one := range page.Tuples {
			got = append(got, tupleText(one))
		}
		for _, i := range c.want {
			want = append(want, all[i])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) || page.NextCursor != "" {
			t.Errorf("%v selects %q, want %q", c.filter, got, want)
		}
	}
}

func TestAWriteIsAllOrNothing(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	r := updates(t, tupelov1.Update_OPERATION_CREATE, "repository:new#owner@user:alice", aliceOwns)
	r.Updates = append(r.Updates, updates(t, tupelov1.Update_OPERATION_DELETE, aliceOwns).Updates...)
	if _, err := w.client.Write(w.ctx, r); seen(t, err).reason != "ERROR_REASON_DUPLICATE_UPDATE" {
		t.Errorf("%v", err)
	}
	r.Updates = r.Updates[:2]
	if _, err := w.client.Write(w.ctx, r); seen(t, err).reason != "ERROR_REASON_TUPLE_EXISTS" {
		t.Errorf("%v", err)
	}
	if got := w.check(t, nil, "repository:new#push@user:alice").Result; got != tupelov1.Result_RESULT_NO {
		t.Errorf("half of a write is there: %v", got)
	}
}

func TestPreconditionsGuardAWrite(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	r := updates(t, tupelov1.Update_OPERATION_TOUCH, "repository:club#maintainer@user:bob")
	r.Preconditions = []*tupelov1.Precondition{
		{Condition: tupelov1.Precondition_CONDITION_MUST_MATCH, Filter: &tupelov1.Filter{ObjectType: "repository", ObjectId: "club", Relation: "owner", SubjectId: "alice"}},
		{Condition: tupelov1.Precondition_CONDITION_MUST_NOT_MATCH, Filter: &tupelov1.Filter{ObjectType: "repository", ObjectId: "club", Relation: "banned", SubjectId: "bob", SubjectRelation: ptr("")}},
	}
	if _, err := w.client.Write(w.ctx, r); err != nil {
		t.Fatal(err)
	}
	w.touch(t, "repository:club#banned@user:bob")
	_, err := w.client.Write(w.ctx, r)
	got := seen(t, err)
	if want := "preconditions[1]: a tuple matches the filter repository:club#banned@_:bob"; got.message != want {
		t.Errorf("%q, want %q", got.message, want)
	}
}

func TestThePrefixOfAnIDWaitsForTheCluster(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	byPrefix := &tupelov1.Filter{ObjectIdPrefix: "cl"}
	guarded := updates(t, tupelov1.Update_OPERATION_TOUCH, "repository:club#maintainer@user:bob")
	guarded.Preconditions = []*tupelov1.Precondition{{Condition: tupelov1.Precondition_CONDITION_MUST_NOT_MATCH, Filter: byPrefix}}
	deletion := &tupelov1.DeleteByFilterRequest{Filter: byPrefix}
	before := w.log.last()
	for _, r := range []proto.Message{guarded, deletion} {
		if got := seen(t, w.call(w.ctx, r)); got.reason != "ERROR_REASON_CLUSTER_UPGRADING" || w.log.last() != before {
			t.Errorf("before the upgrade: %+v, and %d proposed", got, w.log.last()-before)
		}
	}
	w.log.propose(t, store.Upgrade{Format: store.MaxFormat})
	_, err := w.client.Write(w.ctx, guarded)
	if got := seen(t, err); got.message != "preconditions[0]: a tuple matches the filter _:cl…#_@_:_#_" {
		t.Errorf("%+v", got)
	}
	if r, err := w.client.DeleteByFilter(w.ctx, deletion); err != nil || r.Deleted != 1 || !r.Complete {
		t.Errorf("%v, %v", r, err)
	}
	if _, err := w.client.Write(w.ctx, guarded); err != nil {
		t.Error(err)
	}
}

func TestDeletionsCanBeRepeatedAfterTheSchemaMovedOn(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#maintainer@team:core#member")
	r := updates(t, tupelov1.Update_OPERATION_DELETE, "repository:club#maintainer@team:core#member")
	for range 2 {
		if _, err := w.client.Write(w.ctx, r); err != nil {
			t.Fatal(err)
		}
		w.writeSchema(t, strings.Replace(gitclub, "maintainer: user | team#member", "maintainer: user", 1))
	}
}

// The schema changes between the check of a write and its apply.
func TestAWriteRacingASchemaGetsTheErrorOfTheNewSchema(t *testing.T) {
	w := newWorld(t, gitclub)
	narrower := strings.Replace(gitclub, "maintainer: user | team#member", "maintainer: user", 1)
	w.log.before = func() { w.writeSchema(t, narrower) }
	_, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_TOUCH, "repository:club#maintainer@team:core#member"))
	got := seen(t, err)
	if got.reason != "ERROR_REASON_SUBJECT_NOT_ALLOWED" || got.field != "updates[0].tuple.subject" {
		t.Errorf("%+v", got)
	}
}

// A schema that changes to and fro faster than writes are checked.
func TestAWriteThatAlwaysRacesTheSchemaIsAborted(t *testing.T) {
	w := newWorld(t, gitclub)
	narrower := strings.Replace(gitclub, "maintainer: user | team#member", "maintainer: user", 1)
	races := 0
	var flip func()
	flip = func() {
		races++
		w.writeSchema(t, narrower)
		w.log.after = func() {
			w.writeSchema(t, gitclub)
			w.log.before = flip
		}
	}
	w.log.before = flip
	_, err := w.client.Write(w.ctx, updates(t, tupelov1.Update_OPERATION_TOUCH, "repository:club#maintainer@team:core#member"))
	if got := seen(t, err); got.code != "Aborted" || got.reason != "ERROR_REASON_SCHEMA_CHANGED" || races != maxSchemaRaces {
		t.Errorf("after %d races: %+v", races, got)
	}
}

// A client that was told of a new schema writes by it at a replica that has not
// heard of it yet.
func TestAWriteAtALaggingReplicaIsHeldToTheNewestSchema(t *testing.T) {
	c := newCluster(t, nil) // whose replica has no schema at all yet
	c.waiting = func() { c.release(t, c.revoked) }
	_, err := c.replica.Write(t.Context(), updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns))
	if err != nil {
		t.Fatal(err)
	}
	if waits, _ := c.calls(); waits != 1 {
		t.Errorf("%d waits: the replica was not behind", waits)
	}
}

// A replica that catches up between the refusal and the question whether it was
// behind, as one does that was elected a moment ago, has refused by the old schema
// all the same.
func TestAWriteIsNotRefusedByASchemaThatIsGoneMeanwhile(t *testing.T) {
	c := newCluster(t, nil)
	c.indexing = func() { c.release(t, c.revoked) }
	_, err := c.replica.Write(t.Context(), updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns))
	if err != nil {
		t.Fatal(err)
	}
}

func TestWriteErrorsOfTheLogKeepTheirMeaning(t *testing.T) {
	w := newWorld(t, gitclub)
	w.log.propose(t, store.Upgrade{Format: store.MaxFormat})
	for kind, want := range map[string]string{
		"no-leader": "Unavailable", "outcome-unknown": "Unknown", "overloaded": "ResourceExhausted",
		"too-large": "ResourceExhausted", "closed": "Unavailable", "failed": "Unavailable",
	} {
		w.log.failWith(logError(kind))
		for name, request := range map[string]proto.Message{
			"Write":          updates(t, tupelov1.Update_OPERATION_TOUCH, aliceOwns),
			"WriteSchema":    &tupelov1.WriteSchemaRequest{Text: gitclub},
			"DeleteByFilter": &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "team"}},

			"RegisterCounter":   registerOwners(""),
			"UnregisterCounter": &tupelov1.UnregisterCounterRequest{Name: "owners"},
		} {
			if got := seen(t, w.call(w.ctx, request)); got.code != want {
				t.Errorf("%s, %s: %+v", name, kind, got)
			}
		}
	}
}

// A client without patience of its own is not kept for ever, and is told the truth.
func TestAWriteWhoseFateIsNotLearnedIsUnknownAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLog(t)
		l.lead(t)
		s := newTestServer(t, l, func(o *Options) { o.Log, o.WaitLimit = stuckLog{l}, 7*time.Second })
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begun := time.Now()
		_, err := s.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: gitclub})
		if got := seen(t, statusOf(err).Err()); got.code != "Unknown" || got.reason != "ERROR_REASON_OUTCOME_UNKNOWN" {
			t.Errorf("%+v", got)
		}
		if waited := time.Since(begun); waited != 7*time.Second {
			t.Errorf("it waited for %s", waited)
		}
	})
}

func TestASchemaIsReadAsItWasWritten(t *testing.T) {
	w := newWorld(t, gitclub)
	first := here.zookie(w.log.last())
	zookie := w.touch(t, aliceOwns)
	r, err := w.client.ReadSchema(w.ctx, &tupelov1.ReadSchemaRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Text != gitclub || r.WrittenAt != first || r.Zookie != zookie {
		t.Errorf("%v", r)
	}
	w.writeSchema(t, gitclub) // once more the same is fine, and changes nothing
	if r, err = w.client.ReadSchema(w.ctx, &tupelov1.ReadSchemaRequest{}); err != nil || r.WrittenAt != first {
		t.Errorf("%v, %v", r, err)
	}
}

func TestASchemaWithSeveralProblemsListsEachWithItsPlace(t *testing.T) {
	w := newWorld(t, "")
	_, err := w.client.WriteSchema(w.ctx, &tupelov1.WriteSchemaRequest{
		Text: "definition user {}\n\ndefinition team {\n\trelation member: usr\n\tpermission view = membr\n}\n",
	})
	var places []string
	for _, detail := range seen(t, err).status.Details() {
		if d, ok := detail.(*errdetails.BadRequest); ok {
			for _, v := range d.FieldViolations {
				place, _, _ := strings.Cut(v.Description, " ")
				places = append(places, v.Field+" "+place)
			}
		}
	}
	if want := []string{"text 4:19:", "text 5:20:"}; !slices.Equal(places, want) {
		t.Errorf("%q, want %q", places, want)
	}
}

func TestASchemaThatStrandsTuplesListsWhichAndHowMany(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:a#reader@user:*", "repository:a#reader@user:u", "repository:b#reader@user:u", "team:core#member@user:u")
	_, err := w.client.WriteSchema(w.ctx, &tupelov1.WriteSchemaRequest{
		Text: "definition user {}\ndefinition repository {\n\trelation owner: user\n}\n",
	})
	got := map[string]string{}
	for _, detail := range seen(t, err).status.Details() {
		if d, ok := detail.(*errdetails.PreconditionFailure); ok {
			for _, v := range d.Violations {
				got[v.Subject] = v.Description
			}
		}
	}
	want := map[string]string{
		"repository#reader@user": "2 stored", "repository#reader@user:*": "1 stored", "team#member@user": "1 stored",
	}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestExpandShowsTheTreeByName(t *testing.T) {
	w := newWorld(t, gitclub)
	zookie := w.touch(t,
		"job:build#repo@repository:club",
		"repository:club#maintainer@team:core#member",
		"team:core#member@user:alice",
		"job:build#creator@user:bob",
	)
	r, err := w.client.Expand(w.ctx, &tupelov1.ExpandRequest{
		Object: &tupelov1.Object{Type: "job", Id: "build"}, Relation: "cancel", MaxDepth: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if r.Zookie != zookie || r.Truncated {
		t.Errorf("zookie %s, truncated %t", r.Zookie, r.Truncated)
	}
	golden.File(t, "testdata/expand.golden", outline(r.Tree, ""))

	r, err = w.client.Expand(w.ctx, &tupelov1.ExpandRequest{
		Object: &tupelov1.Object{Type: "job", Id: "build"}, Relation: "cancel", MaxSubjects: 1,
	})
	if err != nil || !r.Truncated {
		t.Errorf("of two subjects and more one is shown, and truncated is %t (%v)", r.GetTruncated(), err)
	}
}

func TestATreeShowsWhatLacksTheTargetOfAnArrowOverAll(t *testing.T) {
	w := newWorld(t, `
definition user {}
definition note {}
definition team {
	relation member: user
}
definition doc {
	relation team: team | note
	permission sign = team.all(member)
}`)
	w.touch(t, "team:red#member@user:ann", "doc:x#team@team:red", "doc:x#team@note:n")
	r, err := w.client.Expand(w.ctx, &tupelov1.ExpandRequest{Object: &tupelov1.Object{Type: "doc", Id: "x"}, Relation: "sign"})
	if err != nil {
		t.Fatal(err)
	}
	const want = `USERSET doc:x#sign
  TUPLE_TO_USERSET_ALL doc:x#team -> member
    USERSET note:n#
      NIL
    USERSET team:red#member
      THIS team:red#member [user:ann#]`
	if got := outline(r.Tree, ""); got != want {
		t.Errorf("the tree is\n%s\nwant\n%s", got, want)
	}
}

// outline writes every field of a tree that is set.
func outline(n *tupelov1.UsersetTree, indent string) string {
	text := indent + strings.TrimPrefix(n.Kind.String(), "KIND_")
	if n.Object != nil {
		text += " " + n.Object.Type + ":" + n.Object.Id + "#" + n.Relation
	}
	if n.Target != "" {
		text += " -> " + n.Target
	}
	for _, s := range n.Subjects {
		text += " [" + s.Type + ":" + s.Id + "#" + s.Relation + "]"
	}
	if n.Cut != 0 {
		text += " " + n.Cut.String()
	}
	for _, child := range n.Children {
		text += "\n" + outline(child, indent+"  ")
	}
	return text
}

// Kinds and cuts that the evaluator may learn must not come out as "never sent".
func TestEveryKindOfNodeHasItsName(t *testing.T) {
	for kind := rewrite.UsersetTree; kind <= rewrite.SelfTree; kind++ {
		if treeKinds[kind] == tupelov1.UsersetTree_KIND_UNSPECIFIED {
			t.Errorf("kind %d has no name", kind)
		}
	}
	for cut := rewrite.Whole; cut <= rewrite.Repeated; cut++ {
		if _, ok := treeCuts[cut]; !ok {
			t.Errorf("cut %d has no name", cut)
		}
	}
	if len(treeKinds) != len(tupelov1.UsersetTree_Kind_name)-1 || len(treeCuts) != len(tupelov1.UsersetTree_Cut_name) {
		t.Errorf("%d kinds and %d cuts are named", len(treeKinds), len(treeCuts))
	}
}

// The limits of the evaluator are errors of their own, in a batch too.
func TestDataDeeperThanTheLimitIsAnErrorNotAnAnswer(t *testing.T) {
	w := newWorld(t, gitclub)
	var chain []string
	for i := range 60 {
		chain = append(chain, fmt.Sprintf("team:t%d#member@team:t%d#member", i, i+1))
	}
	w.touch(t, append(chain, "team:t60#member@user:alice")...)
	const deep = "team:t0#member@user:alice"
	_, err := w.client.Check(w.ctx, checkRequest(t, nil, deep))
	if got := seen(t, err); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_DEPTH_EXCEEDED" {
		t.Errorf("%+v", got)
	}
	batch, err := w.client.BatchCheck(w.ctx, &tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
		checkItem(t, deep), checkItem(t, "team:t59#member@user:alice"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	first, second := batch.Results[0], batch.Results[1]
	if codes.Code(first.Error.GetCode()) != codes.FailedPrecondition || first.Result != tupelov1.Result_RESULT_UNSPECIFIED {
		t.Errorf("%v", first)
	}
	if second.Error != nil || second.Result != tupelov1.Result_RESULT_YES {
		t.Errorf("%v", second)
	}
}
