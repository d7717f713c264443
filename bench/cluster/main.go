// Command cluster measures what a cluster costs: three whole replicas in this
// process, each with a directory of its own on the disk, reached over loopback by
// gRPC as clients would.
//
//	writes       durable writes a second by how many are in flight, on one node
//	             and on three, beside what one writer can have synced, on this disk
//	             and on one whose syncs take 2 ms longer
//	checks       fully consistent checks beside those that minimize latency, on
//	             the leader and on a follower
//	zookies      how long a follower takes over a zookie that the leader has just
//	             given, while others write
//	idle         what three nodes with all the tuples take while nobody asks
//	catching-up  time and memory to bring in an empty node, and to start it
//	             again, in a process of its own
//
// Machines differ, and so does one from minute to minute: what is compared is
// measured in turns, and the ratios are what to keep. CPU is that of the whole
// process: of all nodes, of their clients, and of what they do while idle.
//
// How long a cluster does without a leader takes real processes, which can be
// killed: -also shows figures of a program that has them beside these.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/pprof"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options say what to measure, and on how much.
type options struct {
	only    []string // measures; none: all
	tuples  int
	measure time.Duration // for one figure
	dir     string
	json    bool
	also    []string // files with figures of other programs
	profile string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if len(os.Args) > 1 && os.Args[1] == joinerCommand {
		err = beJoiner(ctx, os.Args[2:], os.Stdin, os.Stdout)
	} else {
		err = measureAll(ctx, os.Args[1:], os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

func readOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	list := func(to *[]string) func(string) error {
		return func(text string) error { *to = append(*to, strings.Split(text, ",")...); return nil }
	}
	flags.Func("only", "measure only these, by `name`: "+strings.Join(measureNames(), ", "), list(&o.only))
	flags.IntVar(&o.tuples, "tuples", 300_000, "how many tuples the cluster holds for checks, zookies and catching up")
	flags.DurationVar(&o.measure, "time", 2*time.Second, "how long to measure for one figure")
	flags.StringVar(&o.dir, "dir", "", "`directory` for the nodes' disks; default: a temporary one, which is removed")
	flags.BoolVar(&o.json, "json", false, "print a line of JSON for each figure")
	flags.Func("also", "`file` with figures of another program, as lines of this one's JSON, to be shown with these", list(&o.also))
	flags.StringVar(&o.profile, "cpuprofile", "", "`file` to write a CPU profile to")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("no argument is known, and %q is one", flags.Arg(0))
	case o.tuples < 1000:
		return o, fmt.Errorf("-tuples is %d; at least 1000 are needed", o.tuples)
	case o.measure <= 0:
		return o, fmt.Errorf("-time is %s; it must be positive", o.measure)
	}
	for _, name := range o.only {
		if !slices.Contains(measureNames(), name) {
			return o, fmt.Errorf("-only: there is no measure %q, but %s", name, strings.Join(measureNames(), ", "))
		}
	}
	return o, nil
}

// measures are all there are, in the order in which they are taken.
var measures = []struct {
	name string
	take func(*session) error
}{
	{"writes", (*session).writes},
	{"checks", (*session).checks},
	{"zookies", (*session).zookies},
	{"idle", (*session).idle},
	{"catching-up", (*session).catchingUp},
}

func measureNames() (names []string) {
	for _, m := range measures {
		names = append(names, m.name)
	}
	return names
}

// session is one run.
type session struct {
	options
	ctx    context.Context
	report *report
	loaded *cluster // of three nodes with the tuples; nil until it is needed
}

func measureAll(ctx context.Context, args []string, out io.Writer) (err error) {
	o, err := readOptions(args)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	s := &session{options: o, ctx: ctx, report: &report{out: out, json: o.json}}
	others, err := readFigures(o.also)
	if err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "tupelo-bench-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	}
	if o.profile != "" {
		file, err := os.Create(o.profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	return s.run(others)
}

func (s *session) run(others []figure) (err error) {
	defer func() {
		if s.loaded != nil {
			err = errors.Join(err, s.loaded.close())
		}
	}()
	for _, m := range measures {
		if len(s.only) > 0 && !slices.Contains(s.only, m.name) {
			continue
		}
		if err := m.take(s); err != nil {
			return fmt.Errorf("measuring %s: %w", m.name, err)
		}
		if err := s.report.flush(); err != nil {
			return err
		}
	}
	for _, f := range others {
		if err := s.report.add(f); err != nil {
			return err
		}
	}
	return s.report.flush()
}
