package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/genproto/googleapis/rpc/code"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// importer writes tuples in batches.
type importer struct {
	terminal *terminal
	client   *client
	inFlight int
	imported atomic.Int64 // tuples acknowledged
	// journey follows how far it has come; nil for files, which are begun anew.
	journey *journey
}

// batch is the updates of one Write and the lines that they stand on.
type batch struct {
	updates []*tupelov1.Update
	lines   []int
	bytes   int
	seen    map[tupleParts]int // the update of a tuple, whatever it carries
	leg     leg
}

// maxBatchBytes bounds the updates of one Write: contexts can be long, and a
// server takes no message of more than 4 MiB.
const maxBatchBytes = 1 << 20

func (b *batch) full() bool { return len(b.updates) == maxBatch || b.bytes >= maxBatchBytes }

// add takes the tuple of a line; a repetition within the batch is dropped,
// because one Write must not name a tuple twice. It is an error if the line says
// something else of the tuple: which one was meant?
func (b *batch) add(l tupleLine) error {
	if b.seen == nil {
		b.seen = make(map[tupleParts]int, maxBatch)
	}
	b.leg.add(l)
	key := partsOf(l.tuple)
	if at, ok := b.seen[key]; ok {
		if !proto.Equal(b.updates[at].Tuple, l.tuple) {
			return fmt.Errorf("%s is on line %d too, with another caveat or expiration", tupleIdentity(l.tuple), b.lines[at])
		}
		return nil
	}
	b.leg.count(l.tuple)
	b.seen[key] = len(b.updates)
	b.updates = append(b.updates, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: l.tuple})
	b.lines = append(b.lines, l.number)
	b.bytes += sizeOf(l.tuple)
	return nil
}

// tupleParts are what makes a tuple the same as another one.
type tupleParts struct {
	objectType, objectID, relation, subjectType, subjectID, subjectRelation string
}

func partsOf(t *tupelov1.Tuple) tupleParts {
	o, s := t.GetObject(), t.GetSubject()
	return tupleParts{o.GetType(), o.GetId(), t.GetRelation(), s.GetType(), s.GetId(), s.GetRelation()}
}

// sizeOf is about what a tuple takes in a message.
func sizeOf(t *tupelov1.Tuple) int {
	if t.GetCaveat() != nil || t.GetExpiresAt() != nil {
		return proto.Size(t)
	}
	const heads = 6*3 + 2*3 + 3 // of its texts, the messages that they are in, and its own
	p := partsOf(t)
	return heads + len(p.objectType) + len(p.objectID) + len(p.relation) +
		len(p.subjectType) + len(p.subjectID) + len(p.subjectRelation)
}

// tupleLine is a tuple and the line of the file that it stands on.
type tupleLine struct {
	number int
	tuple  *tupelov1.Tuple
	// resumable says that an import can go on behind it, by the cursor where its
	// source has one.
	resumable bool
	cursor    string
}

// tupleLines reads the tuples of a file, one a line.
func tupleLines(r io.Reader) iter.Seq2[tupleLine, error] {
	return func(yield func(tupleLine, error) bool) {
		for l, err := range linesOf(r) {
			var parsed *tupelov1.Tuple
			if err == nil {
				parsed, err = parseTuple(l.text)
			}
			if !yield(tupleLine{number: l.number, tuple: parsed}, err) {
				return
			}
		}
	}
}

