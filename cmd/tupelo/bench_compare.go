package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/bench/compare"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/bench/peer"
	pages "github.com/tupelodb/tupelo/bench/report"
	"github.com/tupelodb/tupelo/bench/target"
)

// comparison is one run of bench compare.
type comparison struct {
	terminal *terminal
	preset   choice
	targets  []string
	programs peer.Options
	out      string
}

func newBenchCompareCommand(t *terminal) *cobra.Command {
	c := comparison{terminal: t, preset: choice{value: "short", among: compare.Presets()}}
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Put the same questions to Tupelo and to others, and write a report",
		Long: `Put the same questions to Tupelo and to others, in turn and in rounds, and write a
report with tables and charts.

Starts a server of Tupelo, a server that does nothing (the limit of what gRPC allows),
and the peers whose programs are named, with a PostgreSQL of their own if its programs
are; loads each; asks. Servers listen on this machine alone, have their data in a
temporary directory, and are stopped in the end; Permify's alone is open to the network,
as it has no setting against that. While one is asked the others are paused. Every answer
is compared with the right one.

Presets: tiny takes seconds and shows whether everything is there, short takes about
ten minutes with SpiceDB and OpenFGA, full an evening.

Ctrl-C stops all servers and writes the report of what there is.

Exit status: 0, or 1 if Tupelo gave a wrong answer, or 2 for an error.`,
		Example: `  tupelo bench compare --preset tiny
  tupelo bench compare --spicedb ./spicedb --openfga ./openfga --keto ./keto --permify ./permify --postgres /usr/lib/postgresql/15/bin`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return c.run(cmd.Context()) },
	}
	flags := cmd.Flags()
	flags.Var(&c.preset, "preset", "which grid of questions")
	flags.StringSliceVar(&c.targets, "target", nil, "who is asked; repeatable, or a list with commas; all whose programs are named if left out")
	flags.StringVar(&c.programs.SpiceDB, "spicedb", "", "`program` of SpiceDB")
	flags.StringVar(&c.programs.OpenFGA, "openfga", "", "`program` of OpenFGA")
	flags.StringVar(&c.programs.Keto, "keto", "", "`program` of Ory Keto")
	flags.StringVar(&c.programs.Permify, "permify", "", "`program` of Permify")
	flags.StringVar(&c.programs.Postgres, "postgres", "", "`directory` of PostgreSQL's server programs")
	flags.StringVar(&c.out, "out", "", "`directory` of the report; bench/results/ and the date if left out")
	return cmd
}

func newBenchReportCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "report DIR",
		Short: "Write the report of results again",
		Long: `Write the report and the charts of a directory again from its results.json, as
bench compare wrote them.`,
		Example: "  tupelo bench report bench/results/2026-11-30",
		Args:    arguments(1, 1),
		RunE: func(_ *cobra.Command, args []string) error {
			r, err := pages.ReadRun(args[0])
			if err != nil {
				return err
			}
			return finish(t, r, args[0])
		},
	}
}

// run compares, and writes the report of however far that came.
func (c *comparison) run(ctx context.Context) (err error) {
	if c.programs.Tupelo, err = os.Executable(); err != nil {
		return err
	}
	c.programs.Version = readBuild().text()
	if len(c.targets) == 0 {
		c.targets = compare.Startable(c.programs)
	}
	grid, err := compare.Preset(c.preset.value)
	if err != nil {
		return err
	}
	if c.out == "" {
		if c.out, err = freshDirectory(filepath.Join("bench", "results"), time.Now()); err != nil {
			return err
		}
	}
	run, err := compare.Run(ctx, compare.Options{
		Grid: grid, Targets: c.targets, Peers: c.programs, Commit: readBuild().Commit, Command: c.line(),
		Open: openTarget, Schema: target.Schema, Tell: c.tell, Spoiled: func(target string, why error) { c.terminal.notef("%s: %v", target, why) },
	})
	c.erase()
	if errors.Is(err, compare.ErrTarget) {
		return usagef("bench compare: --target: %v", err)
	}
	if run == nil {
		return err
	}
	return errors.Join(err, finish(c.terminal, run, c.out))
}

// openTarget connects to a server, or opens a replica in this process with the caches
// that a server has.
func openTarget(protocol string, at compare.Place) (load.Target, error) {
	return target.Open(protocol, target.Options{
		Addr: at.Addr, WriteAddr: at.WriteAddr, Token: at.Token, Dir: at.Dir, Connections: at.Connections,
		CacheBytes: defaultCache, TuplesetCacheBytes: int64(defaultTuplesetCache(memoryLimit())),
	})
}

// freshDirectory returns a directory named for the day below another, that is not there yet:
// results of the same day are not written over.
func freshDirectory(below string, now time.Time) (string, error) {
	const most = 100
	for i := 1; i < most; i++ {
		name := filepath.Join(below, now.UTC().Format("2006-01-02"))
		if i > 1 {
			name = fmt.Sprintf("%s-%d", name, i)
		}
		if _, err := os.Stat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil
		} else if err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("%s has %d results of today: give --out", below, most)
}

// line returns the command line that repeats the comparison, with bare names of programs.
func (c *comparison) line() string {
	words := []string{"tupelo bench compare --preset", c.preset.value}
	for _, p := range []struct{ flag, path string }{{"--spicedb", c.programs.SpiceDB}, {"--openfga", c.programs.OpenFGA},
		{"--keto", c.programs.Keto}, {"--permify", c.programs.Permify}} {
		if p.path != "" {
			words = append(words, p.flag, "./"+filepath.Base(p.path))
		}
	}
	if c.programs.Postgres != "" {
		words = append(words, "--postgres", c.programs.Postgres)
	}
	return strings.Join(append(words, "--target", strings.Join(c.targets, ",")), " ")
}

// tell shows a person what is going on: in a line that is kept up to date on a
// terminal, else in one after another.
func (c *comparison) tell(p compare.Progress) {
	text := fmt.Sprintf("[%s, about %s left] %s", clock(p.Elapsed), clock(p.Left), p.Doing)
	switch {
	case c.terminal.interactive():
		fmt.Fprint(c.terminal.diag, "\r\x1b[K"+text)
	case !c.terminal.quiet:
		c.terminal.notef("%s", text)
	}
}

// erase takes the line about what is going on away.
func (c *comparison) erase() {
	if c.terminal.interactive() {
		fmt.Fprint(c.terminal.diag, "\r\x1b[K")
	}
}

func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", int(d.Minutes()), int(d.Seconds())%60)
}

// finish writes a report, tells what is in it, and says by its error if Tupelo was wrong.
func finish(t *terminal, r *pages.Run, dir string) error {
	if err := pages.Write(dir, r); err != nil {
		return err
	}
	summary, err := pages.Summary(r)
	if err != nil {
		return err
	}
	page := filepath.Join(dir, pages.PageFile)
	if t.json {
		err = t.object(struct {
			Report  string `json:"report"`
			Summary string `json:"summary"`
		}{page, summary})
	} else {
		t.printf("%s\n\n%s\n", summary, page)
	}
	if err != nil {
		return err
	}
	for _, c := range r.Cells {
		if c.Wrong > 0 && strings.HasPrefix(c.Target, "tupelo") {
			t.notef("%s gave %d wrong answers to %s, such as %s", c.Target, c.Wrong, c.Workload, strings.Join(c.WrongExamples, "; "))
			return errNo
		}
	}
	return nil
}
