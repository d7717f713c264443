package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/examples/gitclub/gitclubtest"
)

// stage is a jobs service over a node with GitClub, and a web that answers what
// the test says.
type stage struct {
	jobs   http.Handler
	tupelo *gitclubtest.Faulty
	// web answers requests for records; asked has their paths.
	web   http.HandlerFunc
	asked []string
}

func newStage(t *testing.T, ignoreZookies bool) *stage {
	t.Helper()
	_, node := gitclubtest.Start(t)
	s := &stage{tupelo: &gitclubtest.Faulty{TupeloClient: node}, web: record("")}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		s.web(w, r)
	}))
	t.Cleanup(web.Close)
	known, err := newRuns()
	if err != nil {
		t.Fatal(err)
	}
	s.jobs = (&service{
		authz: permissions{tupelo: s.tupelo, web: webClient{web.URL, web.Client()}, ignoreZookies: ignoreZookies},
		known: known,
	}).handler()
	return s
}

// record answers with a record that has the zookie.
func record(zookie string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"id":"gitclub","zookie":%q}`, zookie)
	}
}

func (s *stage) send(t *testing.T, user, method, path string) (int, string) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), method, path, nil)
	if user != "" {
		request.Header.Set(gitclub.UserHeader, user)
	}
	recorder := httptest.NewRecorder()
	s.jobs.ServeHTTP(recorder, request)
	return recorder.Code, recorder.Body.String()
}

func TestJobsDoesWhatThePolicySays(t *testing.T) {
	s := newStage(t, false)
	tests := []struct {
		name, user, method, path string
		want                     int
	}{
		{"a maintainer cancels", "alice", http.MethodPost, "/runs/42/cancel", http.StatusOK},
		{"and again, which changes nothing", "alice", http.MethodPost, "/runs/42/cancel", http.StatusOK},
		{"the job's creator restarts", "frank", http.MethodPost, "/runs/42/restart", http.StatusOK},
		{"a reader views", "heidi", http.MethodGet, "/runs/46", http.StatusOK},
		{"a reader does not cancel", "heidi", http.MethodPost, "/runs/46/cancel", http.StatusForbidden},
		{"a stranger does not even view", "mallory", http.MethodGet, "/runs/42", http.StatusForbidden},
		{"nobody asks", "", http.MethodPost, "/runs/42/cancel", http.StatusUnauthorized},
		{"no such run", "alice", http.MethodPost, "/runs/4711/cancel", http.StatusNotFound},
		{"no such action", "alice", http.MethodPost, "/runs/42/explode", http.StatusNotFound},
		{"another method", "alice", http.MethodDelete, "/runs/42", http.StatusMethodNotAllowed},
		{"a name that no user can have", "al ice", http.MethodPost, "/runs/42/cancel", http.StatusBadRequest},
	}
	for _, test := range tests {
		if code, body := s.send(t, test.user, test.method, test.path); code != test.want {
			t.Errorf("%s: %d %s, want %d", test.name, code, body, test.want)
		}
	}
}

func TestOnlyAnAllowedActionChangesTheRun(t *testing.T) {
	s := newStage(t, false)
	for _, step := range []struct{ user, method, path, state string }{
		{"grace", http.MethodPost, "/runs/42/cancel", running}, // may only look
		{"alice", http.MethodPost, "/runs/42/cancel", cancelled},
		{"grace", http.MethodPost, "/runs/42/restart", cancelled},
		{"alice", http.MethodPost, "/runs/42/restart", running},
	} {
		s.send(t, step.user, step.method, step.path)
		code, body := s.send(t, "grace", http.MethodGet, "/runs/42")
		var got report
		if err := json.Unmarshal([]byte(body), &got); code != http.StatusOK || err != nil {
			t.Fatalf("viewing the run: %d %s", code, body)
		}
		if want := (report{"42", "build", "gitclub", step.state}); got != want {
			t.Errorf("after %s %s by %s the run is %+v, want %+v", step.method, step.path, step.user, got, want)
		}
	}
}

func TestJobsAsksAtLeastAsFreshAsTheRepository(t *testing.T) {
	s := newStage(t, false)
	response, err := s.tupelo.Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
		Operation: tupelov1.Update_OPERATION_TOUCH,
		Tuple: &tupelov1.Tuple{
			Object:   &tupelov1.Object{Type: "repository", Id: "gitclub"},
			Relation: "maintainer",
			Subject:  &tupelov1.Subject{Type: "user", Id: "zoe"},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	var asked *tupelov1.Consistency
	s.tupelo.OnCheck = func(r *tupelov1.CheckRequest) error { asked = r.Consistency; return nil }

	s.web = record(response.Zookie)
	if code, body := s.send(t, "zoe", http.MethodPost, "/runs/42/cancel"); code != http.StatusOK {
		t.Errorf("a new maintainer cancels: %d %s", code, body)
	}
	if asked.GetAtLeastAsFresh() != response.Zookie {
		t.Errorf("jobs asked for %v, web's zookie is %s", asked, response.Zookie)
	}
	if len(s.asked) != 1 || s.asked[0] != "GET /repositories/gitclub" {
		t.Errorf("jobs asked web for %q", s.asked)
	}

	s.web = record("")
	s.send(t, "zoe", http.MethodPost, "/runs/42/cancel")
	if !asked.GetFullyConsistent() {
		t.Errorf("web knows no zookie, and jobs asked for %v", asked)
	}
}

func TestOnlyTheSwitchLeavesTheZookieOut(t *testing.T) {
	s := newStage(t, true)
	var asked *tupelov1.Consistency
	s.tupelo.OnCheck = func(r *tupelov1.CheckRequest) error { asked = r.Consistency; return nil }
	if code, body := s.send(t, "alice", http.MethodPost, "/runs/42/cancel"); code != http.StatusOK {
		t.Errorf("cancelling: %d %s", code, body)
	}
	if !asked.GetMinimizeLatency() || len(s.asked) != 0 {
		t.Errorf("with the switch, jobs asked web %q and Tupelo for %v", s.asked, asked)
	}
}

func TestWithoutAZookieThereIsNoAnswer(t *testing.T) {
	s := newStage(t, false)
	s.tupelo.OnCheck = func(*tupelov1.CheckRequest) error {
		t.Error("jobs asked Tupelo although web gave no record")
		return nil
	}
	for name, web := range map[string]http.HandlerFunc{
		"an error":  func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"not found": http.NotFound,
		"no JSON":   func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") },
		"cut short": func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"zookie":"`) },
	} {
		s.web = web
		if code, body := s.send(t, "alice", http.MethodPost, "/runs/42/cancel"); code != http.StatusBadGateway {
			t.Errorf("web answers with %s, jobs with %d %s", name, code, body)
		}
	}
	s.web = record("not-a-zookie")
	s.tupelo.OnCheck = nil
	if code, _ := s.send(t, "alice", http.MethodPost, "/runs/42/cancel"); code == http.StatusOK || code == http.StatusForbidden {
		t.Errorf("with a zookie that is none, jobs answers %d as if it knew", code)
	}
}

func TestTroubleWithTupeloIsNeitherYesNorNo(t *testing.T) {
	s := newStage(t, false)
	for code, want := range map[codes.Code]int{
		codes.Unavailable:      http.StatusServiceUnavailable,
		codes.DeadlineExceeded: http.StatusGatewayTimeout,
		codes.Internal:         http.StatusBadGateway,
	} {
		s.tupelo.OnCheck = func(*tupelov1.CheckRequest) error { return status.Error(code, "trouble") }
		if got, body := s.send(t, "alice", http.MethodPost, "/runs/42/cancel"); got != want {
			t.Errorf("%s becomes %d %s, want %d", code, got, body, want)
		}
	}
}
