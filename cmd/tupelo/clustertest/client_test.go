package clustertest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

const (
	// slots is how many registers are in use at a time. One whose values are used
	// up makes room for another.
	slots = 6
	// patience is how long a client tries to have a write done: longer than a
	// failover, and than a node takes to restart.
	patience = 15 * time.Second
)

// crowd is what clients share: who has written what, and zookies handed over.
type crowd struct {
	*cluster
	origin      string // what watches begin after
	schemaPause time.Duration

	mu         sync.Mutex
	values     [slots]int // the last of each slot's register
	generation [slots]int // of the slot's register
	schema     int        // the last version
	schemaAt   time.Time  // when it was written
	lent       string     // the newest zookie that a client has handed over
	keys       int
	gentle     bool // nodes are restarted one by one, which nobody who tries again is to notice
}

// furnish writes what clients begin with: version 0 of the schema, and the tuple.
func (c *crowd) furnish(ctx context.Context) error {
	line := newLine(c.nodes[0], c.token)
	defer line.close()
	ctx, cancel := context.WithTimeout(ctx, beginLimit)
	defer cancel()
	for {
		_, err := ask(ctx, line, func(ctx context.Context, s calls) (*tupelov1.WriteSchemaResponse, error) {
			return s.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: registers.SchemaText(0)})
		})
		if err == nil {
			// Keys are taken once every node has said that it knows them.
			request := registers.Furniture()
			request.IdempotencyKey = "furniture"
			var answer *tupelov1.WriteResponse
			answer, err = ask(ctx, line, func(ctx context.Context, s calls) (*tupelov1.WriteResponse, error) { return s.Write(ctx, request) })
			c.origin = answer.GetZookie()
		}
		if err == nil {
			return nil
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("writing what clients begin with: %w", err)
		}
	}
}

// register draws one of those in use.
func (c *crowd) register(slot int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return fmt.Sprintf("r%d-%d", slot, c.generation[slot])
}

// next returns a register and a value that it never had.
func (c *crowd) next(slot int) (register string, value int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	register = fmt.Sprintf("r%d-%d", slot, c.generation[slot])
	if c.values[slot] == registers.Most(register) {
		c.generation[slot]++
		c.values[slot] = 0
		register = fmt.Sprintf("r%d-%d", slot, c.generation[slot])
	}
	c.values[slot]++
	return register, c.values[slot]
}

// nextSchema returns a new version, 0 if it is too early for one.
func (c *crowd) nextSchema() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.schema == registers.Most(history.Schema) || time.Since(c.schemaAt) < c.schemaPause {
		return 0
	}
	c.schema++
	c.schemaAt = time.Now()
	return c.schema
}

func (c *crowd) nextKey() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keys++
	return fmt.Sprint("k", c.keys)
}

// lend hands a zookie to others, and returns the newest of those handed over.
func (c *crowd) lend(zookie string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	mine, _ := history.Revision(zookie)
	if lent, _ := history.Revision(c.lent); lent > mine {
		return c.lent
	}
	c.lent = zookie
	return zookie
}

func (c *crowd) setGentle(is bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gentle = is
}

func (c *crowd) isGentle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gentle
}

// client is somebody who writes and reads registers.
type client struct {
	*crowd
	name   string
	random *rand.Rand
	lines  []*line
	home   int    // the node that it likes best
	zookie string // the newest that it knows of
}

func (c *crowd) newClient(i int, seed uint64) *client {
	one := &client{
		crowd: c, name: fmt.Sprint("c", i), random: rand.New(rand.NewPCG(seed, uint64(100+i))),
		home: i % size, zookie: c.origin,
	}
	for _, n := range c.nodes {
		one.lines = append(one.lines, newLine(n, c.token))
	}
	return one
}

// live acts until ctx ends. What is under way then is brought to its end.
func (c *client) live(ctx context.Context) {
	for ctx.Err() == nil {
		c.act()
		time.Sleep(time.Duration(1+c.random.IntN(20)) * time.Millisecond)
	}
	for _, l := range c.lines {
		l.close()
	}
}

// line draws the node to go to, its own half of the time; one that is known to
// be gone only if all are.
func (c *client) line() *line {
	if own := c.lines[c.home]; c.random.IntN(2) == 0 && own.node.lives() {
		return own
	}
	for range 2 * size {
		if l := c.lines[c.random.IntN(size)]; l.node.lives() {
			return l
		}
	}
	return c.lines[c.home]
}

func (c *client) act() {
	slot := c.random.IntN(slots)
	switch dice := c.random.IntN(100); {
	case dice < 2:
		if value := c.nextSchema(); value > 0 {
			c.writeSchema(value)
		}
	case dice < 36:
		c.write(slot)
	case dice < 39:
		c.clear(slot)
	case dice < 42:
		c.read(history.Schema)
	case dice < 50:
		c.zookie = c.lend(c.zookie)
	default:
		c.read(c.register(slot))
	}
}

