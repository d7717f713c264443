package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tupelodb/tupelo/examples/gitclub/gitclubtest"
)

var built struct {
	bin string // a folder, removed by TestMain
	sync.Mutex
}

func TestMain(m *testing.M) {
	code := m.Run()
	if err := os.RemoveAll(built.bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// programs returns the folder of the programs that take part. The first test
// to ask has them built.
func programs(t *testing.T) (bin string) {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.bin != "" {
		return built.bin
	}
	bin, err := os.MkdirTemp("", "gitclub-")
	if err != nil {
		t.Fatal(err)
	}
	built.bin = bin
	for name, path := range map[string]string{
		"gitclub-web": "../web", "gitclub-jobs": "../jobs", "tupelo": "../../../cmd/tupelo",
	} {
		build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(bin, name), path)
		if output, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", path, err, output)
		}
	}
	return bin
}

// rounds plays rounds against a Tupelo server, with programs of the folder bin.
func rounds(t *testing.T, o options) tally {
	t.Helper()
	c, err := start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}()
	result, err := play(t.Context(), c.web, c.jobs, o.rounds)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(result)
	return result
}

func TestTheRounds(t *testing.T) {
	bin := programs(t)
	addr, node := gitclubtest.Start(t)
	t.Run("in a thousand, jobs never acts on a role that web has removed", func(t *testing.T) {
		if result := rounds(t, options{rounds: 1000, bin: bin, tupelo: addr}); result.stale() || result.rounds != 1000 {
			t.Errorf("stale answers: %v", result)
		}
	})
	laggard := gitclubtest.Laggard(t, node)
	t.Run("nor does it on a replica that lags", func(t *testing.T) {
		if result := rounds(t, options{rounds: 50, bin: bin, tupelo: laggard}); result.stale() {
			t.Errorf("stale answers: %v", result)
		}
	})
	t.Run("without zookies a replica that lags shows both, and the loop tells", func(t *testing.T) {
		result := rounds(t, options{rounds: 50, bin: bin, tupelo: laggard, ignoreZookies: true})
		if result.refused == 0 || result.allowed == 0 {
			t.Errorf("the loop did not notice stale answers: %v", result)
		}
	})
	t.Run("without zookies one node alone is never stale, as docs/consistency.md says", func(t *testing.T) {
		if result := rounds(t, options{rounds: 50, bin: bin, tupelo: addr, ignoreZookies: true}); result.stale() {
			t.Errorf("stale answers: %v", result)
		}
	})
}

// Jobs has the tuples in its own process then, and web writes to another one.
func TestTheRoundsWithAReplicaInJobs(t *testing.T) {
	bin := programs(t)
	c := &cast{}
	defer func() {
		if err := c.stop(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	at, err := c.startTupelo(ctx, bin, "--data", t.TempDir(), "--node-id", "n1", "--raft-addr", anyPort, "--bootstrap-expect", "1")
	if err != nil {
		t.Fatal(err)
	}
	// Nobody is at the address that jobs would ask otherwise.
	o := options{rounds: 1000, bin: bin, tupelo: at.Address, jobsTupelo: "127.0.0.1:1", jobsReplicaOf: at.Peers}
	if result := rounds(t, o); result.stale() || result.rounds != 1000 {
		t.Errorf("stale answers: %v", result)
	}
	o.rounds, o.ignoreZookies = 200, true
	if result := rounds(t, o); !result.stale() {
		t.Errorf("without zookies a replica was never behind: what the thousand rounds show is not known: %v", result)
	}
}

func TestTheWholeCastPlaysAsMakeExampleHasIt(t *testing.T) {
	bin := programs(t)
	if err := run(t.Context(), options{rounds: 20, bin: bin}); err != nil {
		t.Fatal(err)
	}
}

func TestACastThatCannotStartSaysWho(t *testing.T) {
	empty := t.TempDir()
	_, err := start(t.Context(), options{bin: empty})
	if err == nil || !strings.Contains(err.Error(), "starting tupelo") {
		t.Errorf("without the program tupelo, start says %v", err)
	}
	_, err = start(t.Context(), options{bin: empty, tupelo: "127.0.0.1:1"})
	if err == nil || !strings.Contains(err.Error(), "starting web") {
		t.Errorf("without the program web, start says %v", err)
	}
}

func TestAProgramThatEndsAtOnceIsNotWaitedFor(t *testing.T) {
	// A name that nobody can listen on.
	_, err := (&cast{}).startService(t.Context(), filepath.Join(programs(t), "gitclub-web"), "-listen", "256.0.0.1:0")
	if err == nil || !strings.Contains(err.Error(), "it ended") {
		t.Errorf("startService says %v", err)
	}
}

func TestAServiceThatFailsIsNoStaleAnswer(t *testing.T) {
	bin := programs(t)
	c, err := start(t.Context(), options{bin: bin, tupelo: "127.0.0.1:1"}) // nobody is there
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	if _, err := play(t.Context(), c.web, c.jobs, 1); err == nil || !strings.Contains(err.Error(), "round 1: granting the role: web answers 503") {
		t.Errorf("with no Tupelo at all, play says %v", err)
	}
}
