package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pages "github.com/tupelodb/tupelo/bench/report"
)

// compareTiny is a comparison that takes seconds, of Tupelo with the limit alone.
func compareTiny(dir string) []string {
	return []string{"bench", "compare", "--preset", "tiny", "--target", "tupelo,echo", "--out", dir}
}

func TestCompareAsksAllAlikeAndWritesAReport(t *testing.T) {
	if testing.Short() {
		t.Skip("servers are started and measured")
	}
	t.Setenv(runAsCommand, "1") // of the servers
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	dir := filepath.Join(t.TempDir(), "results")
	out := mustTupelo(t, compareTiny(dir)...)
	if !strings.Contains(out, "With GitClub of 2,000 tuples and 4 checks in flight, Tupelo's server spends") || !strings.HasSuffix(out, filepath.Join(dir, "report.md")+"\n") {
		t.Errorf("it prints %q", out)
	}
	r, err := pages.ReadRun(dir)
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, c := range r.Cells {
		unsupported := c.Target == "echo" && c.Workload == "list-objects"
		if (c.NotSupported != "") != unsupported || (c.Ops > 0 && c.Server != nil) == unsupported ||
			c.Wrong > 0 || len(c.Errors) > 0 || c.Verified != (c.Target == "tupelo") {
			t.Errorf("a cell is %+v", c)
		}
		if c.Asked == 2000 && c.InFlight == 1 {
			order = append(order, c.Target)
		}
	}
	if want := []string{"tupelo", "echo", "echo", "tupelo"}; !slices.Equal(order, want) {
		t.Errorf("one in flight is asked of %v, want %v", order, want)
	}
	if left, err := os.ReadDir(temporary); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}

	page := filepath.Join(dir, pages.PageFile)
	first, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(page); err != nil {
		t.Fatal(err)
	}
	if again := mustTupelo(t, "bench", "report", dir); again != out {
		t.Errorf("report prints %q, not %q", again, out)
	}
	if second, err := os.ReadFile(page); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the report is another when it is written again: %v", err)
	}
}

// canceller ends a context once a text is written to it.
type canceller struct {
	bytes.Buffer
	at     string
	cancel context.CancelFunc
}

func (c *canceller) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte(c.at)) {
		c.cancel()
	}
	return c.Buffer.Write(p)
}

func TestACompareThatIsInterruptedWritesWhatItHas(t *testing.T) {
	if testing.Short() {
		t.Skip("servers are started and measured")
	}
	t.Setenv(runAsCommand, "1")
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	diag := &canceller{at: "round 2 of 2: check, 4 in flight: Tupelo", cancel: cancel}
	var out bytes.Buffer
	if code := run(ctx, compareTiny(dir), strings.NewReader(""), &out, diag); code != exitError || !strings.Contains(diag.String(), "tupelo: interrupted") {
		t.Errorf("exit status %d\n%s", code, diag.String())
	}
	text, err := os.ReadFile(filepath.Join(dir, pages.PageFile))
	if err != nil || !strings.Contains(string(text), "**This run ended before all was measured: it was interrupted.**") {
		t.Errorf("%v, the page is\n%s", err, text)
	}
}

func TestCompareRefusesWhatItCannotDo(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--target spicedb-memory", "its program was not named"},
		{"--preset long", `"long" is not one of full, short, tiny`},
		{"now", "unexpected argument"},
	} {
		o := tupelo(t, append([]string{"bench", "compare", "--out", t.TempDir()}, strings.Fields(test.args)...)...)
		if o.code != exitError || !strings.Contains(o.diag, test.want) || !strings.Contains(o.diag, "see --help") {
			t.Errorf("%s: exit status %d, %q", test.args, o.code, o.diag)
		}
	}
	if o := tupelo(t, "bench", "report", t.TempDir()); o.code != exitError || !strings.Contains(o.diag, "results.json") {
		t.Errorf("a report of nothing: %d, %q", o.code, o.diag)
	}
}

func TestResultsOfTheSameDayAreNotWrittenOver(t *testing.T) {
	below := t.TempDir()
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, want := range []string{"2026-11-30", "2026-11-30-2", "2026-11-30-3"} {
		got, err := freshDirectory(below, noon)
		if err != nil || got != filepath.Join(below, want) {
			t.Fatalf("%s, %v, want %s", got, err, want)
		}
		if err := os.Mkdir(got, 0o700); err != nil {
			t.Fatal(err)
		}
	}
}
