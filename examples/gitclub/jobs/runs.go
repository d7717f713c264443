package main

import (
	"context"
	"net/http"
	"sync"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

// The states of a run.
const (
	running   = "running"
	cancelled = "cancelled"
)

// service answers jobs' requests.
type service struct {
	authz permissions
	known runs
}

func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /runs/{run}", s.act("view", ""))
	mux.Handle("POST /runs/{run}/cancel", s.act("cancel", cancelled))
	mux.Handle("POST /runs/{run}/restart", s.act("restart", running))
	return mux
}

// act returns the handler of one action: it needs the permission of its name,
// brings the run into a state, unless that is empty, and answers with the run.
// Doing what is done already is no error, so that a client may try again.
func (s *service) act(permission, state string) gitclub.Handler {
	return func(ctx context.Context, r *http.Request) (any, error) {
		user, err := gitclub.User(r)
		if err != nil {
			return nil, err
		}
		run, ok := s.known[r.PathValue("run")]
		if !ok {
			return nil, gitclub.Refuse(http.StatusNotFound, "there is no run %q", r.PathValue("run"))
		}
		allowed, err := s.authz.may(ctx, user, permission, run)
		if err != nil {
			return nil, err
		}
		if !allowed {
			return nil, gitclub.Refuse(http.StatusForbidden, "%s may not %s run %s", user, permission, run.id)
		}
		return run.enter(state), nil
	}
}

// runs are jobs' own records, by id.
type runs map[string]*jobRun

// jobRun is one record. Which job a run is of, and which repository a job is
// of, never changes, so jobs need not ask anybody for it.
type jobRun struct {
	id, job, repository string

	mu    sync.Mutex
	state string
}

// report is what a client is told about a run.
type report struct {
	ID         string `json:"id"`
	Job        string `json:"job"`
	Repository string `json:"repository"`
	State      string `json:"state"`
}

// newRuns returns a record for each run of the example.
func newRuns() (runs, error) {
	tuples, err := gitclub.Tuples()
	if err != nil {
		return nil, err
	}
	repositoryOf := make(map[string]string)
	for _, t := range tuples {
		if t.ObjectType == "job" && t.Relation == "repository" {
			repositoryOf[t.ObjectID] = t.SubjectID
		}
	}
	known := make(runs)
	for _, t := range tuples {
		if t.ObjectType == "run" && t.Relation == "job" {
			known[t.ObjectID] = &jobRun{id: t.ObjectID, job: t.SubjectID, repository: repositoryOf[t.SubjectID], state: running}
		}
	}
	return known, nil
}

// enter brings the run into a state, or leaves it as it is if that is empty.
func (r *jobRun) enter(state string) report {
	r.mu.Lock()
	defer r.mu.Unlock()
	if state != "" {
		r.state = state
	}
	return report{r.id, r.job, r.repository, r.state}
}
