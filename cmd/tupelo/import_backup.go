package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/tupelodb/tupelo/api/authzed/backup"
)

// backup imports a file of zed backup create.
func (i *importer) backup(ctx context.Context, o *importOptions) error {
	file, name, err := i.terminal.open(o.backup)
	if err != nil {
		return err
	}
	defer file.Close()
	r, err := backup.NewReader(file)
	if err != nil {
		return situated{name, err}
	}
	return i.from(ctx, &origin{name: name, schema: r.Schema(), tuples: backupTuples(r, name)}, o.origin)
}

// backupTuples yields the relationships behind a position: those before it are read,
// too, and passed over.
func backupTuples(r *backup.Reader, name string) func(context.Context, position) iter.Seq2[tupleLine, error] {
	return func(ctx context.Context, from position) iter.Seq2[tupleLine, error] {
		return func(yield func(tupleLine, error) bool) {
			for number := 1; ; number++ {
				t, err := r.Next()
				if errors.Is(err, io.EOF) && int64(number) > from.Tuples {
					return
				}
				if err == nil {
					err = ctx.Err()
				}
				if err != nil {
					yield(tupleLine{}, situated{fmt.Sprintf("%s, relationship %d", name, number), err})
					return
				}
				if int64(number) > from.Tuples && !yield(tupleLine{number: number, tuple: t, resumable: true}, nil) {
					return
				}
			}
		}
	}
}
