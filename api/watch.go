package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// What one Watch may ask for; tupelo.proto names the numbers.
const (
	maxWatchFilters        = 100
	minCheckpointEvery     = 100 * time.Millisecond
	maxCheckpointEvery     = time.Hour
	defaultCheckpointEvery = 10 * time.Second
)

// A watch reads the changelog a page at a time, and nothing while a page is
// being sent: a slow client costs one page, and holds no iterator open. A page
// ends with the revision that fills it.
const (
	maxPageBytes   = 256 << 10
	maxPageChanges = 4096 // looked at, whether they are watched or not
	// maxWatchMessageBytes is where the changes of one revision are divided, so
	// that a client with gRPC's limit of 4 MiB can take whatever was written.
	maxWatchMessageBytes = 1 << 20
)

// Watch sends what changes after a revision until the call ends.
func (s *Server) Watch(r *tupelov1.WatchRequest, stream grpc.ServerStreamingServer[tupelov1.WatchResponse]) error {
	every, err := validateWatch(r)
	if err != nil {
		return err
	}
	f, err := s.identify(stream.Context())
	if err != nil {
		return err
	}
	ctx := stream.Context()
	w := &watcher{server: s, fingerprint: f, stream: stream, every: every}
	if w.position, err = s.watchAfter(ctx, f, r.After); err != nil {
		return err
	}
	if w.filters, err = s.watchFilters(ctx, r.Filters); err != nil {
		return err
	}
	s.metrics.watchers.Inc()
	defer s.metrics.watchers.Dec()
	return s.watchEnded(f, w.run(ctx))
}

func validateWatch(r *tupelov1.WatchRequest) (every time.Duration, err error) {
	if err := validateCount("filters", len(r.Filters), 0, maxWatchFilters); err != nil {
		return 0, err
	}
	for i, f := range r.Filters {
		if err := validateWatchFilter(f); err != nil {
			return 0, within(fmt.Sprintf("filters[%d]", i), err)
		}
	}
	if err := knownFieldsOnly(r); err != nil {
		return 0, err
	}
	if r.CheckpointEvery == nil {
		return defaultCheckpointEvery, nil
	}
	every = r.CheckpointEvery.AsDuration()
	if !r.CheckpointEvery.IsValid() || every < minCheckpointEvery || every > maxCheckpointEvery {
		return 0, fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "checkpoint_every",
			"%s to %s are possible; leave it out for %s", minCheckpointEvery, maxCheckpointEvery, defaultCheckpointEvery)
	}
	return every, nil
}

// watchAfter returns the revision that a watch begins after.
func (s *Server) watchAfter(ctx context.Context, f fingerprint, zookie string) (uint64, error) {
	if zookie == "" {
		return s.store.Applied(), nil
	}
	after, err := readZookie(f, "after", zookie)
	if err != nil {
		return 0, err
	}
	return after, s.reach(ctx, requirement{atLeast: after})
}

// watchEnded is the end of a watch as its client should see it. The drain ends
// the stream's context as a client that leaves does.
func (s *Server) watchEnded(f fingerprint, err error) error {
	if s.draining.Err() != nil && errors.Is(err, context.Canceled) {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_CLOSED,
			"the server is shutting down; watch again after the last zookie")
	}
	return s.expired(f, err)
}

// watcher is one Watch under way.
type watcher struct {
	server      *Server
	fingerprint fingerprint
	stream      grpc.ServerStreamingServer[tupelov1.WatchResponse]
	filters     watchFilters
	every       time.Duration

	// position is the revision up to which everything was looked at and, if it
	// is watched, sent.
	position uint64
	// silence fires when nothing was sent for so long that a checkpoint is due.
	silence *time.Timer
	page    watchPage
}

