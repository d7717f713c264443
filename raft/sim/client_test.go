package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
	"github.com/tupelodb/tupelo/raft/sim/registers"
	"github.com/tupelodb/tupelo/store"
)

// registerCount is how many registers there are beside the schema.
const registerCount = 5

// furnish writes what clients and watches begin with: version 0 of the schema,
// which is what its register is before its first write, and the tuple.
func (c *cluster) furnish() bool {
	furnish := func(ctx context.Context, n *node) error {
		if _, err := n.server.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: registers.SchemaText(0)}); err != nil {
			return err
		}
		answer, err := n.server.Write(ctx, registers.Furniture())
		if err != nil {
			return err
		}
		c.origin = answer.Zookie
		// Keys need the newest format; a wiring has nobody who raises it.
		leader, _ := n.log.Leader()
		if leader.ID != n.id {
			return errors.New("another node leads")
		}
		_, err = n.log.Propose(ctx, store.Encode(store.Upgrade{UnixMillis: time.Now().UnixMilli(), Format: store.MaxFormat}))
		return err
	}
	var err error
	for range 20 {
		n := c.leader()
		if n == nil {
			n = c.living()[0]
		}
		if err = c.call(n, func(ctx context.Context) error { return furnish(ctx, n) }); err == nil {
			return true
		}
		time.Sleep(time.Second)
	}
	c.history.Failure("the schema could not be written: %v", err)
	return false
}

// client is somebody who writes and reads registers.
type client struct {
	*cluster
	name   string
	random *rand.Rand
	home   string // the node it likes best
	zookie string // the newest it knows of
	keys   int    // that it made up
}

func (c *cluster) newClient(i int) *client {
	return &client{
		cluster: c, name: fmt.Sprint("c", i), random: rand.New(rand.NewPCG(c.plan.seed, uint64(100+i))),
		home: c.plan.founders[i%len(c.plan.founders)], zookie: c.origin,
	}
}

func (c *client) live(ctx context.Context) {
	for ctx.Err() == nil {
		if n := c.node(); n != nil {
			c.act(n)
		}
		time.Sleep(time.Duration(20+c.random.IntN(160)) * time.Millisecond)
	}
}

// node draws the node to go to; none if nobody is there.
func (c *client) node() *node {
	living := c.living()
	if len(living) == 0 {
		return nil
	}
	for _, n := range living {
		if n.id == c.home && c.random.IntN(2) == 0 {
			return n
		}
	}
	return living[c.random.IntN(len(living))]
}

func (c *client) act(n *node) {
	register := fmt.Sprint("r", c.random.IntN(registerCount))
	switch dice := c.random.IntN(100); {
	case dice < 2:
		c.writeRegister(n, history.Schema)
	case dice < 35:
		c.writeRegister(n, register)
	case dice < 39:
		c.clear(n, register)
	case dice < 45:
		c.read(n, history.Schema)
	case dice < 50:
		c.zookie = c.lend(c.zookie)
	default:
		c.read(n, register)
	}
}

// call has f run at a node as a client's call: it has a limit, ends with the
// node, and its answer may be lost.
func (c *cluster) call(n *node, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(n.context, callLimit)
	defer cancel()
	n.awake()
	done := make(chan error, 1)
	if !c.net.spawn(n, func() { done <- f(ctx) }) {
		return errDead
	}
	var err error
	select {
	case err = <-done:
	case <-n.died:
		return errLost
	}
	n.awake()
	if lost := c.pick(100) == 0; lost || !c.net.lives(n) {
		return errLost
	}
	return err
}

// next draws a value that the register never had, 0 if there is none left.
func (c *cluster) next(register string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values[register] == registers.Most(register) {
		return 0
	}
	c.values[register]++
	return c.values[register]
}

func (c *client) writeRegister(n *node, register string) {
	e := history.Event{Kind: history.KindWrite, Register: register, Value: c.next(register)}
	if e.Value == 0 {
		return
	}
	var request *tupelov1.WriteRequest
	if register != history.Schema {
		request = registers.Setting(register, e.Value)
		if c.random.IntN(3) == 0 {
			e.If = &history.Bit{Bit: uint(c.random.IntN(registers.Bits(register))), Set: c.random.IntN(2) == 0}
			request.Preconditions = registers.Condition(register, e.If)
		}
	}
	e.Key = c.key()
	c.change(n, e, func(ctx context.Context, n *node) (string, error) {
		if register == history.Schema {
			answer, err := n.server.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: registers.SchemaText(e.Value), IdempotencyKey: e.Key})
			return answer.GetZookie(), err
		}
		request.IdempotencyKey = e.Key
		answer, err := n.server.Write(ctx, request)
		return answer.GetZookie(), err
	})
}

