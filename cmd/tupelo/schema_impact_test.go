package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/replica"
)

// impactWorld serves a schema with tuples, and goes to where its files are.
func impactWorld(t *testing.T) {
	t.Helper()
	inCopyOf(t, "testdata/files")
	startServer(t, func(o *replica.Options) { o.API.RecordChecks = 100 })
	mustTupelo(t, "schema", "write", "schema.zed")
	mustTupelo(t, "import", "tuples.txt")
}

func TestTheImpactOnRecordedChecksIsTold(t *testing.T) {
	impactWorld(t)
	for range 3 {
		mustTupelo(t, "check", "run:42", "cancel", "user:alice")
	}
	mustTupelo(t, "check", "run:42", "cancel", "user:bob")
	o := tupelo(t, "schema", "impact", "safer.zed")
	want := []string{
		"yes -> no            run:42#cancel@user:alice (3 times)\n",
		"4 checks: 3 changed (0 granted more, 3 less, 0 other)\nrecorded: 4 of 4\n",
	}
	for _, text := range want {
		if !strings.Contains(o.out, text) {
			t.Errorf("no %q in\n%s%s", text, o.out, o.diag)
		}
	}
	if o.code != exitNo || strings.Contains(o.out, "bob") {
		t.Errorf("exit status %d:\n%s", o.code, o.out)
	}
	if o := tupelo(t, "schema", "impact", "schema.zed"); o.code != exitOK {
		t.Errorf("the server's own schema has an impact:\n%s%s", o.out, o.diag)
	}
}

func TestTheImpactIsExplainedIfAsked(t *testing.T) {
	impactWorld(t)
	o := tupeloWith(t, "run:42 cancel user:alice\nrun:42 view user:bob\n",
		"schema", "impact", "safer.zed", "--checks", "-", "--explain")
	before, after, both := strings.Cut(o.out, "\nafter:\n")
	if !both || !strings.Contains(before, "before:\n") || !strings.Contains(before, "team:core#member@user:alice") ||
		!strings.Contains(after, "run:42#cancel") {
		t.Errorf("%s%s", o.out, o.diag)
	}
}

func TestMoreChecksThanOneCallTakesAreComparedAtOneRevision(t *testing.T) {
	impactWorld(t)
	var lines strings.Builder
	for i := range 2*maxBatch + 100 {
		name := "nobody"
		if i%700 == 0 {
			name = "alice"
		}
		fmt.Fprintf(&lines, "run:42 cancel user:%s // %d\n", name, i)
	}
	if err := os.WriteFile("many.txt", []byte(lines.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	o := tupelo(t, "schema", "impact", "safer.zed", "--checks", "many.txt")
	if o.code != exitNo || !strings.Contains(o.out, "2100 checks: 3 changed (0 granted more, 3 less, 0 other)\n") ||
		strings.Count(o.out, "stranded") != 1 || strings.Count(o.out, "yes -> no") != 3 {
		t.Errorf("exit status %d:\n%s%s", o.code, o.out, o.diag)
	}
	o = tupelo(t, "schema", "impact", "safer.zed", "--checks", "many.txt", "--json")
	if strings.Count(o.out, `{"summary"`) != 1 || strings.Count(o.out, `{"differences"`) != 1 || strings.Count(o.out, `{"check"`) != 3 {
		t.Errorf("as JSON:\n%s", o.out)
	}
}

func TestServeRecordsAsManyChecksAsItIsTold(t *testing.T) {
	o := serveOptions{recordChecks: 17, memory: true}
	if got := o.node(nil, &traces{}, nil).API.RecordChecks; got != 17 {
		t.Errorf("%d", got)
	}
	for _, n := range []string{"-1", "1000001"} {
		if o := tupelo(t, "serve", "--memory", "--record-checks", n); o.code != exitError || !strings.Contains(o.diag, "--record-checks must not be negative") {
			t.Errorf("%s: %+v", n, o)
		}
	}
}
