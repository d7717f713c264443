package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

// The people and things of a round. Zoe has no role of any kind in fixture.yaml,
// so that what she may do in a round follows from the round alone.
const (
	admin      = "carol"
	newcomer   = "zoe"
	repository = "gitclub"
	runID      = "42"
)

// tally is how a number of rounds went.
type tally struct {
	rounds  int
	refused int // rounds in which jobs did not know of a role that web had given
	allowed int // rounds in which jobs still acted on a role that web had taken away
	elapsed time.Duration
}

// stale reports whether any answer was.
func (t tally) stale() bool { return t.refused+t.allowed > 0 }

// String returns the tally as people read it.
func (t tally) String() string {
	return fmt.Sprintf("%d rounds in %v: a new role was missed %d times, a removed one was acted on %d times",
		t.rounds, t.elapsed.Round(time.Millisecond), t.refused, t.allowed)
}

// play plays rounds against the services at two URLs. It fails if a service
// does not work; a stale answer is not a failure but an entry in the tally.
func play(ctx context.Context, web, jobs string, rounds int) (tally, error) {
	role := fmt.Sprintf("%s/repositories/%s/roles/maintainer/%s", web, repository, newcomer)
	cancel := fmt.Sprintf("%s/runs/%s/cancel", jobs, runID)
	var t tally
	began := time.Now()
	for t.rounds < rounds {
		if err := change(ctx, http.MethodPost, role); err != nil {
			return t, fmt.Errorf("round %d: granting the role: %w", t.rounds+1, err)
		}
		if allowed, err := ask(ctx, cancel); err != nil {
			return t, fmt.Errorf("round %d: cancelling with the role: %w", t.rounds+1, err)
		} else if !allowed {
			t.refused++
		}
		if err := change(ctx, http.MethodDelete, role); err != nil {
			return t, fmt.Errorf("round %d: removing the role: %w", t.rounds+1, err)
		}
		if allowed, err := ask(ctx, cancel); err != nil {
			return t, fmt.Errorf("round %d: cancelling without the role: %w", t.rounds+1, err)
		} else if allowed {
			t.allowed++
		}
		t.rounds++
	}
	t.elapsed = time.Since(began)
	return t, nil
}

// change has web change a role, as the repository's admin.
func change(ctx context.Context, method, url string) error {
	httpStatus, body, err := call(ctx, method, url, admin)
	if err == nil && httpStatus != http.StatusNoContent {
		err = fmt.Errorf("web answers %d: %s", httpStatus, body)
	}
	return err
}

// ask has jobs cancel the run, as the newcomer.
func ask(ctx context.Context, url string) (allowed bool, err error) {
	httpStatus, body, err := call(ctx, http.MethodPost, url, newcomer)
	switch {
	case err != nil:
		return false, err
	case httpStatus == http.StatusOK:
		return true, nil
	case httpStatus == http.StatusForbidden:
		return false, nil
	}
	return false, fmt.Errorf("jobs answers %d: %s", httpStatus, body)
}

// maxBodyBytes bounds what is read of an answer.
const maxBodyBytes = 64 << 10

func call(ctx context.Context, method, url, user string) (httpStatus int, body string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*gitclub.RequestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set(gitclub.UserHeader, user)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBodyBytes))
	return response.StatusCode, strings.TrimSpace(string(text)), err
}
