package clustertest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/raft/sim/history"
)

func TestClientsOfThreeProcessesSurviveWhatIsBrokenAroundThem(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = uint64(time.Now().Unix())
	}
	ctx := untilInterrupted(t)
	c := &crowd{cluster: newCluster(t), schemaPause: *forFlag / 70}
	where := "in namespaces, with partitions and a full disk"
	if c.outside == nil {
		where = "on loopback"
	}
	progress("seed %d, %d clients, three nodes %s", seed, *clientsFlag, where)
	if err := c.begin(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.furnish(ctx); err != nil {
		t.Fatal(err)
	}
	c.load(ctx, seed, func(ctx context.Context) {
		if *forFlag == 0 {
			newAdversary(c, seed).short(ctx)
			return
		}
		troubled, enough := context.WithTimeout(ctx, *forFlag)
		defer enough()
		newAdversary(c, seed).live(troubled)
	})
	// An interruption ends the load; what was seen is judged all the same.
	c.close(context.WithoutCancel(ctx), c.origin)
	judge(t, c, seed)
	if *forFlag > 0 && ways.denied != "" {
		t.Skipf("partitions and the full disk are skipped, and nothing else: %s", ways.denied)
	}
}

// short is the trouble of a test that is to take seconds.
func (a *adversary) short(ctx context.Context) {
	for _, brew := range []func(*adversary, context.Context) (string, func() error, error){(*adversary).killLeader, (*adversary).pauseLeader} {
		a.make(ctx, trouble{brew: brew}, 1500*time.Millisecond)
	}
}

// load has clients write and read, and watches follow, while something happens.
func (c *crowd) load(ctx context.Context, seed uint64, during func(context.Context)) {
	living, end := context.WithCancel(context.WithoutCancel(ctx))
	var lives sync.WaitGroup
	for i := range *clientsFlag {
		lives.Go(func() { c.newClient(i, seed).live(living) })
	}
	for i := range 2 {
		lives.Go(func() { c.watch(living, fmt.Sprint("w", i), rand.New(rand.NewPCG(seed, uint64(50+i)))) })
	}
	for _, n := range c.nodes {
		lives.Go(func() { c.probe(living, n) })
	}
	lives.Go(func() { c.tell(living) })
	during(ctx)
	end()
	lives.Wait()
}

// tell tells how far it is, every now and then.
func (c *crowd) tell(ctx context.Context) {
	ticker := time.NewTicker(30 * time.Second)
	defer ticker.Stop()
	for begun := time.Now(); ; {
		select {
		case <-ticker.C:
			progress("%v: %v", time.Since(begun).Round(time.Second), tallyOf(c.history.Events()))
		case <-ctx.Done():
			return
		}
	}
}

// judge checks the history, and keeps one that breaks a rule.
func judge(t *testing.T, c *crowd, seed uint64) {
	events := c.history.Events()
	progress("the end: %v", tallyOf(events))
	t.Log(tallyOf(events))
	problems := history.Check(events)
	for _, p := range problems {
		t.Error(p)
	}
	if len(problems) == 0 && !*keepFlag {
		return
	}
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tupelo-cluster-%d", seed))
	if err := c.keep(dir, events); err != nil {
		t.Errorf("keeping the history and the logs: %v", err)
	}
	t.Logf("the history and the nodes' logs are in %s; to judge it again:\n\tgo test ./cmd/tupelo/clustertest -run Judged -history %s",
		dir, filepath.Join(dir, historyName))
}

const historyName = "history.jsonl"

// keep writes a history and the nodes' logs where they outlive the test.
func (c *cluster) keep(dir string, events []history.Event) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.Create(filepath.Join(dir, historyName))
	if err != nil {
		return err
	}
	err = errors.Join(history.Write(file, events), file.Close())
	for _, n := range c.nodes {
		text, readErr := os.ReadFile(n.log)
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(dir, n.id+".log"), text, 0o600))
	}
	return err
}

func TestAHistoryCanBeJudgedAgain(t *testing.T) {
	if *historyFlag == "" {
		t.Skip("no -history is given")
	}
	problems, err := history.CheckFile(*historyFlag)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// tally counts what a history holds.
type tally struct{ faults, written, read, unmet, unknown, notDone, watched int }

func tallyOf(events []history.Event) (c tally) {
	for _, e := range events {
		read := e.Kind == history.KindRead
		switch {
		case e.Kind == history.KindFault:
			c.faults++
		case e.Kind == history.KindWatch:
			c.watched++
		case e.Outcome == history.OK && read:
			c.read++
		case e.Outcome == history.OK:
			c.written++
		case e.Outcome == history.Unmet:
			c.unmet++
		case e.Outcome == history.Unknown:
			c.unknown++
		case e.Outcome == history.NotDone:
			c.notDone++
		}
	}
	return c
}

func (c tally) String() string {
	return fmt.Sprintf("%d writes and %d reads answered, %d preconditions unmet, %d writes with unknown outcome, %d calls failed, %d messages of watches, %d notes of faults",
		c.written, c.read, c.unmet, c.unknown, c.notDone, c.watched, c.faults)
}
