package api

import (
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// listPage is what one call of a list sends, entries as "id yes".
type listPage struct {
	entries  []string
	cursor   string
	complete bool
	zookie   string
	messages int
}

// part is a message of a list.
type part interface {
	GetCursor() string
	GetComplete() bool
	GetZookie() string
}

func entry(id string, result tupelov1.Result) string {
	return id + " " + strings.ToLower(strings.TrimPrefix(result.String(), "RESULT_"))
}

// messages is the client's side of a stream.
type messages[M any] interface{ Recv() (*M, error) }

// collectPage reads a list to its end.
func collectPage[M any](t testing.TB, stream messages[M], err error, entries func(*M) []string) (p listPage) {
	t.Helper()
	for err == nil {
		var m *M
		if m, err = stream.Recv(); err != nil {
			break
		}
		if p.complete {
			t.Fatal("a message follows the one that says that the list is complete")
		}
		message := any(m).(part)
		if p.zookie != "" && p.zookie != message.GetZookie() {
			t.Fatal("the revision changes within a list")
		}
		p.entries = append(p.entries, entries(m)...)
		p.cursor, p.complete, p.zookie = message.GetCursor(), message.GetComplete(), message.GetZookie()
		p.messages++
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	return p
}

func (w *world) listObjects(t testing.TB, r *tupelov1.ListObjectsRequest) listPage {
	t.Helper()
	stream, err := w.client.ListObjects(w.ctx, r)
	return collectPage(t, stream, err, func(m *tupelov1.ListObjectsResponse) (list []string) {
		for _, o := range m.Objects {
			list = append(list, entry(o.Id, o.Result))
		}
		return list
	})
}

func (w *world) listSubjects(t testing.TB, r *tupelov1.ListSubjectsRequest) listPage {
	t.Helper()
	stream, err := w.client.ListSubjects(w.ctx, r)
	return collectPage(t, stream, err, func(m *tupelov1.ListSubjectsResponse) (list []string) {
		for _, o := range m.Subjects {
			list = append(list, entry(o.Id, o.Result))
		}
		return list
	})
}

const (
	listedUsers = 12
	listedTeams = 6
	listedRepos = 60
)

// newListWorld returns a world of repositories with teams that nest, wildcards
// and bans, and what writes something more to it.
func newListWorld(t testing.TB, seed uint64) (w *world, more func()) {
	t.Helper()
	w, rng := newWorld(t, gitclub), rand.New(rand.NewPCG(seed, 11))
	user := func() string { return fmt.Sprintf("user:u%02d", rng.IntN(listedUsers)) }
	team := func() string { return fmt.Sprintf("team:t%d", rng.IntN(listedTeams)) }
	repo := func() string { return fmt.Sprintf("repository:r%02d", rng.IntN(listedRepos)) }
	more = func() {
		t.Helper()
		list := map[string]bool{}
		for range 40 {
			list[[]string{
				team() + "#member@" + user(), team() + "#member@" + team() + "#member",
				repo() + "#owner@" + user(), repo() + "#maintainer@" + team() + "#member",
				repo() + "#reader@" + user(), repo() + "#reader@user:*", repo() + "#banned@" + user(),
			}[rng.IntN(7)]] = true
		}
		for text := range list {
			op := tupelov1.Update_OPERATION_TOUCH
			if rng.IntN(4) == 0 {
				op = tupelov1.Update_OPERATION_DELETE
			}
			if _, err := w.client.Write(w.ctx, updates(t, op, text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 4 {
		more()
	}
	return w, more
}

// checked asks about ids one by one, at a revision.
func (w *world) checked(t testing.TB, zookie string, ids []string, question func(id string) string) (list []string) {
	t.Helper()
	for _, id := range ids {
		if r := w.check(t, exactly(zookie), question(id)); r.Result != tupelov1.Result_RESULT_NO {
			list = append(list, entry(id, r.Result))
		}
	}
	return list
}

func numbered(format string, n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf(format, i))
	}
	return ids
}

// Pages of any size show one revision, whatever is written meanwhile, and of it
// exactly what Check does not deny.
func TestPagesOfAListOfObjectsAreWhatCheckSays(t *testing.T) {
	w, more := newListWorld(t, 1)
	rng := rand.New(rand.NewPCG(2, 2))
	found := 0
	for i := range listedUsers {
		for _, relation := range []string{"owner", "push", "pull"} {
			r := &tupelov1.ListObjectsRequest{
				ObjectType: "repository", Relation: relation, Subject: &tupelov1.Subject{Type: "user", Id: fmt.Sprintf("u%02d", i)},
			}
			var got []string
			first := ""
			for complete := false; !complete; {
				r.Limit = int32(1 + rng.IntN(20))
				p := w.listObjects(t, r)
				if len(p.entries) > int(r.Limit) || (first != "" && p.zookie != first) {
					t.Fatalf("a page of %d with the limit %d, at %s after %s", len(p.entries), r.Limit, p.zookie, first)
				}
				got = append(got, p.entries...)
				r.Cursor, complete, first = p.cursor, p.complete, p.zookie
				if rng.IntN(4) == 0 {
					more()
				}
			}
			want := w.checked(t, first, numbered("r%02d", listedRepos), func(id string) string {
				return fmt.Sprintf("repository:%s#%s@user:u%02d", id, relation, i)
			})
			if !slices.Equal(got, want) {
				t.Errorf("u%02d %s: got %v\nwant %v", i, relation, got, want)
			}
			found += len(got)
		}
	}
	if found < 100 {
		t.Errorf("only %d objects were found", found)
	}
}

func TestPagesOfAListOfSubjectsAreWhatCheckSays(t *testing.T) {
	w, more := newListWorld(t, 3)
	rng := rand.New(rand.NewPCG(4, 4))
	wildcards, denied := 0, 0
	for i := range listedRepos {
		r := &tupelov1.ListSubjectsRequest{
			Object: &tupelov1.Object{Type: "repository", Id: fmt.Sprintf("r%02d", i)}, Relation: "pull", SubjectType: "user",
		}
		got := make(map[string]string)
		first := ""
		for complete := false; !complete; {
			r.Limit = int32(1 + rng.IntN(5))
			p := w.listSubjects(t, r)
			for _, e := range p.entries {
				id, result, _ := strings.Cut(e, " ")
				if _, twice := got[id]; twice || (first != "" && p.zookie != first) {
					t.Fatalf("%s comes twice, or the revision changed", id)
				}
				got[id] = result
			}
			r.Cursor, complete, first = p.cursor, p.complete, p.zookie
			if rng.IntN(4) == 0 {
				more()
			}
		}
		for _, id := range append(numbered("u%02d", listedUsers), "somebody-else") {
			listed, ok := got[id]
			if !ok && got["*"] != "" {
				listed = got["*"]
			}
			answer := w.check(t, exactly(first), fmt.Sprintf("repository:r%02d#pull@user:%s", i, id)).Result
			if yes := answer == tupelov1.Result_RESULT_YES; yes != (listed == "yes") {
				t.Errorf("r%02d, %s: listed as %q, Check says %v; the list is %v", i, id, listed, answer, got)
			}
			if listed == "no" {
				denied++
			}
		}
		if got["*"] != "" {
			wildcards++
		}
	}
	if wildcards == 0 || denied == 0 {
		t.Errorf("%d wildcards, %d that they do not cover", wildcards, denied)
	}
}

// The first entries come at once, and a long list in few messages; its parts
// make up the whole wherever the connection breaks.
func TestAListGoesOnFromTheCursorOfAnyMessage(t *testing.T) {
	w := newWorld(t, gitclub)
	const n = 1000
	r := &tupelov1.WriteRequest{}
	for i := range n {
		r.Updates = append(r.Updates, updates(t, tupelov1.Update_OPERATION_TOUCH, fmt.Sprintf("repository:r%03d#owner@user:alice", i)).Updates...)
	}
	if _, err := w.client.Write(w.ctx, r); err != nil {
		t.Fatal(err)
	}
	request := &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: &tupelov1.Subject{Type: "user", Id: "alice"}}
	whole := w.listObjects(t, request)
	if len(whole.entries) != n || !whole.complete || whole.messages > 10 {
		t.Fatalf("%d entries in %d messages, complete: %v", len(whole.entries), whole.messages, whole.complete)
	}
	stream, err := w.client.ListObjects(w.ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	for before := 0; ; {
		m, err := stream.Recv()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if before == 0 && len(m.Objects) != firstListed {
			t.Errorf("the first message has %d objects", len(m.Objects))
		}
		before += len(m.Objects)
		request.Cursor = m.Cursor
		if rest := w.listObjects(t, request); !slices.Equal(rest.entries, whole.entries[before:]) || !rest.complete {
			t.Errorf("after %d entries %d follow, complete: %v", before, len(rest.entries), rest.complete)
		}
	}
}

func TestTheCursorOfAListIsBoundToEveryPartOfItsRequest(t *testing.T) {
	seen := make(map[requestHash]string)
	for name, hash := range map[string]requestHash{
		"read":               hashRead(&tupelov1.ReadRequest{}),
		"objects":            hashList("ListObjects", nil, "a", "b"),
		"subjects":           hashList("ListSubjects", nil, "a", "b"),
		"moved parts":        hashList("ListObjects", nil, "ab", ""),
		"at least":           hashList("ListObjects", atLeast("z"), "a", "b"),
		"exactly":            hashList("ListObjects", exactly("z"), "a", "b"),
		"exactly at another": hashList("ListObjects", exactly("y"), "a", "b"),
		"fully":              hashList("ListObjects", fully(), "a", "b"),
	} {
		if other, same := seen[hash]; same {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[hash] = name
	}
	if hashList("ListObjects", minimizeLatency(), "a", "b") != hashList("ListObjects", nil, "a", "b") {
		t.Error("the default by name is another request")
	}
}

func TestAListOfUsersetsNamesTheirObjects(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, coreReads, "team:core#member@team:inner#member", bobInCore)
	p := w.listSubjects(t, &tupelov1.ListSubjectsRequest{
		Object: &tupelov1.Object{Type: "repository", Id: "club"}, Relation: "pull", SubjectType: "team", SubjectRelation: "member",
	})
	if want := []string{"core yes", "inner yes"}; !slices.Equal(p.entries, want) || !p.complete {
		t.Errorf("%+v, want %v", p, want)
	}
}

func TestAnEmptyListIsCompleteToo(t *testing.T) {
	w := newWorld(t, gitclub)
	p := w.listObjects(t, &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: &tupelov1.Subject{Type: "user", Id: "nobody"}})
	if len(p.entries) != 0 || !p.complete || p.zookie == "" || p.messages != 1 {
		t.Errorf("%+v", p)
	}
}

func TestAListThatTheStreamRefusesEnds(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, aliceOwns)
	r := &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: &tupelov1.Subject{Type: "user", Id: "alice"}}
	if err := w.server.ListObjects(r, brokenList{ctx: t.Context()}); err != errTest {
		t.Errorf("%v", err)
	}
}

func TestRelationsAreListedWithTheirKind(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, coreReads, bobInCore, "repository:club#maintainer@user:bob")
	r, err := w.client.ListRelations(w.ctx, &tupelov1.ListRelationsRequest{
		Object: &tupelov1.Object{Type: "repository", Id: "club"}, Subject: &tupelov1.Subject{Type: "user", Id: "bob"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range r.Relations {
		got = append(got, fmt.Sprint(entry(l.Name, l.Result), " ", l.Permission))
	}
	if want := []string{"maintainer yes false", "reader yes false", "push yes true", "pull yes true"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	if revision, err := here.parseZookie(r.Zookie); err != nil || revision != w.log.last() {
		t.Errorf("the zookie is of %d, %v", revision, err)
	}
}

// badLists are the faults of questions, in the requests of lists.
func badLists(*testing.T) (list []badInput) {
	const invalid = "InvalidArgument"
	club, alice := &tupelov1.Object{Type: "repository", Id: "club"}, &tupelov1.Subject{Type: "user", Id: "alice"}
	for _, q := range badQuestions() {
		ofObject := strings.HasPrefix(q.field, "object")
		if !strings.HasPrefix(q.field, "subject") {
			list = append(list, badInput{"ListSubjects " + q.name, &tupelov1.ListSubjectsRequest{
				Object: q.object, Relation: q.relation, SubjectType: "user"}, q.code, q.reason, q.field, q.says})
		}
		if !ofObject {
			list = append(list, badInput{"ListObjects " + q.name, &tupelov1.ListObjectsRequest{
				ObjectType: "repository", Relation: q.relation, Subject: q.subject}, q.code, q.reason, q.field, q.says})
		}
		if q.field != "relation" {
			list = append(list, badInput{"ListRelations " + q.name, &tupelov1.ListRelationsRequest{
				Object: q.object, Subject: q.subject}, q.code, q.reason, q.field, q.says})
		}
	}
	objects := func(change func(*tupelov1.ListObjectsRequest)) *tupelov1.ListObjectsRequest {
		r := &tupelov1.ListObjectsRequest{ObjectType: "repository", Relation: "push", Subject: alice}
		change(r)
		return r
	}
	subjects := func(change func(*tupelov1.ListSubjectsRequest)) *tupelov1.ListSubjectsRequest {
		r := &tupelov1.ListSubjectsRequest{Object: club, Relation: "push", SubjectType: "user"}
		change(r)
		return r
	}
	other := here.cursor(cursor{2, hashList("ListObjects", nil, "repository", "pull", "user", "alice", ""), []byte("x")})
	return append(list, []badInput{
		{"no object type", objects(func(r *tupelov1.ListObjectsRequest) { r.ObjectType = "" }), invalid, "MISSING_FIELD", "object_type", ""},
		{"unknown object type", objects(func(r *tupelov1.ListObjectsRequest) { r.ObjectType = "repo" }), "FailedPrecondition", "UNKNOWN_TYPE", "object_type", ""},
		{"wildcard subject", objects(func(r *tupelov1.ListObjectsRequest) { r.Subject = &tupelov1.Subject{Type: "user", Id: "*"} }), invalid, "WILDCARD_NOT_ALLOWED", "subject.id", ""},
		{"negative limit of objects", objects(func(r *tupelov1.ListObjectsRequest) { r.Limit = -1 }), invalid, "OUT_OF_BOUNDS", "limit", "0 lists all"},
		{"no cursor of objects", objects(func(r *tupelov1.ListObjectsRequest) { r.Cursor = "page 2" }), invalid, "DAMAGED_CURSOR", "cursor", ""},
		{"cursor of other objects", objects(func(r *tupelov1.ListObjectsRequest) { r.Cursor = other }), invalid, "FOREIGN_CURSOR", "cursor", "first page"},
		{"no subject type", subjects(func(r *tupelov1.ListSubjectsRequest) { r.SubjectType = "" }), invalid, "MISSING_FIELD", "subject_type", ""},
		{"unknown subject type", subjects(func(r *tupelov1.ListSubjectsRequest) { r.SubjectType = "usr" }), "FailedPrecondition", "UNKNOWN_TYPE", "subject_type", "user"},
		{"bad subject relation", subjects(func(r *tupelov1.ListSubjectsRequest) { r.SubjectRelation = "a/b" }), invalid, "INVALID_NAME", "subject_relation", ""},
		{"unknown subject relation", subjects(func(r *tupelov1.ListSubjectsRequest) { r.SubjectType, r.SubjectRelation = "team", "membr" }), "FailedPrecondition", "UNKNOWN_RELATION", "subject_relation", "member"},
		{"negative limit of subjects", subjects(func(r *tupelov1.ListSubjectsRequest) { r.Limit = -1 }), invalid, "OUT_OF_BOUNDS", "limit", "0 lists all"},
		{"cursor of objects for subjects", subjects(func(r *tupelov1.ListSubjectsRequest) { r.Cursor = other }), invalid, "FOREIGN_CURSOR", "cursor", ""},
	}...)
}