// send is how a write is sent.
type send func(context.Context, calls) (zookie string, err error)

func (c *client) write(slot int) {
	e := history.Event{Kind: history.KindWrite}
	e.Register, e.Value = c.next(slot)
	request := registers.Setting(e.Register, e.Value)
	if c.random.IntN(3) == 0 {
		e.If = &history.Bit{Bit: uint(c.random.IntN(registers.Bits(e.Register))), Set: c.random.IntN(2) == 0}
		request.Preconditions = registers.Condition(e.Register, e.If)
	}
	e.Key = c.drawKey()
	request.IdempotencyKey = e.Key
	c.change(e, func(ctx context.Context, s calls) (string, error) {
		answer, err := s.Write(ctx, request)
		return answer.GetZookie(), err
	})
}

// drawKey returns a key for half of the writes.
func (c *client) drawKey() string {
	if c.random.IntN(2) == 0 {
		return ""
	}
	return c.nextKey()
}

func (c *client) writeSchema(value int) {
	e := history.Event{Kind: history.KindWrite, Register: history.Schema, Value: value, Key: c.drawKey()}
	request := &tupelov1.WriteSchemaRequest{Text: registers.SchemaText(value), IdempotencyKey: e.Key}
	c.change(e, func(ctx context.Context, s calls) (string, error) {
		answer, err := s.WriteSchema(ctx, request)
		return answer.GetZookie(), err
	})
}

func (c *client) clear(slot int) {
	e := history.Event{Kind: history.KindClear, Register: c.register(slot), Key: c.drawKey()}
	request := registers.Clearing(e.Register)
	request.IdempotencyKey = e.Key
	c.change(e, func(ctx context.Context, s calls) (string, error) {
		answer, err := s.DeleteByFilter(ctx, request)
		return answer.GetZookie(), err
	})
}

// change has a write done, and notes what became of it. What was not done is
// sent again, to any node; what may have been done is so only under a key.
func (c *client) change(e history.Event, do send) {
	e.Client, e.Call = c.name, c.history.Now()
	gentle := c.isGentle()
	var doubt bool
	for end := time.Now().Add(patience); ; {
		l := c.line()
		e.Node = l.node.id
		zookie, err := ask(context.Background(), l, func(ctx context.Context, s calls) (string, error) { return do(ctx, s) })
		e.Return = c.history.Now()
		e.Outcome = c.judge(&e, err)
		if err == nil {
			c.learn(&e, zookie)
			break
		}
		doubt = doubt || e.Outcome == history.Unknown
		again := e.Outcome == history.NotDone || e.Outcome == history.Unknown && e.Key != ""
		if !again || time.Now().After(end) {
			break
		}
		time.Sleep(time.Duration(10+c.random.IntN(90)) * time.Millisecond)
	}
	if doubt && e.Outcome != history.OK {
		e.Outcome = history.Unknown // a refusal says nothing of an earlier try
	}
	c.history.Add(e)
	if failed := e.Outcome == history.Unknown || e.Outcome == history.NotDone; failed && gentle && c.isGentle() {
		c.history.Failure("a write by client %s failed for good while nodes were restarted one by one (key %q): %s", c.name, e.Key, e.Text)
	}
}

// judge says what a call came to. What nothing that was broken explains is a failure.
func (c *client) judge(e *history.Event, err error) string {
	outcome, expected := outcomeOf(err)
	if e.Text = ""; err != nil {
		e.Text = err.Error()
	}
	if !expected {
		c.history.Failure("%s of %s by client %s at %s: %v", e.Kind, e.Register, c.name, e.Node, err)
	}
	return outcome
}

// learn takes the zookie of an answer.
func (c *client) learn(e *history.Event, zookie string) {
	revision, err := history.Revision(zookie)
	if err != nil {
		c.history.Failure("%s by client %s at %s: %v", e.Kind, c.name, e.Node, err)
	}
	e.Revision = revision
	if mine, _ := history.Revision(c.zookie); revision > mine {
		c.zookie = zookie
	}
}

func (c *client) read(register string) {
	l := c.line()
	e := history.Event{Kind: history.KindRead, Client: c.name, Node: l.node.id, Register: register}
	request := &tupelov1.BatchCheckRequest{Consistency: registers.Consistency(c.random, c.zookie, &e), Items: registers.Questions(register)}
	e.Call = c.history.Now()
	answer, err := ask(context.Background(), l, func(ctx context.Context, s calls) (*tupelov1.BatchCheckResponse, error) {
		return s.BatchCheck(ctx, request)
	})
	e.Return = c.history.Now()
	if e.Outcome = c.judge(&e, err); err != nil {
		e.Outcome = history.NotDone
		c.history.Add(e)
		return
	}
	if e.Value, err = registers.Value(answer); err != nil {
		c.history.Failure("read of %s by client %s at %s: %v", register, c.name, e.Node, err)
	}
	c.learn(&e, answer.Zookie)
	c.history.Add(e)
}
