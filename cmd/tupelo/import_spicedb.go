package main

import (
	"context"
	"errors"
	"iter"

	"github.com/tupelodb/tupelo/api/authzed"
)

// spicedb is a server to import from.
type spicedb struct {
	source *authzed.Source
	token  string // of the revision that the schema was read at
}

// spicedbPage is how many relationships are asked for at a time: a batch.
const spicedbPage = maxBatch

// openSpiceDB returns what a server holds at one revision. Its connection is the
// caller's to close.
func openSpiceDB(ctx context.Context, c *client, address string) (*origin, error) {
	s := &spicedb{source: authzed.NewSource(c.conn)}
	schema, token, err := s.source.Schema(ctx)
	if err != nil {
		return nil, situated{"the server at " + address, err}
	}
	s.token = token
	return &origin{name: address, schema: schema, tuples: s.tuples}, nil
}

// tuples yields the relationships behind a position. A stream that breaks is opened
// again behind the last page that came.
func (s *spicedb) tuples(ctx context.Context, from position) iter.Seq2[tupleLine, error] {
	return func(yield func(tupleLine, error) bool) {
		err := persistently(ctx, func() (moved bool, err error) {
			before := from.Cursor
			err = s.read(ctx, &from, yield)
			return from.Cursor != before, err
		})
		if err != nil && !errors.Is(err, errEnough) {
			yield(tupleLine{}, err)
		}
	}
}

// read yields relationships until the stream ends, and moves the position with them.
func (s *spicedb) read(ctx context.Context, from *position, yield func(tupleLine, error) bool) error {
	for page, err := range s.source.Pages(ctx, s.token, from.Cursor, spicedbPage) {
		if err != nil {
			return err
		}
		for i, t := range page.Tuples {
			l := tupleLine{number: int(from.Tuples) + i + 1, tuple: t}
			if i == len(page.Tuples)-1 && page.Cursor != "" {
				l.resumable, l.cursor = true, page.Cursor
			}
			if !yield(l, nil) {
				return errEnough
			}
		}
		from.Tuples, from.Cursor = from.Tuples+int64(len(page.Tuples)), page.Cursor
	}
	return nil
}
