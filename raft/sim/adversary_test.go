package sim

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/raft"
)

// adversary breaks things, and mends each after a while.
type adversary struct {
	*cluster
	random *rand.Rand
	mends  sync.WaitGroup
	busy   sync.Map // names of nodes that are being dealt with already
}

func newAdversary(c *cluster) *adversary {
	return &adversary{cluster: c, random: rand.New(rand.NewPCG(c.plan.seed, 4))}
}

// trouble is something to break. It says what it did, and how to mend it; what
// mends itself needs nothing.
type trouble struct {
	weight int
	brew   func(*adversary) (text string, mend func())
}

var allTroubles = []trouble{
	{4, (*adversary).cut},
	{3, (*adversary).cutOneWay},
	{3, (*adversary).storm},
	{1, (*adversary).echo},
	{5, (*adversary).crash},
	{1, (*adversary).crashAll},
	{2, (*adversary).restart},
	{3, (*adversary).pauseNode},
	{3, (*adversary).sickenDisk},
	{4, (*adversary).transfer},
	{5, (*adversary).changeMembers},
	{1, (*adversary).turnClock},
	{2, (*adversary).flush},
	{2, (*adversary).flushAndCrash},
	{2, (*adversary).snapshot}, // the last: see slowDisks
}

// live makes the plan's number of troubles, some of them at once, and mends all.
func (a *adversary) live() {
	var bag []trouble
	for _, t := range a.plan.brew {
		bag = append(bag, slices.Repeat([]trouble{t}, t.weight)...)
	}
	time.Sleep(time.Second)
	for range a.plan.troubles {
		text, mend := bag[a.random.IntN(len(bag))].brew(a)
		if text != "" {
			a.history.Fault("%s", text)
		}
		lasts := time.Duration(300+a.random.IntN(3500)) * time.Millisecond
		if mend != nil {
			a.mends.Go(func() {
				time.Sleep(lasts)
				mend()
				a.history.Fault("no longer: %s", text)
			})
		}
		time.Sleep(time.Duration(100+a.random.IntN(2000)) * time.Millisecond)
	}
	a.mends.Wait()
	a.net.change(func() {
		clear(a.net.cuts)
		a.net.weather = calm
	})
	for id, who := range a.characters {
		who.disk.heal()
		a.revive(id)
	}
}

// revive has a node that died of its disk live again.
func (a *adversary) revive(id string) {
	for _, n := range a.living() {
		if n.id == id && n.log.Err() != nil {
			a.kill(n, 0)
			a.start(id)
		}
	}
}

// one draws a living node that nobody else deals with, and keeps others from it.
func (a *adversary) one() *node {
	living := slices.DeleteFunc(a.living(), func(n *node) bool { _, taken := a.busy.Load(n.id); return taken })
	if len(living) == 0 {
		return nil
	}
	n := living[a.random.IntN(len(living))]
	a.busy.Store(n.id, true)
	return n
}

func (a *adversary) leave(n *node) { a.busy.Delete(n.id) }

// names returns the names of all nodes there can be.
func (a *adversary) names() []string { return slices.Sorted(maps.Keys(a.characters)) }

// cut divides the nodes into two sides: often the leader and those who do not
// vote on one of them.
func (a *adversary) cut() (string, func()) {
	var side []string
	leader := a.leader()
	switch {
	case leader != nil && a.random.IntN(2) == 0:
		side = []string{leader.id}
		for _, m := range leader.log.Members() {
			if !m.Voter {
				side = append(side, m.ID)
			}
		}
	default:
		for _, id := range a.names() {
			if a.random.IntN(2) == 0 {
				side = append(side, id)
			}
		}
	}
	return fmt.Sprintf("%v are cut off from the rest", side), a.cutLinks(func(from, to string) bool {
		return slices.Contains(side, from) != slices.Contains(side, to)
	})
}

// cutOneWay cuts some directions.
func (a *adversary) cutOneWay() (string, func()) {
	victim := a.names()[a.random.IntN(len(a.names()))]
	if inward := a.random.IntN(2) == 0; inward {
		return "nothing comes in at " + victim, a.cutLinks(func(_, to string) bool { return to == victim })
	}
	return "nothing comes out of " + victim, a.cutLinks(func(from, _ string) bool { return from == victim })
}

func (a *adversary) cutLinks(cut func(from, to string) bool) (mend func()) {
	var cuts []link
	for _, from := range a.names() {
		for _, to := range a.names() {
			if from != to && cut(from, to) {
				cuts = append(cuts, link{from, to})
			}
		}
	}
	set := func(cut bool) func() {
		return func() {
			for _, l := range cuts {
				a.net.cuts[l] = cut
			}
		}
	}
	a.net.change(set(true))
	return func() { a.net.change(set(false)) }
}

func (a *adversary) storm() (string, func()) {
	bad := weather{
		lost: float64(a.random.IntN(3)) * 0.08, doubled: float64(a.random.IntN(3)) * 0.1, cutOff: 0.5,
		delay: time.Duration(5+a.random.IntN(120)) * time.Millisecond,
	}
	a.net.change(func() { a.net.weather = bad })
	return fmt.Sprintf("storm: %+v", bad), func() { a.net.change(func() { a.net.weather = calm }) }
}

// echo has every message come twice, the second time when it is not expected.
func (a *adversary) echo() (string, func()) {
	a.net.change(func() { a.net.weather = weather{doubled: 1, delay: 5 * time.Millisecond} })
	return "every message comes twice", func() { a.net.change(func() { a.net.weather = calm }) }
}

func (a *adversary) crash() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	unsynced := []int{0, 50, 100}[a.random.IntN(3)]
	a.kill(n, unsynced)
	return fmt.Sprintf("%s crashes and keeps %d%% of what is not synced", n.id, unsynced), func() {
		a.start(n.id)
		a.leave(n)
	}
}

