package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/registers"
)

// trouble is something to break, one at a time.
type trouble struct {
	name  string
	rooms bool // it needs links that can be cut, or a small disk
	// brew breaks it, and returns what it did and how to mend it; what mends
	// itself needs nothing.
	brew func(*adversary, context.Context) (text string, mend func() error, err error)
}

// allTroubles come in a new order each time that all have been.
var allTroubles = []trouble{
	{"kill-leader", false, (*adversary).killLeader},
	{"kill", false, (*adversary).killAny},
	{"kill-all", false, (*adversary).killAll},
	{"pause-leader", false, (*adversary).pauseLeader},
	{"pause", false, (*adversary).pauseAny},
	{"restart", false, (*adversary).restart},
	{"rolling-restart", false, (*adversary).restartAll},
	{"transfer", false, (*adversary).handOver},
	{"cut-leader", true, (*adversary).cutLeader},
	{"cut", true, (*adversary).cutAny},
	{"cut-out", true, (*adversary).cutOut},
	{"cut-in", true, (*adversary).cutIn},
	{"cut-pair", true, (*adversary).cutPair},
	{"cut-offline", true, (*adversary).cutOffline},
	{"fill-disk", true, (*adversary).fillDisk},
	{"fill-leaders-disk", true, (*adversary).fillLeadersDisk},
}

// adversary breaks things, and mends each after a while.
type adversary struct {
	*crowd
	random *rand.Rand
	deck   []trouble
}

func newAdversary(c *crowd, seed uint64) *adversary {
	return &adversary{crowd: c, random: rand.New(rand.NewPCG(seed, 1))}
}

// live makes trouble until ctx ends.
func (a *adversary) live(ctx context.Context) {
	for ctx.Err() == nil {
		if len(a.deck) == 0 {
			a.shuffle()
		}
		if len(a.deck) == 0 {
			a.history.Failure("there is no trouble %q here", *troubleFlag)
			return
		}
		next := a.deck[0]
		a.deck = a.deck[1:]
		a.make(ctx, next, time.Duration(500+a.random.IntN(7500))*time.Millisecond)
		a.rest(ctx, time.Duration(1000+a.random.IntN(3000))*time.Millisecond)
	}
}

func (a *adversary) shuffle() {
	for _, t := range allTroubles {
		if wanted := *troubleFlag == "" || *troubleFlag == t.name; wanted && (!t.rooms || a.outside != nil) {
			a.deck = append(a.deck, t)
		}
	}
	a.random.Shuffle(len(a.deck), func(i, j int) { a.deck[i], a.deck[j] = a.deck[j], a.deck[i] })
}

// make makes one trouble once writes flow, has it last, and mends it. It tells how
// long no write was acknowledged meanwhile, and until they flow again.
func (a *adversary) make(ctx context.Context, t trouble, lasts time.Duration) {
	a.awaitWrites(ctx)
	a.pulse.pause()
	text, mend, err := t.brew(a, ctx)
	if err != nil {
		if ctx.Err() == nil {
			a.history.Failure("making trouble: %s: %v", text, err)
		}
		return
	}
	a.history.Fault("%s", text)
	if mend != nil {
		a.rest(ctx, lasts)
		if err := mend(); err != nil {
			a.history.Failure("mending after %s: %v", text, err)
		}
		a.history.Fault("no longer: %s", text)
		text = fmt.Sprintf("%s for %.1fs", text, lasts.Seconds())
	}
	a.awaitWrites(ctx)
	progress("%s: no write was acknowledged for up to %.2fs", text, a.pulse.pause().Seconds())
}

// awaitWrites waits until writes are acknowledged one after the other.
func (a *adversary) awaitWrites(ctx context.Context) {
	for end := time.Now().Add(mendLimit); ctx.Err() == nil; {
		a.rest(ctx, 500*time.Millisecond)
		switch {
		case a.pulse.beats():
			return
		case time.Now().After(end):
			a.history.Failure("no write was acknowledged within %v although nothing is broken", mendLimit)
			return
		}
	}
}

