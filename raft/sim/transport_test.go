package sim

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	hraft "github.com/hashicorp/raft"

	"github.com/tupelodb/tupelo/raft"
)

// transport carries hashicorp/raft's messages over the network. Each goes its
// own way, so that those of a pipeline overtake each other.
type transport struct {
	net      *network
	self     *node
	consumer chan hraft.RPC
}

func newTransport(net *network, self *node) *transport {
	return &transport{net, self, make(chan hraft.RPC)}
}

func addressOf(id string) string { return "at " + id }

// rpc has a command handled by another node's raft.
func (t *transport) rpc(to hraft.ServerAddress, command any, data []byte) (any, error) {
	command = copied(command) // raft uses a heartbeat's again, and a doubled message arrives late
	return t.net.ask(t.self, strings.TrimPrefix(string(to), addressOf("")), func(n *node) (any, error) {
		answer := make(chan hraft.RPCResponse, 1)
		rpc := hraft.RPC{Command: copied(command), RespChan: answer}
		if data != nil {
			rpc.Reader = t.net.breakable(data)
		}
		limit := time.NewTimer(answerLimit)
		defer limit.Stop()
		select {
		case n.transport.consumer <- rpc:
		case <-n.died:
			return nil, errLost
		case <-limit.C:
			return nil, errLost
		}
		select {
		case a := <-answer:
			return a.Response, a.Error
		case <-n.died:
			return nil, errLost
		}
	})
}

// copied is a request that shares nothing that its receiver might change.
func copied(command any) any {
	q, ok := command.(*hraft.AppendEntriesRequest)
	if !ok {
		return command
	}
	c := *q
	c.Entries = make([]*hraft.Log, len(q.Entries))
	for i, l := range q.Entries {
		entry := *l
		c.Entries[i] = &entry
	}
	return &c
}

// breakable reads data, and now and then breaks off.
func (w *network) breakable(data []byte) io.Reader {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.chance(w.weather.cutOff) {
		return bytes.NewReader(data)
	}
	kept := data[:w.random.IntN(len(data)+1)]
	return io.MultiReader(bytes.NewReader(kept), failingReader{})
}

type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errLost }

// answered copies the answer of a type into where raft wants it.
func answered[T any](answer any, err error, into *T) error {
	if err != nil {
		return err
	}
	got, ok := answer.(*T)
	if !ok {
		return errors.New("an answer of another kind")
	}
	*into = *got
	return nil
}

func (t *transport) AppendEntries(_ hraft.ServerID, to hraft.ServerAddress, q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse) error {
	answer, err := t.rpc(to, q, nil)
	return answered(answer, err, a)
}

func (t *transport) RequestVote(_ hraft.ServerID, to hraft.ServerAddress, q *hraft.RequestVoteRequest, a *hraft.RequestVoteResponse) error {
	answer, err := t.rpc(to, q, nil)
	return answered(answer, err, a)
}

func (t *transport) RequestPreVote(_ hraft.ServerID, to hraft.ServerAddress, q *hraft.RequestPreVoteRequest, a *hraft.RequestPreVoteResponse) error {
	answer, err := t.rpc(to, q, nil)
	return answered(answer, err, a)
}

func (t *transport) TimeoutNow(_ hraft.ServerID, to hraft.ServerAddress, q *hraft.TimeoutNowRequest, a *hraft.TimeoutNowResponse) error {
	answer, err := t.rpc(to, q, nil)
	return answered(answer, err, a)
}

func (t *transport) InstallSnapshot(_ hraft.ServerID, to hraft.ServerAddress, q *hraft.InstallSnapshotRequest, a *hraft.InstallSnapshotResponse, data io.Reader) error {
	whole, err := io.ReadAll(data)
	if err != nil {
		return err
	}
	answer, err := t.rpc(to, q, whole)
	return answered(answer, err, a)
}

func (t *transport) Consumer() <-chan hraft.RPC                                { return t.consumer }
func (t *transport) LocalAddr() hraft.ServerAddress                            { return hraft.ServerAddress(addressOf(t.self.id)) }
func (t *transport) EncodePeer(_ hraft.ServerID, a hraft.ServerAddress) []byte { return []byte(a) }
func (t *transport) DecodePeer(b []byte) hraft.ServerAddress                   { return hraft.ServerAddress(b) }
func (t *transport) SetHeartbeatHandler(func(hraft.RPC))                       {}
func (t *transport) Close() error                                              { return nil }

// pipeline has many requests under way. Answers are passed on in the order of
// the requests, as raft expects.
type pipeline struct {
	transport *transport
	to        hraft.ServerAddress
	underway  chan *appendFuture
	done      chan hraft.AppendFuture
	once      sync.Once
	closed    chan struct{}
}

func (t *transport) AppendEntriesPipeline(_ hraft.ServerID, to hraft.ServerAddress) (hraft.AppendPipeline, error) {
	p := &pipeline{
		transport: t, to: to, closed: make(chan struct{}),
		underway: make(chan *appendFuture, 32), done: make(chan hraft.AppendFuture),
	}
	go p.pass()
	return p, nil
}

func (p *pipeline) AppendEntries(q *hraft.AppendEntriesRequest, a *hraft.AppendEntriesResponse) (hraft.AppendFuture, error) {
	f := &appendFuture{start: time.Now(), request: q, response: a, ended: make(chan struct{})}
	select {
	case p.underway <- f:
	case <-p.closed:
		return nil, hraft.ErrPipelineShutdown
	}
	go func() {
		defer close(f.ended)
		f.err = p.transport.AppendEntries("", p.to, q, a)
	}()
	return f, nil
}

func (p *pipeline) pass() {
	for {
		select {
		case f := <-p.underway:
			<-f.ended
			select {
			case p.done <- f:
			case <-p.closed:
				return
			}
		case <-p.closed:
			return
		}
	}
}

func (p *pipeline) Consumer() <-chan hraft.AppendFuture { return p.done }

func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

type appendFuture struct {
	start    time.Time
	request  *hraft.AppendEntriesRequest
	response *hraft.AppendEntriesResponse
	ended    chan struct{}
	err      error
}

func (f *appendFuture) Error() error                           { <-f.ended; return f.err }
func (f *appendFuture) Start() time.Time                       { return f.start }
func (f *appendFuture) Request() *hraft.AppendEntriesRequest   { return f.request }
func (f *appendFuture) Response() *hraft.AppendEntriesResponse { return f.response }

// peers asks other nodes, over the same network, what package raft asks.
type peers struct {
	net  *network
	self *node
}

func (p peers) Term(_ context.Context, m raft.Member) (uint64, error) {
	return p.ask(m, func(n *raft.Node) (uint64, error) { return n.Term(), nil })
}

func (p peers) ReadIndex(ctx context.Context, m raft.Member) (uint64, error) {
	return p.ask(m, func(n *raft.Node) (uint64, error) { return n.LeaderReadIndex(ctx) })
}

func (p peers) ask(m raft.Member, question func(*raft.Node) (uint64, error)) (uint64, error) {
	answer, err := p.net.ask(p.self, m.ID, func(n *node) (any, error) { return question(n.log) })
	if err != nil {
		return 0, err
	}
	return answer.(uint64), nil
}