func (a *adversary) crashAll() (string, func()) {
	var killed []*node
	for n := a.one(); n != nil; n = a.one() {
		a.kill(n, 0)
		killed = append(killed, n)
	}
	return "all crash", func() {
		for _, n := range killed {
			a.start(n.id)
			a.leave(n)
		}
	}
}

// restart stops a node in good order.
func (a *adversary) restart() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := n.log.Close(ctx); err != nil && a.characters[n.id].disk.blameless() {
		a.history.Failure("closing %s: %v", n.id, err)
	}
	a.kill(n, 100)
	return n.id + " is stopped", func() {
		a.start(n.id)
		a.leave(n)
	}
}

func (a *adversary) pauseNode() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	n.stop()
	return n.id + " is paused", func() {
		n.resume()
		a.leave(n)
	}
}

func (a *adversary) sickenDisk() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	err := errDiskBroken
	if a.random.IntN(2) == 0 {
		err = errDiskFull
	}
	disk := a.characters[n.id].disk
	disk.sicken(err)
	return fmt.Sprintf("the disk of %s: %v", n.id, err), func() {
		disk.heal()
		a.revive(n.id)
		a.leave(n)
	}
}

// transfer has another node lead; where there is a slow one, rather that.
func (a *adversary) transfer() (string, func()) {
	leader := a.leader()
	if leader == nil {
		return "", nil
	}
	to := a.plan.slow
	if to == "" || a.random.IntN(3) == 0 {
		to = a.plan.founders[a.random.IntN(len(a.plan.founders))]
	}
	a.mends.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		a.asked(leader, "transfer leadership to "+to, leader.log.Transfer(ctx, to))
	})
	return fmt.Sprintf("%s is to hand leadership to %s", leader.id, to), nil
}

// depart has the leader give its vote away.
func (a *adversary) depart() (string, func()) {
	leader := a.leader()
	if leader == nil {
		return "", nil
	}
	a.mends.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		a.asked(leader, "demote itself", leader.log.Demote(ctx, leader.id))
	})
	return leader.id + " is to demote itself", func() {
		if n := a.leader(); n != nil {
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			defer cancel()
			a.asked(n, "promote "+leader.id, n.log.Promote(ctx, leader.id))
		}
	}
}

// asked notes what a node made of what it was asked.
func (a *adversary) asked(n *node, what string, err error) {
	if err != nil {
		a.history.Fault("%s did not %s: %v", n.id, what, err)
	}
}

// changeMembers takes in a node, lets it go, or changes whether it votes.
func (a *adversary) changeMembers() (string, func()) {
	leader := a.leader()
	if leader == nil {
		return "", nil
	}
	id := a.plan.spares[a.random.IntN(len(a.plan.spares))]
	if a.random.IntN(5) == 0 {
		id = a.names()[a.random.IntN(len(a.names()))]
	}
	what, change := a.membership(leader, id)
	a.mends.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		a.asked(leader, what, change(ctx, id))
	})
	return fmt.Sprintf("%s is to %s", leader.id, what), nil
}

// membership draws what may be done with a node, given what it is.
func (a *adversary) membership(leader *node, id string) (string, func(context.Context, string) error) {
	members := leader.log.Members()
	i := slices.IndexFunc(members, func(m raft.Member) bool { return m.ID == id })
	switch {
	case i < 0:
		if _, taken := a.busy.Load(id); !taken && !slices.ContainsFunc(a.living(), func(n *node) bool { return n.id == id }) {
			a.start(id)
		}
		return "take in " + id, func(ctx context.Context, id string) error {
			return leader.log.AddNonvoter(ctx, id, addressOf(id))
		}
	case !members[i].Voter && a.random.IntN(2) == 0:
		return "promote " + id, leader.log.Promote
	case members[i].Voter && a.random.IntN(2) == 0:
		return "demote " + id, leader.log.Demote
	}
	return "let go of " + id, leader.log.Remove
}

// turnClock sets the clock of a node's commands.
func (a *adversary) turnClock() (string, func()) {
	id := a.names()[a.random.IntN(len(a.names()))]
	jump := time.Duration(a.random.Int64N(int64(2*time.Hour))) - time.Hour
	a.characters[id].clock.Store(int64(jump))
	return fmt.Sprintf("the clock of %s is off by %v", id, jump), nil
}

func (a *adversary) snapshot() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	defer a.leave(n)
	a.net.spawn(n, func() {
		ctx, cancel := context.WithTimeout(n.context, 5*time.Second)
		defer cancel()
		if err := n.log.Snapshot(ctx); err != nil {
			a.history.Fault("the snapshot at %s: %v", n.id, err)
		}
	})
	return n.id + " takes a snapshot", nil
}

// flush has the state of a node become durable ahead of any snapshot, as when
// its memory is full.
func (a *adversary) flush() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	dir := fmt.Sprint("copy-", a.random.Uint32())
	a.net.spawn(n, func() {
		if err := n.store.Checkpoint(n.context, dir, 0); err != nil {
			a.history.Fault("the flush of %s: %v", n.id, err)
		}
	})
	return "the state of " + n.id + " becomes durable", func() { a.leave(n) }
}

// flushAndCrash has a state come back that is ahead of its snapshots.
func (a *adversary) flushAndCrash() (string, func()) {
	n := a.one()
	if n == nil {
		return "", nil
	}
	if err := n.store.Checkpoint(n.context, fmt.Sprint("copy-", a.random.Uint32()), 0); err != nil {
		a.history.Fault("the flush of %s: %v", n.id, err)
	}
	a.kill(n, 0)
	return n.id + " crashes once its state is durable", func() {
		a.start(n.id)
		a.leave(n)
	}
}