func (c *client) clear(n *node, register string) {
	e := history.Event{Kind: history.KindClear, Register: register, Key: c.key()}
	c.change(n, e, func(ctx context.Context, n *node) (string, error) {
		request := registers.Clearing(register)
		request.IdempotencyKey = e.Key
		answer, err := n.server.DeleteByFilter(ctx, request)
		return answer.GetZookie(), err
	})
}

// key makes up an idempotency key for some calls.
func (c *client) key() string {
	if c.random.IntN(2) == 0 {
		return ""
	}
	c.keys++
	return fmt.Sprintf("%s-%d", c.name, c.keys)
}

// maxTries is how often a client sends a call that has a key.
const maxTries = 6

// change makes a call that writes, and notes what became of it. What has a key is
// sent again, to other nodes, until it is known.
func (c *client) change(n *node, e history.Event, do func(context.Context, *node) (string, error)) {
	e.Client, e.Call = c.name, c.history.Now()
	var zookie string
	maybe := false
	for try := 1; ; try++ {
		var err error
		zookie, err = c.attempt(n, do)
		e.Outcome, e.Text = outcome(err)
		maybe = maybe || e.Outcome == history.Unknown
		if known := e.Outcome == history.OK || e.Outcome == history.Unmet; known || e.Key == "" || try == maxTries {
			break
		}
		time.Sleep(time.Duration(c.random.IntN(500)) * time.Millisecond)
		if other := c.node(); other != nil {
			n = other
		}
	}
	e.Node, e.Return = n.id, c.history.Now()
	switch {
	case e.Outcome == history.OK:
		c.learn(&e, zookie)
	case maybe:
		// A try of before may be done, or may have been and be undone: a
		// precondition that does not hold then says nothing.
		e.Outcome = history.Unknown
	}
	c.history.Add(e)
}

// attempt makes a call once. What it gives is the caller's only if it is heard.
func (c *client) attempt(n *node, do func(context.Context, *node) (string, error)) (zookie string, err error) {
	heard := make(chan string, 1)
	err = c.call(n, func(ctx context.Context) error {
		zookie, err := do(ctx, n)
		heard <- zookie
		return err
	})
	if err == nil {
		zookie = <-heard
	}
	return zookie, err
}

// learn takes the zookie of an answer.
func (c *client) learn(e *history.Event, zookie string) {
	revision, err := history.Revision(zookie)
	if err != nil {
		c.history.Failure("%s of client %s at %s: %v", e.Kind, c.name, e.Node, err)
	}
	e.Revision = revision
	if mine, _ := history.Revision(c.zookie); revision > mine {
		c.zookie = zookie
	}
}

// lend hands a zookie to others, and returns the newest of those handed over.
func (c *cluster) lend(zookie string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine, _ := history.Revision(zookie)
	if lent, _ := history.Revision(c.lent); lent > mine {
		return c.lent
	}
	c.lent = zookie
	return zookie
}

// outcome says what became of a write that ended with an error.
func outcome(err error) (outcome, text string) {
	switch reason := reasonOf(err); {
	case err == nil:
		return history.OK, ""
	case errors.Is(err, errDead), slices.Contains(notDone, reason):
		return history.NotDone, err.Error()
	case reason == "PRECONDITION_NOT_MET":
		return history.Unmet, ""
	}
	return history.Unknown, err.Error()
}

// notDone are reasons, and kinds of errors of the log, that say that nothing was
// done.
var notDone = []string{"NO_LEADER", "OVERLOADED", "CLOSED", "CLUSTER_UPGRADING", "no-leader", "overloaded", "closed", "failed"}

// reasonOf returns why a call failed, whether the error is the handler's own or
// was passed on from another node.
func reasonOf(err error) string {
	const prefix = "ERROR_REASON_"
	var refused *api.Error
	var kind interface{ Kind() string }
	switch {
	case errors.As(err, &refused):
		return strings.TrimPrefix(refused.Reason.String(), prefix)
	case errors.As(err, &kind):
		return kind.Kind()
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return strings.TrimPrefix(info.Reason, prefix)
		}
	}
	return ""
}

func (c *client) read(n *node, register string) {
	e := history.Event{Kind: history.KindRead, Client: c.name, Node: n.id, Register: register}
	consistency := registers.Consistency(c.random, c.zookie, &e)
	request := &tupelov1.BatchCheckRequest{Consistency: consistency, Items: registers.Questions(register)}
	var answer *tupelov1.BatchCheckResponse
	e.Call = c.history.Now()
	err := c.call(n, func(ctx context.Context) (err error) {
		answer, err = n.server.BatchCheck(ctx, request)
		return err
	})
	e.Return = c.history.Now()
	e.Outcome = history.OK
	if err != nil {
		e.Outcome, e.Text = history.NotDone, err.Error()
		c.history.Add(e)
		return
	}
	if e.Value, err = registers.Value(answer); err != nil {
		c.history.Failure("read of client %s at %s: %v", c.name, n.id, err)
	}
	c.learn(&e, answer.Zookie)
	c.history.Add(e)
}
