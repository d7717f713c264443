package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
)

// origin is a whole store to import: another server, or its backup.
type origin struct {
	name   string
	schema string
	// tuples yields those behind a position, and an error if there may be more.
	tuples func(ctx context.Context, from position) iter.Seq2[tupleLine, error]
}

// originOptions are what import is asked for about an origin.
type originOptions struct {
	dryRun, replaceSchema bool
	resume                string
}

// from imports a whole store: the schema first, then the tuples, of which the newest
// that are lasting are counted at the end.
func (i *importer) from(ctx context.Context, o *origin, options originOptions) error {
	if options.dryRun {
		return i.rehearse(ctx, o)
	}
	sum := sha256.Sum256([]byte(o.schema))
	file := &journeyFile{options.resume, journeyAbout{journeyVersion, o.name, hex.EncodeToString(sum[:])}}
	var err error
	if i.journey, err = file.open(); err != nil {
		return err
	}
	if err := i.takeSchema(ctx, o, options.replaceSchema); err != nil {
		return err
	}
	if begun := i.journey.reached.Tuples; begun > 0 && !i.terminal.quiet {
		i.terminal.notef("going on behind %s", plural(begun, "relationship"))
	}
	var failed error
	err = i.tuples(ctx, untilError(o.tuples(ctx, i.journey.reached), &failed), o.name)
	if err == nil {
		err = failed
	}
	return errors.Join(err, i.journey.stop(err == nil))
}

// untilError yields what comes before an error, and keeps the error.
func untilError(lines iter.Seq2[tupleLine, error], failed *error) iter.Seq2[tupleLine, error] {
	return func(yield func(tupleLine, error) bool) {
		for l, err := range lines {
			if err != nil {
				*failed = err
				return
			}
			if !yield(l, nil) {
				return
			}
		}
	}
}

// takeSchema writes the schema of an origin, unless the server has it or has
// another one that nobody said may go.
func (i *importer) takeSchema(ctx context.Context, o *origin, replace bool) error {
	there, err := i.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	switch {
	case err == nil && sameSchema(there.Text, o.schema):
		return nil
	case err == nil && !replace:
		return errOtherSchema
	case err != nil && describe(err).Reason != tupelov1.ErrorReason_ERROR_REASON_NO_SCHEMA.String():
		return err
	}
	if _, err := i.client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: o.schema}); err != nil {
		return situated{"the schema of " + o.name, err}
	}
	return nil
}

// sameSchema reports whether two texts differ in nothing but how they are laid out.
func sameSchema(a, b string) bool {
	first, err := schema.Parse("", a)
	if err != nil {
		return a == b
	}
	second, err := schema.Parse("", b)
	return err == nil && schema.Format(first) == schema.Format(second)
}

// rehearsal is what --dry-run prints with --json.
type rehearsal struct {
	Tuples int64            `json:"tuples"`
	Types  map[string]int64 `json:"types"`
}

// rehearse reads all of an origin and writes nothing.
func (i *importer) rehearse(ctx context.Context, o *origin) error {
	if _, err := schema.Load(o.name, o.schema); err != nil {
		return mistakes("the schema", err)
	}
	r := rehearsal{Types: map[string]int64{}}
	for l, err := range o.tuples(ctx, position{}) {
		if err != nil {
			return err
		}
		r.Tuples++
		r.Types[l.tuple.GetObject().GetType()]++
		i.imported.Add(1)
	}
	t := i.terminal
	if t.json {
		return t.object(r)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Types)) {
		t.printf("%s %d\n", name, r.Types[name])
	}
	t.printf("%s to import; nothing is written\n", plural(r.Tuples, "relationship"))
	return nil
}

// verify counts what is stored and does not expire, at the revision of a zookie, and
// compares that with what came. More than came was there before, or came since.
func (i *importer) verify(ctx context.Context, zookie string) error {
	came := i.journey.passed.Lasting
	for _, name := range slices.Sorted(maps.Keys(came)) {
		stored, err := i.count(ctx, name, zookie)
		if err != nil {
			return fmt.Errorf("all is imported; counting it: %w", err)
		}
		if stored < came[name] {
			return fmt.Errorf("%w: of objects of the type %s %d came and %d are stored", errMissing, name, came[name], stored)
		}
	}
	return nil
}

// count counts tuples of objects of a type that do not expire.
func (i *importer) count(ctx context.Context, objectType, zookie string) (n int64, err error) {
	err = i.client.each(ctx, zookie, &tupelov1.Filter{ObjectType: objectType}, func(t *tupelov1.Tuple) error {
		if t.ExpiresAt == nil {
			n++
		}
		return nil
	})
	return n, err
}
