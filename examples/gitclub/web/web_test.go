package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/examples/gitclub/gitclubtest"
)

// newService returns web over a node with GitClub, and the client that it uses.
func newService(t *testing.T) (http.Handler, *gitclubtest.Faulty) {
	t.Helper()
	_, node := gitclubtest.Start(t)
	client := &gitclubtest.Faulty{TupeloClient: node}
	known, err := newRepositories()
	if err != nil {
		t.Fatal(err)
	}
	return newHandler(client, known), client
}

// send sends a request for a user, and returns the status and body of the answer.
func send(t *testing.T, web http.Handler, user, method, path string) (int, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if user != "" {
		request.Header.Set(gitclub.UserHeader, user)
	}
	recorder := httptest.NewRecorder()
	web.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

// keptZookie returns the zookie in a repository's record.
func keptZookie(t *testing.T, web http.Handler, repository string) string {
	t.Helper()
	code, body := send(t, web, "", http.MethodGet, "/repositories/"+repository)
	if code != http.StatusOK {
		t.Fatalf("showing repository %s: %d %s", repository, code, body)
	}
	var record struct{ ID, Zookie string }
	if err := json.Unmarshal([]byte(body), &record); err != nil {
		t.Fatal(err)
	}
	if record.ID != repository {
		t.Fatalf("asked for repository %s, got %q", repository, record.ID)
	}
	return record.Zookie
}

// maintains asks the node, at a zookie's exact revision or at the newest one,
// whether a user maintains repository gitclub.
func maintains(t *testing.T, client tupelov1.TupeloClient, user string, consistency *tupelov1.Consistency) bool {
	t.Helper()
	response, err := client.Check(t.Context(), &tupelov1.CheckRequest{
		Consistency: consistency,
		Object:      &tupelov1.Object{Type: "repository", Id: "gitclub"},
		Relation:    "maintain",
		Subject:     &tupelov1.Subject{Type: "user", Id: user},
	})
	if err != nil {
		t.Fatal(err)
	}
	return response.Result == tupelov1.Result_RESULT_YES
}

func exactly(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
}

const zoesRole = "/repositories/gitclub/roles/maintainer/zoe"

func TestTheRecordKeepsTheZookieOfEachChange(t *testing.T) {
	web, client := newService(t)
	if zookie := keptZookie(t, web, "gitclub"); zookie != "" {
		t.Errorf("a record that was not changed yet has the zookie %q", zookie)
	}
	for i, method := range []string{http.MethodPost, http.MethodDelete, http.MethodPost} {
		if code, body := send(t, web, "carol", method, zoesRole); code != http.StatusNoContent {
			t.Fatalf("%s: %d %s", method, code, body)
		}
		zookie := keptZookie(t, web, "gitclub")
		if got, want := maintains(t, client, "zoe", exactly(zookie)), method == http.MethodPost; got != want {
			t.Errorf("change %d: at the zookie that is kept, zoe maintains: %v, want %v", i, got, want)
		}
	}
	if zookie := keptZookie(t, web, "jobs"); zookie != "" {
		t.Errorf("repository jobs was not changed, and has the zookie %q", zookie)
	}
}

func TestWebRefusesWhatItMust(t *testing.T) {
	web, client := newService(t)
	tests := []struct {
		name, user, method, path string
		want                     int
	}{
		{"nobody asks", "", http.MethodPost, zoesRole, http.StatusUnauthorized},
		{"a maintainer is no admin", "alice", http.MethodPost, zoesRole, http.StatusForbidden},
		{"an admin of another repository", "dave", http.MethodDelete, zoesRole, http.StatusForbidden},
		{"no such repository", "carol", http.MethodPost, "/repositories/attic/roles/maintainer/zoe", http.StatusNotFound},
		{"no such record", "carol", http.MethodGet, "/repositories/attic", http.StatusNotFound},
		{"a relation that is no role", "carol", http.MethodPost, "/repositories/gitclub/roles/organization/zoe", http.StatusNotFound},
		{"an id that no user can have", "carol", http.MethodPost, "/repositories/gitclub/roles/reader/zo%20e", http.StatusBadRequest},
		{"everybody at once", "carol", http.MethodPost, "/repositories/gitclub/roles/reader/*", http.StatusBadRequest},
		{"another method", "carol", http.MethodPut, zoesRole, http.StatusMethodNotAllowed},
	}
	for _, test := range tests {
		if code, body := send(t, web, test.user, test.method, test.path); code != test.want {
			t.Errorf("%s: %d %s, want %d", test.name, code, body, test.want)
		}
	}
	if maintains(t, client, "zoe", gitclub.AtLeastAsFreshAs("")) {
		t.Error("zoe became a maintainer all the same")
	}
}

func TestARemovedAdminRemovesNobody(t *testing.T) {
	web, client := newService(t)
	asked := 0
	client.OnCheck = func(r *tupelov1.CheckRequest) error {
		if asked++; asked == 2 && r.Consistency.GetAtLeastAsFresh() == "" {
			t.Errorf("the second change is decided at %v, not at the zookie of the first", r.Consistency)
		}
		return nil
	}
	if code, body := send(t, web, "carol", http.MethodDelete, "/repositories/gitclub/roles/admin/carol"); code != http.StatusNoContent {
		t.Fatalf("carol steps down: %d %s", code, body)
	}
	if code, body := send(t, web, "carol", http.MethodPost, zoesRole); code != http.StatusForbidden {
		t.Errorf("carol, who stepped down, still changes roles: %d %s", code, body)
	}
}

func TestAnUnknownOutcomeForgetsTheZookie(t *testing.T) {
	web, client := newService(t)
	if code, body := send(t, web, "carol", http.MethodPost, zoesRole); code != http.StatusNoContent {
		t.Fatalf("granting: %d %s", code, body)
	}
	client.AfterWrite = func(context.Context) error { return status.Error(codes.DeadlineExceeded, "no answer") }
	if code, body := send(t, web, "carol", http.MethodDelete, zoesRole); code != http.StatusGatewayTimeout {
		t.Errorf("a removal without an answer is answered %d %s", code, body)
	}
	if maintains(t, client, "zoe", gitclub.AtLeastAsFreshAs("")) {
		t.Fatal("the test is wrong: the removal was not made")
	}
	if zookie := keptZookie(t, web, "gitclub"); zookie != "" && maintains(t, client, "zoe", exactly(zookie)) {
		t.Error("the record offers a zookie from before a removal that was made")
	}
}

func TestTroubleWithTupeloIsNoAnswer(t *testing.T) {
	web, client := newService(t)
	for code, want := range map[codes.Code]int{
		codes.Unavailable:       http.StatusServiceUnavailable,
		codes.ResourceExhausted: http.StatusServiceUnavailable,
		codes.DeadlineExceeded:  http.StatusGatewayTimeout,
		codes.Internal:          http.StatusBadGateway,
		codes.Unknown:           http.StatusBadGateway,
	} {
		client.OnCheck = func(*tupelov1.CheckRequest) error { return status.Error(code, "trouble") }
		if got, body := send(t, web, "carol", http.MethodPost, zoesRole); got != want {
			t.Errorf("%s becomes %d %s, want %d", code, got, body, want)
		}
	}
}

func TestTheNewestOfManyChangesAtOnceIsKept(t *testing.T) {
	web, client := newService(t)
	// Acknowledgements take their time, each another one, so that without an
	// order among the changes an older zookie would be kept last.
	client.AfterWrite = func(context.Context) error {
		time.Sleep(time.Duration(rand.IntN(1500)) * time.Microsecond)
		return nil
	}
	const rounds, changes = 5, 20
	for round := range rounds {
		var all sync.WaitGroup
		for i := range changes {
			all.Go(func() {
				path := fmt.Sprintf("/repositories/gitclub/roles/maintainer/new-%d-%d", round, i)
				if code, body := send(t, web, "carol", http.MethodPost, path); code != http.StatusNoContent {
					t.Errorf("granting: %d %s", code, body)
				}
			})
		}
		all.Wait()
		zookie := keptZookie(t, web, "gitclub")
		for i := range changes {
			if user := fmt.Sprintf("new-%d-%d", round, i); !maintains(t, client, user, exactly(zookie)) {
				t.Errorf("the zookie that is kept is older than the acknowledged role of %s", user)
			}
		}
	}
}

func TestAChangeWaitsNoLongerThanItsRequest(t *testing.T) {
	known, err := newRepositories()
	if err != nil {
		t.Fatal(err)
	}
	repo := known["gitclub"]
	repo.changing <- struct{}{} // a change that never ends
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = repo.change(ctx, func() (string, error) {
		t.Error("two changes are made at once")
		return "", nil
	})
	if err == nil {
		t.Error("a change that was not made is reported as done")
	}
}
