package raft

import (
	"sync"
	"sync/atomic"
	"time"

	hraft "github.com/hashicorp/raft"
)

// watchedPipeline is the messages to one follower, one behind the other. It has a
// look at the answers, and does three things that hashicorp/raft does not:
//
//   - Entries that are few wait until the last ones are answered, and take along
//     what has come meanwhile. Without that every message holds the little that
//     came since the last, and the follower syncs for each.
//   - Answers wait for this node's own disk; see early.go.
//   - A follower is told soon what is committed, if nothing else is to be said:
//     reads there wait for it.
type watchedPipeline struct {
	hraft.AppendPipeline
	id        hraft.ServerID
	transport *watchedTransport
	done      chan hraft.AppendFuture
	once      sync.Once
	closed    chan struct{}

	sending  sync.Mutex                 // of one message at a time; guards what follows
	last     hraft.AppendEntriesRequest // without its entries, as if it had come after them
	lastSent time.Time

	underWay atomic.Int32  // messages without an answer
	entries  atomic.Int32  // those of them with entries
	refused  bool          // raft has been passed a refusal, and reads no more; of pass alone
	answered chan struct{} // has room for one; filled when there is an answer
	poked    chan struct{} // has room for one; filled when more is committed
}

const (
	// waitBytes is how much data does not wait for the answer to what was sent
	// before: it takes a while to send, and the follower is busy meanwhile.
	waitBytes = 64 << 10
	// waitLimit is how long others wait at most. What is under way may never be
	// answered, as where a connection is gone: then sending shows it.
	waitLimit = 50 * time.Millisecond
	// tellAfter is how long after a commit a follower hears of it, if no entries
	// follow that say so as well.
	tellAfter = time.Millisecond
)

func (t *watchedTransport) AppendEntriesPipeline(id hraft.ServerID, to hraft.ServerAddress) (hraft.AppendPipeline, error) {
	inner, err := t.Transport.AppendEntriesPipeline(id, to)
	if err != nil {
		return nil, err
	}
	p := &watchedPipeline{
		AppendPipeline: inner, id: id, transport: t,
		done: make(chan hraft.AppendFuture, 1), closed: make(chan struct{}),
		answered: make(chan struct{}, 1), poked: make(chan struct{}, 1),
	}
	t.pipelines.add(p)
	go p.pass()
	return p, nil
}

// AppendEntries implements hraft.AppendPipeline. Raft does not use what it returns.
func (p *watchedPipeline) AppendEntries(q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	p.sending.Lock()
	defer p.sending.Unlock()
	switch {
	case len(q.Entries) > 0:
		p.awaitTurn(q)
		p.transport.log.extend(q)
	case time.Since(p.lastSent) < tellAfter:
		// The last message has taken along the entries that this one was to have.
		return noAnswer{}, nil
	}
	if err := p.transport.fill(q); err != nil {
		return nil, err
	}
	return p.send(q, a)
}

// send sends a message. Who calls it holds sending.
func (p *watchedPipeline) send(q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	told := max(p.last.LeaderCommitIndex, q.LeaderCommitIndex)
	p.last, p.lastSent = *q, time.Now()
	p.last.LeaderCommitIndex = told
	if n := len(q.Entries); n > 0 {
		p.last.PrevLogEntry, p.last.PrevLogTerm, p.last.Entries = q.Entries[n-1].Index, q.Entries[n-1].Term, nil
		p.entries.Add(1)
	}
	p.underWay.Add(1)
	return p.AppendPipeline.AppendEntries(q, a)
}

// awaitTurn waits until no entries are under way, if those to come are few.
func (p *watchedPipeline) awaitTurn(q *hraft.AppendEntriesRequest) {
	size := 0
	for _, l := range q.Entries {
		size += dataBytes(l)
	}
	if size >= waitBytes || p.entries.Load() == 0 {
		return
	}
	limit := time.NewTimer(waitLimit)
	defer limit.Stop()
	for p.entries.Load() > 0 {
		select {
		case <-p.answered:
		case <-limit.C:
			return
		case <-p.closed:
			return
		case <-p.transport.stopped:
			return
		}
	}
}

