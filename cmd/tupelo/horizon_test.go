package main

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/replica"
)

func TestWhoIsBelowTheHorizonIsToldWhereItIs(t *testing.T) {
	inCopyOf(t, "testdata/files")
	startServer(t, func(o *replica.Options) {
		o.API.HistoryWindow, o.API.CollectEvery = time.Millisecond, time.Millisecond
	})
	first := strings.TrimSpace(tupelo(t, "schema", "write", "schema.zed", "-q").out)
	tupelo(t, "write", "team:core#member@user:alice", "-q")
	for _, command := range [][]string{
		{"watch", "--after", first},
		{"read", "--at-exact-snapshot", first},
	} {
		o := refusedAtLast(t, command...)
		named := regexp.MustCompile(`(?m)^tupelo: OUT_OF_RANGE: .*\n  horizon (\S{16,})$`).FindStringSubmatch(o.diag)
		if o.code != exitError || named == nil {
			t.Fatalf("%v: status %d\n%s", command, o.code, o.diag)
		}
		// The horizon itself is kept, so that a watch can go on from there.
		if o := tupelo(t, "read", "--at-least-as-fresh", named[1]); o.code != exitOK {
			t.Errorf("the horizon is no zookie: %s", o.diag)
		}
		var failed struct{ Error failure }
		o = tupelo(t, append(command, "--json")...)
		if err := json.Unmarshal([]byte(o.diag), &failed); err != nil || failed.Error.Metadata["horizon"] == "" {
			t.Errorf("%v: %v\n%s", command, err, o.diag)
		}
	}
}

// refusedAtLast repeats a command until the horizon is above what it asks for.
func refusedAtLast(t *testing.T, command ...string) outcome {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		tupelo(t, "write", "team:core#member@user:alice", "-q") // the newest revision is always kept
		o := tupelo(t, append([]string{"read", "--at-exact-snapshot"}, command[2])...)
		if o.code != exitOK || time.Now().After(deadline) {
			return tupelo(t, command...)
		}
	}
}
