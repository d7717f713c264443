package sim

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

var (
	seedFlag    = flag.Uint64("seed", 0, "play this seed only")
	timesFlag   = flag.Int("times", 1, "play each seed so many times")
	seedsFlag   = flag.Int("seeds", 6, "how many seeds to play")
	firstFlag   = flag.Uint64("first", 1, "the first of them")
	budgetFlag  = flag.Duration("budget", 0, "begin no seed after this time")
	roundsFlag  = flag.Int("rounds", 300, "how many rounds to play against the new enemy")
	historyFlag = flag.String("history", "", "a history to judge again")
)

// run plays a plan in a bubble and returns its history.
func run(t *testing.T, p plan, promises ...broken.Promise) []history.Event {
	return record(t, p, promises, (*cluster).play)
}

// record has something happen to a cluster in a bubble and returns the history.
func record(t *testing.T, p plan, promises []broken.Promise, play func(*cluster)) []history.Event {
	var h *history.Recorder
	defer func() {
		if r := recover(); r != nil {
			t.Logf("the history so far is in %s", save(t, p.seed, 0, h.Events()))
			panic(r)
		}
	}()
	synctest.Test(t, func(*testing.T) {
		h = history.NewRecorder()
		play(newCluster(p, promises, h))
	})
	return h.Events()
}

// save writes a history where it outlives the test.
func save(t *testing.T, seed uint64, time int, events []history.Event) string {
	name := filepath.Join(os.TempDir(), fmt.Sprintf("tupelo-sim-%d-%d.jsonl", seed, time))
	file, err := os.Create(name)
	if err == nil {
		err = history.Write(file, events)
	}
	if err != nil {
		t.Logf("saving the history: %v", err)
	}
	_ = file.Close()
	return name
}

func TestTheClusterSurvivesWhatSeedsBringAboutIt(t *testing.T) {
	first, seeds := *firstFlag, *seedsFlag
	if *seedFlag != 0 {
		first, seeds = *seedFlag, 1
	}
	begun := time.Now()
	var total tally
	for seed := first; seed < first+uint64(seeds); seed++ {
		for time := range *timesFlag {
			events := run(t, planOf(seed))
			total.count(events)
			if problems := history.Check(events); len(problems) > 0 {
				t.Errorf("seed %d: %v\nits history is in %s", seed, problems, save(t, seed, time, events))
			}
		}
		if done := seed - first + 1; done%50 == 0 {
			fmt.Printf("%d seeds in %v: %v\n", done, time.Since(begun).Round(time.Second), total)
		}
		if *budgetFlag > 0 && time.Since(begun) > *budgetFlag {
			break
		}
	}
	if least := 100 * total.seeds; *seedFlag == 0 && (total.ok < least || total.watched < least) {
		t.Errorf("%v: too little to show anything", total)
	}
	t.Logf("%v in %v", total, time.Since(begun).Round(time.Millisecond))
}

// A history that was kept is judged by itself.
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

// tally counts what histories hold.
type tally struct{ seeds, faults, ok, unknown, notDone, watched int }

func (c *tally) count(events []history.Event) {
	c.seeds++
	for _, e := range events {
		switch {
		case e.Kind == history.KindFault:
			c.faults++
		case e.Kind == history.KindWatch:
			c.watched++
		case e.Outcome == history.OK || e.Outcome == history.Unmet:
			c.ok++
		case e.Outcome == history.Unknown:
			c.unknown++
		case e.Outcome == history.NotDone:
			c.notDone++
		}
	}
}

func (c tally) String() string {
	return fmt.Sprintf("%d seeds, %d faults, %d calls answered, %d with unknown outcome, %d failed, %d messages of watches",
		c.seeds, c.faults, c.ok, c.unknown, c.notDone, c.watched)
}
