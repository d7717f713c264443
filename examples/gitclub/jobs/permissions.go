package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
)

// permissions answers who may do what to a run.
type permissions struct {
	tupelo tupelov1.TupeloClient
	web    webClient
	// ignoreZookies leaves out the one thing that makes the answers safe. With
	// one Tupelo node it cannot be noticed, as every answer comes from the
	// replica that took the write. With several, or one in this process, an answer
	// from a replica that lags is older than what web has acknowledged.
	ignoreZookies bool
}

// may reports whether the user has the permission on the run. The answer knows
// of every change of the repository's roles that web has acknowledged.
func (p permissions) may(ctx context.Context, user, permission string, r *jobRun) (bool, error) {
	consistency, err := p.consistency(ctx, r.repository)
	if err != nil {
		return false, err
	}
	response, err := p.tupelo.Check(ctx, &tupelov1.CheckRequest{
		Consistency: consistency,
		Object:      &tupelov1.Object{Type: "run", Id: r.id},
		Relation:    permission,
		Subject:     &tupelov1.Subject{Type: "user", Id: user},
	})
	if err != nil {
		return false, fmt.Errorf("asking whether %s may %s run %s: %w", user, permission, r.id, err)
	}
	return response.Result == tupelov1.Result_RESULT_YES, nil
}

func (p permissions) consistency(ctx context.Context, repository string) (*tupelov1.Consistency, error) {
	if p.ignoreZookies {
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}, nil
	}
	zookie, err := p.web.zookie(ctx, repository)
	if err != nil {
		return nil, fmt.Errorf("asking web for the zookie of repository %s: %w", repository, err)
	}
	return gitclub.AtLeastAsFreshAs(zookie), nil
}

// webClient asks the web service.
type webClient struct {
	base string // its URL
	http *http.Client
}

// maxRecordBytes bounds what is read of an answer.
const maxRecordBytes = 64 << 10

// zookie returns the zookie of the last change of the repository's roles; empty
// if web does not know it. It is asked for anew each time: a zookie of a minute
// ago says nothing about a role that was taken away since.
func (w webClient) zookie(ctx context.Context, repository string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/repositories/"+url.PathEscape(repository), nil)
	if err != nil {
		return "", err
	}
	response, err := w.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("it answers %s", response.Status)
	}
	var record struct{ Zookie string }
	if err := json.NewDecoder(io.LimitReader(response.Body, maxRecordBytes)).Decode(&record); err != nil {
		return "", fmt.Errorf("reading its answer: %w", err)
	}
	return record.Zookie, nil
}