// run sends until the watch ends; its error says why.
func (w *watcher) run(ctx context.Context) error {
	if horizon := w.server.store.Horizon(); w.position < horizon {
		return &store.HorizonError{Revision: w.position, Horizon: horizon}
	}
	w.silence = time.NewTimer(w.every)
	defer w.silence.Stop()
	if err := w.checkpoint(); err != nil {
		return err
	}
	always := make(chan struct{})
	close(always)
	for {
		more, err := w.read(ctx)
		if err != nil {
			return err
		}
		if err := w.sendPage(); err != nil {
			return err
		}
		if w.page.full() { // there may be more already
			more = always
		}
		select {
		case <-more:
		case <-w.silence.C:
			err = w.checkpoint()
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
	}
}

// read fills the page with what is watched of the revisions after the position,
// and moves the position past what it looked at.
func (w *watcher) read(ctx context.Context) (more <-chan struct{}, err error) {
	w.page = watchPage{messages: w.page.messages[:0]}
	var failed error
	w.position, more, err = w.server.store.Changes(ctx, w.position, func(c *store.Changes) bool {
		failed = w.look(c)
		return failed == nil && !w.page.full()
	})
	return more, errors.Join(failed, err)
}

// look adds what is watched of one revision's changes to the page.
func (w *watcher) look(c *store.Changes) error {
	if w.page.names == nil {
		// Taken after the walk began, so it has every name that the walk meets.
		snapshot, err := w.server.store.Snapshot(0)
		if err != nil {
			return err
		}
		w.page.names = snapshot.Names()
		snapshot.Close()
	}
	w.page.looked += 1 + len(c.Tuples)
	selected := w.filters.selected(w.page.names, c.Tuples)
	if len(selected) == 0 && !c.Schema {
		return nil
	}
	return w.page.add(c, selected, w.fingerprint.zookie(c.Revision))
}

func (w *watcher) sendPage() error {
	for i, message := range w.page.messages {
		if err := w.stream.Send(message); err != nil {
			return err
		}
		w.page.messages[i] = nil
		w.silence.Reset(w.every)
	}
	w.server.metrics.watched.Add(float64(w.page.changes))
	return nil
}

// checkpoint tells the client how far the watch is.
func (w *watcher) checkpoint() error {
	w.silence.Reset(w.every)
	return w.stream.Send(&tupelov1.WatchResponse{
		Zookie: w.server.zookie(w.fingerprint, w.position), Checkpoint: true,
	})
}

// watchPage is what is read before it is sent.
type watchPage struct {
	messages []*tupelov1.WatchResponse
	names    *tuple.Names
	bytes    int // of the messages, about
	looked   int // changes looked at
	changes  int // changes in the messages
}

func (p *watchPage) full() bool { return p.bytes >= maxPageBytes || p.looked >= maxPageChanges }

// add appends the messages of one revision; the last one has the zookie.
func (p *watchPage) add(c *store.Changes, selected []store.Change, zookie string) error {
	metadata, err := metadataMessage(c.Metadata)
	if err != nil {
		return err
	}
	changes, err := changeMessages(p.names, selected)
	if err != nil {
		return err
	}
	at := timestamppb.New(time.UnixMilli(c.UnixMillis))
	message := &tupelov1.WatchResponse{ChangedAt: at, SchemaChanged: c.Schema, Metadata: metadata}
	size := len(c.Metadata)
	p.bytes += emptyMessageBytes + size
	for _, change := range changes {
		bytes := changeBytes(change)
		if len(message.Changes) > 0 && size+bytes > maxWatchMessageBytes {
			p.messages = append(p.messages, message)
			message, size = &tupelov1.WatchResponse{ChangedAt: at}, 0
		}
		message.Changes = append(message.Changes, change)
		size, p.bytes = size+bytes, p.bytes+bytes
	}
	message.Zookie = zookie
	p.messages = append(p.messages, message)
	p.changes += len(selected)
	return nil
}

// emptyMessageBytes is about what a message without changes takes.
const emptyMessageBytes = 64

// changeBytes is about what a change takes in a message.
func changeBytes(c *tupelov1.TupleChange) int {
	const tagsLengthsAndTime = 48
	o, s := c.Tuple.Object, c.Tuple.Subject
	return tagsLengthsAndTime + len(o.Type) + len(o.Id) + len(c.Tuple.Relation) +
		len(s.Type) + len(s.Id) + len(s.Relation) + proto.Size(c.Tuple.Caveat)
}

// changeMessages spells changes.
func changeMessages(names *tuple.Names, changes []store.Change) ([]*tupelov1.TupleChange, error) {
	tuples := make([]tuple.Tuple, len(changes))
	for i, c := range changes {
		tuples[i] = c.Tuple
	}
	spelled, err := tupleMessages(names, tuples)
	if err != nil {
		return nil, err
	}
	all := make([]tupelov1.TupleChange, len(changes))
	messages := make([]*tupelov1.TupleChange, len(changes))
	for i, t := range spelled {
		m := &all[i]
		m.Operation, m.Tuple = tupelov1.TupleChange_OPERATION_TOUCHED, t
		if changes[i].Deleted {
			m.Operation = tupelov1.TupleChange_OPERATION_DELETED
		}
		messages[i] = m
	}
	return messages, nil
}