// extend adds to a message the commands that follow in the log, as far as they are
// the same leader's: an entry of its term can only have come after those that its
// own log has before it, even where that is not this log any more.
func (s *logStore) extend(q *hraft.AppendEntriesRequest) {
	if q.Entries[len(q.Entries)-1].Term != q.Term {
		return
	}
	for index := lastOf(q) + 1; len(q.Entries) < maxBatch; index++ {
		l := new(hraft.Log)
		if s.get(index, l, deferBytes) != nil || l.Term != q.Term || l.Type != hraft.LogCommand {
			return
		}
		q.Entries = append(q.Entries, l)
	}
}

// pass ends when the pipeline is closed, which raft does to each.
func (p *watchedPipeline) pass() {
	defer p.conclude()
	defer p.transport.pipelines.remove(p)
	tell := time.NewTimer(tellAfter)
	defer tell.Stop()
	for {
		select {
		case f := <-p.AppendPipeline.Consumer():
			if !p.take(f) {
				return
			}
			tell.Reset(tellAfter)
		case <-p.poked:
			tell.Reset(tellAfter)
		case <-tell.C:
			p.tell()
		case <-p.closed:
			return
		}
	}
}

// take passes an answer on. It reports false if the pipeline is closed.
func (p *watchedPipeline) take(f hraft.AppendFuture) bool {
	p.transport.progress.appended(p.id, f.Request(), f.Response())
	p.underWay.Add(-1)
	if len(f.Request().Entries) > 0 {
		p.entries.Add(-1)
		select {
		case p.answered <- struct{}{}:
		default:
		}
	}
	if !p.transport.countable(f.Request(), p.closed) {
		f = noAnswer{} // the disk has failed, and the node stops
	}
	if p.refused {
		return true // who sends must not wait for who has stopped reading
	}
	p.refused = !f.Response().Success
	select {
	case p.done <- f:
		return true
	case <-p.closed:
		return false
	}
}

// tell sends a message that only says what is committed, as raft does after
// CommitTimeout, if the follower has everything before it and has not heard of it.
//
// It never waits: who sends may wait for this goroutine.
func (p *watchedPipeline) tell() {
	committed := p.transport.committed.Load()
	if committed == nil || !p.sending.TryLock() {
		return
	}
	defer p.sending.Unlock()
	q := p.last
	q.LeaderCommitIndex = (*committed)(q.Term)
	boundCommit(&q)
	if q.LeaderCommitIndex <= p.last.LeaderCommitIndex || p.underWay.Load() > 0 {
		return
	}
	_, _ = p.send(&q, new(hraft.AppendEntriesResponse)) // if it fails, so does what raft sends next
}

// conclude leaves a refusal behind for the goroutine that reads answers. Raft
// stops it before it closes the pipeline, but not where the sending goroutine is
// ended by the log (see logStore.die): it would wait for ever, and so would Close.
func (p *watchedPipeline) conclude() {
	select {
	case <-p.done:
	default:
	}
	p.done <- noAnswer{}
}

// noAnswer is a refusal that nobody sent: its response is no success.
type noAnswer struct{}

func (noAnswer) Error() error                           { return hraft.ErrPipelineShutdown }
func (noAnswer) Start() time.Time                       { return time.Now() }
func (noAnswer) Request() *hraft.AppendEntriesRequest   { return &hraft.AppendEntriesRequest{} }
func (noAnswer) Response() *hraft.AppendEntriesResponse { return &hraft.AppendEntriesResponse{} }

// Consumer implements hraft.AppendPipeline.
func (p *watchedPipeline) Consumer() <-chan hraft.AppendFuture { return p.done }

// Close implements hraft.AppendPipeline.
func (p *watchedPipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}

// pipelines are those that there are.
type pipelines struct {
	mu  sync.Mutex
	all map[*watchedPipeline]bool
}

func (ps *pipelines) add(p *watchedPipeline) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.all == nil {
		ps.all = map[*watchedPipeline]bool{}
	}
	ps.all[p] = true
}

func (ps *pipelines) remove(p *watchedPipeline) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.all, p)
}

// poke has followers told what is committed.
func (ps *pipelines) poke() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p := range ps.all {
		select {
		case p.poked <- struct{}{}:
		default:
		}
	}
}

// committedIn returns what is committed if this node leads in a term, else 0. The
// order matters: what was read before it was still the leader it read as that.
func (n *Node) committedIn(term uint64) uint64 {
	index := n.raft.CommitIndex()
	if n.raft.State() != hraft.Leader || n.raft.CurrentTerm() != term {
		return 0
	}
	return index
}