func (a *adversary) rest(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

func (a *adversary) any() *node { return a.nodes[a.random.IntN(size)] }

// leading waits for a leader.
func (a *adversary) leading(ctx context.Context) (*node, error) {
	for end := time.Now().Add(mendLimit); time.Now().Before(end) && ctx.Err() == nil; {
		if n := a.leader(ctx); n != nil {
			return n, nil
		}
		a.rest(ctx, 50*time.Millisecond)
	}
	return nil, errors.New("nobody leads")
}

func (a *adversary) killLeader(ctx context.Context) (string, func() error, error) {
	n, err := a.leading(ctx)
	if err != nil {
		return "SIGKILL of the leader", nil, err
	}
	n.kill()
	return "SIGKILL of the leader, " + n.id, func() error { return a.start(n) }, nil
}

func (a *adversary) killAny(context.Context) (string, func() error, error) {
	n := a.any()
	n.kill()
	return "SIGKILL of " + n.id, func() error { return a.start(n) }, nil
}

func (a *adversary) killAll(context.Context) (string, func() error, error) {
	for _, n := range a.nodes {
		n.kill()
	}
	return "SIGKILL of all", func() error {
		var err error
		for _, n := range a.nodes {
			err = errors.Join(err, a.start(n))
		}
		return err
	}, nil
}

func (a *adversary) pauseLeader(ctx context.Context) (string, func() error, error) {
	n, err := a.leading(ctx)
	if err != nil {
		return "SIGSTOP of the leader", nil, err
	}
	return "SIGSTOP of the leader, " + n.id, n.resume, n.pause()
}

func (a *adversary) pauseAny(context.Context) (string, func() error, error) {
	n := a.any()
	return "SIGSTOP of " + n.id, n.resume, n.pause()
}

func (a *adversary) restart(context.Context) (string, func() error, error) {
	n := a.any()
	return "SIGTERM of " + n.id, func() error { return a.start(n) }, n.stop(stopLimit)
}

// restartAll restarts the nodes one by one, each once the one before serves. No
// client that tries again is to notice.
func (a *adversary) restartAll(ctx context.Context) (text string, _ func() error, err error) {
	text, err = a.restartEach(ctx, func(*node) {})
	return "a rolling restart" + text, nil, err
}

// restartEach restarts the nodes one by one, with a change to each while it is down.
func (a *adversary) restartEach(ctx context.Context, change func(*node)) (text string, err error) {
	if err := a.await(ctx, mendLimit); err != nil {
		return text, err
	}
	a.setGentle(true)
	defer a.setGentle(false)
	for _, n := range a.nodes {
		begun := time.Now()
		if err := n.stop(stopLimit); err != nil {
			return text, err
		}
		change(n)
		text += fmt.Sprintf(", %s stopped in %.2fs", n.id, time.Since(begun).Seconds())
		begun = time.Now()
		if err := errors.Join(a.start(n), a.await(ctx, mendLimit)); err != nil {
			return text, err
		}
		text += fmt.Sprintf(" and was back in %.2fs", time.Since(begun).Seconds())
	}
	return text, nil
}

// handOver has another node lead, by the command line. One that lags would not be
// given the lead in time.
func (a *adversary) handOver(ctx context.Context) (string, func() error, error) {
	n, to := a.any(), a.any()
	if err := a.await(ctx, mendLimit); err != nil {
		return "a transfer of leadership", nil, err
	}
	args := []string{"cluster", "transfer", to.id, "--addr", n.calls, "--timeout", "10s"}
	if a.token != "" {
		args = append(args, "--token", a.token, "--insecure")
	}
	err := run(args...)
	return fmt.Sprintf("a transfer of leadership to %s, asked of %s", to.id, n.id), nil, err
}

// isolate cuts a node off from others, and the clients too if told.
func (a *adversary) isolate(n *node, clientsToo bool) (mend func() error, err error) {
	around := a.others(n)
	if clientsToo {
		around = append(around, a.outside)
	}
	mend = func() (err error) {
		for _, r := range around {
			err = errors.Join(err, n.room.mend(r))
		}
		return err
	}
	for _, r := range around {
		err = errors.Join(err, n.room.cut(r))
	}
	return mend, err
}

// others are the rooms of the other nodes.
func (a *adversary) others(n *node) (rooms []*room) {
	for _, r := range a.rooms {
		if r != n.room {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

func (a *adversary) cutLeader(ctx context.Context) (string, func() error, error) {
	const text = "the leader is cut off from the others"
	n, err := a.leading(ctx)
	if err != nil {
		return text, nil, err
	}
	mend, err := a.isolate(n, false)
	return text + ", " + n.id, mend, err
}

func (a *adversary) cutAny(context.Context) (string, func() error, error) {
	n := a.any()
	mend, err := a.isolate(n, false)
	return n.id + " is cut off from the others", mend, err
}

func (a *adversary) cutOffline(context.Context) (string, func() error, error) {
	n := a.any()
	mend, err := a.isolate(n, true)
	return n.id + " is cut off from all, clients too", mend, err
}

// cutOut has nothing come out of the leader.
func (a *adversary) cutOut(ctx context.Context) (string, func() error, error) {
	const text = "nothing comes from the leader to the others"
	n, err := a.leading(ctx)
	if err != nil {
		return text, nil, err
	}
	for _, r := range a.others(n) {
		err = errors.Join(err, n.room.cutOneWay(r))
	}
	return text + ", " + n.id, func() (err error) {
		for _, r := range a.others(n) {
			err = errors.Join(err, n.room.mend(r))
		}
		return err
	}, err
}

// cutIn has nothing come in at a node.
func (a *adversary) cutIn(context.Context) (string, func() error, error) {
	n := a.any()
	var err error
	for _, r := range a.others(n) {
		err = errors.Join(err, r.cutOneWay(n.room))
	}
	return "nothing comes to " + n.id + " from the others", func() (err error) {
		for _, r := range a.others(n) {
			err = errors.Join(err, r.mend(n.room))
		}
		return err
	}, err
}

// cutPair cuts one link, so that one node sees two that do not see each other.
func (a *adversary) cutPair(context.Context) (string, func() error, error) {
	n := a.any()
	others := a.others(n)
	r := others[a.random.IntN(len(others))]
	return fmt.Sprintf("%s and %s are cut off from each other", n.id, r.name), func() error { return n.room.mend(r) }, n.room.cut(r)
}

// small is the node whose disk is.
func (a *adversary) small() *node {
	for _, n := range a.nodes {
		if n.id == a.smallID {
			return n
		}
	}
	return nil
}

// fillDisk has a node's disk get full. The node may end, and is started again
// once there is space.
func (a *adversary) fillDisk(ctx context.Context) (string, func() error, error) {
	n := a.small()
	n.now().excuse("its disk is full")
	empty, err := n.fillDisk()
	text := "the disk of " + n.id + " is full"
	if err != nil {
		return text, nil, err
	}
	if a.press(ctx, n); n.lives() {
		text += ", and it goes on"
	} else {
		text += ", and it has ended"
	}
	return text, func() error {
		if err := empty(); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond) // for an end that is under way
		if !n.lives() {
			return a.start(n)
		}
		n.now().excuse("")
		return nil
	}, nil
}

// press writes much, so that a node needs space beyond what it has reserved.
func (a *adversary) press(ctx context.Context, n *node) {
	const writes, most = 500, 60_000
	request := registers.Furniture()
	request.Metadata = &structpb.Struct{Fields: map[string]*structpb.Value{"ballast": structpb.NewStringValue(strings.Repeat("x", most))}}
	var lines []*line
	for _, o := range a.nodes {
		if o != n {
			lines = append(lines, newLine(o, a.token))
		}
	}
	for i := 0; i < writes && n.lives() && ctx.Err() == nil; i++ {
		// Some fail, since a leader may go down with this.
		_, _ = ask(ctx, lines[i%len(lines)], func(ctx context.Context, s calls) (*tupelov1.WriteResponse, error) { return s.Write(ctx, request) })
	}
	for _, l := range lines {
		l.close()
	}
}

// fillLeadersDisk has the node lead whose disk gets full.
func (a *adversary) fillLeadersDisk(ctx context.Context) (string, func() error, error) {
	const text = "while it leads, "
	n := a.small()
	for end := time.Now().Add(mendLimit); time.Now().Before(end); a.rest(ctx, 200*time.Millisecond) {
		leader, err := a.leading(ctx)
		if err != nil {
			return text, nil, err
		}
		if leader == n {
			break
		}
		// The node may be behind still, and not be given the lead.
		_ = run("cluster", "transfer", n.id, "--addr", n.calls, "--timeout", "10s", "--token", a.token, "--insecure")
	}
	filled, mend, err := a.fillDisk(ctx)
	return text + strings.TrimSpace(filled), mend, err
}
