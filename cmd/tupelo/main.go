package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

// The exit statuses (C2).
const (
	exitOK          = 0
	exitNo          = 1
	exitError       = 2
	exitConditional = 3
)

func main() {
	ctx, cancel := context.WithCancel(context.Background())
	endOnSignals(cancel)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// oneWish is how long signals count as the first. Who runs commands under a limit,
// such as timeout(1), sends one to the process and one to its group.
const oneWish = 500 * time.Millisecond

// endOnSignals asks for an orderly end with the first signal, and ends the process
// at once with the next that is no echo of it.
func endOnSignals(cancel context.CancelFunc) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go heed(signals, cancel, func() { os.Exit(exitError) })
}

// heed waits for signals and asks for the end that they mean.
func heed(signals <-chan os.Signal, orderly, atOnce func()) {
	<-signals
	first := time.Now()
	orderly()
	for range signals {
		if time.Since(first) >= oneWish {
			atOnce()
			return
		}
	}
}

// run carries out one command line and returns the exit status.
func run(ctx context.Context, args []string, in io.Reader, out, diag io.Writer) int {
	t := &terminal{in: in, out: bufio.NewWriter(out), diag: diag, tty: isTerminal(diag)}
	root := newRootCommand(t)
	root.SetArgs(args)
	// A command line that cannot be parsed may not have got as far as the flag.
	t.json = slices.Contains(args, "--json")
	err := root.ExecuteContext(ctx)
	// What was printed comes before what went wrong after it.
	if flushErr := t.out.Flush(); err == nil {
		err = flushErr
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errNo):
		return exitNo
	case errors.Is(err, errConditional):
		return exitConditional
	case ctx.Err() != nil:
		err = situated{"interrupted", err}
	}
	t.fail(err)
	return exitError
}