// tuples imports tuples of the file with a name.
func (i *importer) tuples(caller context.Context, lines iter.Seq2[tupleLine, error], name string) error {
	group, ctx := errgroup.WithContext(caller)
	group.SetLimit(i.inFlight)
	var bad badLines
	var b batch
	send := func(b batch) {
		i.journey.begin(&b.leg)
		group.Go(func() error {
			if err := i.send(ctx, b, name); err != nil {
				return err
			}
			return i.journey.end(&b.leg)
		})
	}
	for l, err := range lines {
		if ctx.Err() != nil {
			break // a batch failed, or the caller gave up
		}
		// After a bad line nothing more is sent; other bad lines are worth telling.
		if err == nil && bad.count == 0 {
			err = b.add(l)
		}
		if err != nil {
			bad.add(i.at(name, l.number), err)
		}
		if bad.count == 0 && (b.full() || l.cursor != "") {
			send(b)
			b = batch{}
		}
	}
	if bad.count == 0 && len(b.updates) > 0 && ctx.Err() == nil {
		send(b)
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if err := caller.Err(); err != nil {
		return err
	}
	return bad.err()
}

// send writes one batch. Touching a tuple twice is as good as once, so a batch
// whose fate is unknown is sent again.
func (i *importer) send(ctx context.Context, b batch, name string) error {
	err := persistently(ctx, func() (moved bool, err error) {
		_, err = i.client.Write(ctx, &tupelov1.WriteRequest{Updates: b.updates})
		return false, err
	})
	switch {
	case err == nil:
		i.imported.Add(int64(len(b.updates)))
		return nil
	case ctx.Err() != nil:
		return err
	}
	return i.locate(&b, err, name)
}

// persistently tries again what may pass. A try that moved on before it failed is
// the first of a new row.
func persistently(ctx context.Context, try func() (moved bool, err error)) error {
	pause := firstPause
	for attempt := 1; ; attempt++ {
		moved, err := try()
		if moved {
			pause, attempt = firstPause, 1
		}
		if err == nil || attempt == maxAttempts || !worthRetrying(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		pause = min(2*pause, maxPause)
	}
}

// What fails is tried for some ten seconds: an election takes one or two.
const (
	maxAttempts = 12
	firstPause  = 50 * time.Millisecond
	maxPause    = 2 * time.Second
)

// worthRetrying tells errors that pass from those that stay.
func worthRetrying(err error) bool {
	f := describe(err)
	switch f.Reason {
	case tupelov1.ErrorReason_ERROR_REASON_OUTCOME_UNKNOWN.String(),
		tupelov1.ErrorReason_ERROR_REASON_OVERLOADED.String(),
		tupelov1.ErrorReason_ERROR_REASON_SCHEMA_CHANGED.String():
		return true
	}
	return f.Code == code.Code_UNAVAILABLE.String() || f.Code == code.Code_DEADLINE_EXCEEDED.String()
}

// updateField finds the update in the path of a field at fault.
var updateField = regexp.MustCompile(`^updates\[(\d+)\]`)

// locate names the line that the server complains of.
func (i *importer) locate(b *batch, err error, name string) error {
	for _, f := range describe(err).Fields {
		match := updateField.FindStringSubmatch(f.Field)
		if match == nil {
			continue
		}
		if n, convErr := strconv.Atoi(match[1]); convErr == nil && n < len(b.lines) {
			place := i.at(name, b.lines[n])
			if i.journey != nil { // there is no file to look it up in
				place += " (" + tupleText(b.updates[n].Tuple) + ")"
			}
			return situated{place, err}
		}
	}
	first, last := b.lines[0], b.lines[len(b.lines)-1]
	if i.journey != nil {
		return situated{fmt.Sprintf("%s, relationships %d to %d", name, first, last), err}
	}
	return situated{fmt.Sprintf("%s, lines %d to %d", name, first, last), err}
}

// at names the place of a tuple: its line in a file, or which it is of what has none.
func (i *importer) at(name string, number int) string {
	if i.journey != nil {
		return fmt.Sprintf("%s, relationship %d", name, number)
	}
	return at(name, number)
}

// badLines collects the lines of a file that are no tuples.
type badLines struct {
	count int
	shown []string
}

// maxBadLines bounds the lines that are told of.
const maxBadLines = 10

func (b *badLines) add(place string, err error) {
	b.count++
	if len(b.shown) < maxBadLines {
		b.shown = append(b.shown, place+": "+err.Error())
	}
}

func (b *badLines) err() error {
	if b.count == 0 {
		return nil
	}
	text := strings.Join(b.shown, "\n  ")
	if more := b.count - len(b.shown); more > 0 {
		text += fmt.Sprintf("\n  and %d more", more)
	}
	return fmt.Errorf("%s cannot be read:\n  %s", plural(b.count, "line"), text)
}
