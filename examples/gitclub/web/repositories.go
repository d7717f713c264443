package main

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

// repositories are web's own records, by id. A real web service has a table of
// them, and the zookie is one more column of it.
type repositories map[string]*repository

// repository is one record.
type repository struct {
	id string
	// zookie is of the newest change of a role; empty if it is not known.
	zookie atomic.Pointer[string]
	// changing holds a token while a role is being changed. Zookies cannot be
	// compared, so the order in which they are kept must be the order in which
	// the changes were made; that is the case if there is one at a time.
	changing chan struct{}
}

// newRepositories returns a record for each repository of the example. Their
// zookies are not known: in-memory records have no past.
func newRepositories() (repositories, error) {
	tuples, err := gitclub.Tuples()
	if err != nil {
		return nil, err
	}
	known := make(repositories)
	for _, t := range tuples {
		if t.ObjectType == "repository" && known[t.ObjectID] == nil {
			known[t.ObjectID] = &repository{id: t.ObjectID, changing: make(chan struct{}, 1)}
		}
	}
	return known, nil
}

// lastChange returns the zookie of the newest acknowledged change, or of a
// newer one; empty if it is not known.
func (r *repository) lastChange() string {
	if zookie := r.zookie.Load(); zookie != nil {
		return *zookie
	}
	return ""
}

// change runs one change of a role and keeps its zookie before it returns.
//
// If the change fails, it may have been made all the same: a deadline says
// nothing about what happened at the other end. The zookie is forgotten then,
// and whoever asks for it falls back on fully consistent answers, until the
// next change.
func (r *repository) change(ctx context.Context, write func() (zookie string, err error)) error {
	select {
	case r.changing <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("waiting for another change of repository %s: %w", r.id, ctx.Err())
	}
	defer func() { <-r.changing }()
	zookie, err := write()
	if err != nil {
		zookie = ""
	}
	r.zookie.Store(&zookie)
	return err
}
