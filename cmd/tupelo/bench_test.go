package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/bench/load"
)

// bench runs bench with servers that are this test's program.
func bench(t *testing.T, args ...string) outcome {
	t.Helper()
	t.Setenv(runAsCommand, "1")
	return tupelo(t, append([]string{"bench", "--tuples", "2k", "--duration", "50ms", "--warm-up", "1ms"}, args...)...)
}

func TestBenchMeasuresServersOfItsOwn(t *testing.T) {
	t.Setenv("TUPELO_MEMORY", "true") // which is for another server, and contradicts --data
	for target, workloads := range map[string]string{
		"native": "import,check,mixed-90-10,watch", "authzed": "check", "in-process": "check", "echo": "check,list-objects",
	} {
		got := bench(t, "--json", "--target", target, "--workload", workloads, "--in-flight", "2")
		if got.code != exitOK {
			t.Fatalf("%s: %+v", target, got)
		}
		var names []string
		for lines := bufio.NewScanner(strings.NewReader(got.out)); lines.Scan(); {
			var r load.Result
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			names = append(names, r.Workload)
			unsupported := target == "echo" && r.Workload == "list-objects"
			if r.Version != load.ResultVersion || r.Target != target || (r.NotSupported != "") != unsupported || r.Wrong != 0 || len(r.Errors) != 0 {
				t.Errorf("%s: %+v", target, r)
			}
			if own := target != "in-process"; !unsupported && (r.Ops == 0 || own != (r.Server != nil) || own && r.Server.RSSBytes < 1<<20) {
				t.Errorf("%s: %d ops, server %+v", target, r.Ops, r.Server)
			}
		}
		if strings.Join(names, ",") != workloads {
			t.Errorf("%s: measured %q", target, names)
		}
	}
}

func TestBenchPrintsATable(t *testing.T) {
	got := bench(t, "--target", "in-process", "--rate", "200", "--workload", "check,batch-check")
	if got.code != exitOK {
		t.Fatalf("%+v", got)
	}
	for _, part := range []string{"in-process", "gitclub of 2192 tuples, seed 1", "\ncheck ", "\nbatch-check ", "/s "} {
		if !strings.Contains(got.out, part) {
			t.Errorf("%q is not in\n%s", part, got.out)
		}
	}
}

func TestBenchFailsIfAnAnswerIsWrong(t *testing.T) {
	var out, diag bytes.Buffer
	for want, r := range map[string]load.Result{
		"3 WRONG":        {Wrong: 3, WrongExamples: []string{"x: answered true, is false"}},
		"2 Unavailable":  {Errors: map[string]int64{"Unavailable": 2}},
		"9 never sent":   {Unsent: 9},
		"not supported:": {NotSupported: "why"},
	} {
		out.Reset()
		b := &benchmark{terminal: &terminal{out: bufio.NewWriter(&out), diag: &diag}}
		if err := b.print(&r); err != nil {
			t.Fatal(err)
		}
		if failed := r.NotSupported == ""; b.failed != failed || !strings.Contains(out.String(), want) {
			t.Errorf("%q: failed %v\n%s", want, b.failed, out.String())
		}
	}
	if !strings.Contains(diag.String(), "wrong: x: answered true, is false") {
		t.Errorf("the wrong answer is not shown: %s", diag.String())
	}
}

func TestBenchRefusesWhatCanOnlyBeAMistake(t *testing.T) {
	for args, want := range map[string]string{
		"--target openfga":                       "needs --addr",
		"--target keto --addr 127.0.0.1:1":       "--write-addr",
		"--write-addr 127.0.0.1:1":               "--write-addr",
		"--target in-process --addr 127.0.0.1:1": "contradicts",
		"--pid 1":                                "--pid",
		"--token x":                              "--token",
		"--loaded":                               "--loaded",
		"--loaded --addr 127.0.0.1:1 --workload import": "nothing to import",
		"--workload nothing":                            "nothing",
		"--in-flight 0":                                 "0 in flight",
		"--rate -1":                                     "-1 a second",
		"--duration 0s":                                 "longer than nothing",
		"--tuples 0":                                    "--tuples",
		"--tuples 1Q":                                   "1Q",
		"--connections 0":                               "--connections",
		"--data-set x":                                  "data-set",
	} {
		got := tupelo(t, append([]string{"bench"}, strings.Fields(args)...)...)
		if got.code != exitError || !strings.Contains(got.diag, want) {
			t.Errorf("%s: %d, %s", args, got.code, got.diag)
		}
	}
}

func TestBenchSaysSchemasInTheLanguageOfATarget(t *testing.T) {
	for target, want := range map[string]string{"native": "permission cancel", "keto": "implements Namespace", "permify": "entity run {", "openfga": "type_definitions"} {
		got := tupelo(t, "bench", "schema", "gitclub", "--target", target)
		if got.code != exitOK || !strings.Contains(got.out, want) {
			t.Errorf("%s: %+v", target, got)
		}
	}
	if got := tupelo(t, "bench", "schema", "drive", "--target", "keto"); got.code != exitError || !strings.Contains(got.diag, "wildcards") {
		t.Errorf("%+v", got)
	}
}

func TestAmountsAreSpelledInThousands(t *testing.T) {
	for text, want := range map[string]amount{"7": 7, "10k": 10_000, "1500": 1500, "1M": 1_000_000, "2G": 2_000_000_000} {
		var a amount
		if err := a.Set(text); err != nil || a != want || a.String() != text {
			t.Errorf("%s: %d, %s, %v", text, a, a.String(), err)
		}
	}
	var a amount
	for _, text := range []string{"", "k", "-1", "1m", "9999999999G", "1.5M"} {
		if err := a.Set(text); err == nil {
			t.Errorf("%q is taken for %d", text, a)
		}
	}
}
