package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/bench/target"
)

// benchmark is one run of bench: a server, a data set, and cells.
type benchmark struct {
	terminal *terminal
	options  *benchOptions
	set      *dataset.Set
	target   load.Target
	pids     []int
	version  string
	table    benchTable
	// failed says that an answer was wrong or a call failed.
	failed bool
}

// run loads the data set and measures cell after cell.
func (b *benchmark) run(ctx context.Context) (err error) {
	if b.set, err = b.options.set(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tupelo-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	stop, err := b.open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	if err := b.load(ctx); err != nil {
		return err
	}
	// The time tells the writes of this run from those of earlier ones.
	for _, cell := range b.options.cells("w" + strconv.FormatInt(time.Now().UnixNano(), 36)) {
		b.fill(&cell)
		erase := b.progress(&cell)
		result, err := load.Run(ctx, cell)
		erase()
		if result != nil {
			if printErr := b.print(result); err == nil {
				err = printErr
			}
		}
		if err != nil {
			return err
		}
	}
	if b.failed {
		return errNo
	}
	return nil
}

// open reaches the server, or starts one.
func (b *benchmark) open(ctx context.Context, dir string) (stop func() error, err error) {
	o := target.Options{
		Addr: b.options.via.addr, WriteAddr: b.options.writeAddr, Token: b.options.via.token, Connections: b.options.connections,
		Dir: filepath.Join(dir, "data"), CacheBytes: defaultCache, TuplesetCacheBytes: int64(defaultTuplesetCache(memoryLimit())),
	}
	b.pids, b.version = b.options.pids, b.options.serverVersion
	end := func() error { return nil }
	switch {
	case o.Addr != "":
		transport, err := b.options.via.credentials()
		if err != nil {
			return nil, err
		}
		o.Dial = []grpc.DialOption{grpc.WithTransportCredentials(transport)}
	case b.options.target.value != "in-process":
		server, err := startBenchServer(ctx, b.options.target.value, o.Dir)
		if err != nil {
			return nil, err
		}
		o.Addr, b.pids, end = server.addr, []int{server.pid()}, server.stop
	}
	if b.target, err = target.Open(b.options.target.value, o); err != nil {
		return nil, errors.Join(err, end())
	}
	return func() error { return errors.Join(b.target.Close(), end()) }, nil
}

// load gives the server the data set, unless it has it, and finds out its version.
func (b *benchmark) load(ctx context.Context) error {
	cell := load.Cell{Set: b.set, TargetName: b.options.target.value, Connections: b.options.connections, Commit: readBuild().Commit}
	b.fill(&cell)
	if b.options.loaded {
		if err := b.target.Prepare(ctx, b.set, true); err != nil {
			return fmt.Errorf("looking for the data set: %w", err)
		}
	} else if err := b.importSet(ctx, cell); err != nil {
		return err
	}
	settled, err := load.Settle(ctx, cell)
	if err != nil {
		return err
	}
	if settled > settledLate {
		b.terminal.notef("the server's answers were stale for %v after loading", settled.Round(time.Millisecond))
	}
	if b.version != "" {
		return nil
	}
	b.version, err = b.target.Version(ctx)
	if errors.Is(err, load.ErrNotSupported) {
		if b.options.via.addr == "" {
			b.version = readBuild().Version
		}
		return nil
	}
	return err
}

// settledLate is how long after loading right answers are worth a remark.
const settledLate = time.Second

func (b *benchmark) importSet(ctx context.Context, cell load.Cell) error {
	erase := b.progress(&cell)
	r, err := load.Fill(ctx, cell)
	erase()
	if err != nil {
		return err
	}
	for _, workload := range b.options.workloads {
		if workload == load.Import {
			return b.print(r)
		}
	}
	b.terminal.notef("%d tuples of %s loaded in %.1f s, %.0f/s", r.Ops, r.DataSet, r.Seconds, r.OpsPerSecond)
	return b.judge(r)
}

// fill gives a cell what the server has.
func (b *benchmark) fill(c *load.Cell) {
	c.Target, c.Set, c.PIDs, c.TargetVersion = b.target, b.set, b.pids, b.version
}

// judge notes whether a result is a failure, and says what of.
func (b *benchmark) judge(r *load.Result) error {
	for _, wrong := range r.WrongExamples {
		b.terminal.notef("wrong: %s", wrong)
	}
	for _, example := range r.ErrorExamples {
		b.terminal.notef("failed: %s", example)
	}
	b.failed = b.failed || r.Wrong > 0 || len(r.Errors) > 0 || r.Unsent > 0
	return nil
}

// print prints a result.
func (b *benchmark) print(r *load.Result) error {
	if b.terminal.json {
		if err := b.terminal.object(r); err != nil {
			return err
		}
	} else {
		b.table.row(b.terminal, r)
	}
	if err := b.terminal.out.Flush(); err != nil {
		return err
	}
	return b.judge(r)
}

// progress has a line kept up to date about a cell, on a terminal only, until the
// returned function is called.
func (b *benchmark) progress(c *load.Cell) (erase func()) {
	t := b.terminal
	if !t.interactive() {
		return func() {}
	}
	of := "loading"
	if c.Workload != "" {
		of = c.Workload
	}
	c.Progress = func(ops int64, elapsed time.Duration) {
		fmt.Fprintf(t.diag, "\r\x1b[K%s: %d in %.1f s, %.0f/s", of, ops, elapsed.Seconds(), float64(ops)/elapsed.Seconds())
	}
	return func() { fmt.Fprint(t.diag, "\r\x1b[K") }
}
