package clustertest

import (
	"context"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	forFlag     = flag.Duration("for", 0, "how long to break things; 0 for a short round on loopback")
	clientsFlag = flag.Int("clients", 8, "how many clients write and read")
	seedFlag    = flag.Uint64("seed", 0, "what to draw the troubles by; 0 for the time of day")
	networkFlag = flag.String("network", "auto", "namespaces, loopback, or auto: namespaces where they are permitted")
	tupeloFlag  = flag.String("tupelo", "", "the program to test, if not one built now")
	oldFlag     = flag.String("old", "", "an older program, to upgrade from")
	troubleFlag = flag.String("trouble", "", "make this one only, such as cut-leader")
	keepFlag    = flag.Bool("keep", false, "keep the history and the logs of nodes even if nothing is wrong")
	historyFlag = flag.String("history", "", "a history to judge again")
)

// The environment of the process that runs the tests in namespaces.
const (
	insideVariable = "TUPELO_CLUSTERTEST_INSIDE"
	binaryVariable = "TUPELO_CLUSTERTEST_BINARY"
)

// ways is what the tests know of where they run.
var ways struct {
	dir    string // for what is made once
	binary string // the program to test, once a test has asked for it
	inside bool   // this process has namespaces of its own
	denied string // why it has none although they were wanted
}

// TestMain has the tests run by a process of their own if they want namespaces.
func TestMain(m *testing.M) {
	flag.Parse()
	code, err := prepareAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "clustertest:", err)
		code = 1
	}
	os.Exit(code)
}

func prepareAndRun(m *testing.M) (code int, err error) {
	if ways.inside = os.Getenv(insideVariable) != ""; ways.inside {
		ways.binary = os.Getenv(binaryVariable)
		return m.Run(), nil
	}
	if !slices.Contains([]string{"auto", "namespaces", "loopback"}, *networkFlag) {
		return 0, fmt.Errorf("-network %q is none of auto, namespaces and loopback", *networkFlag)
	}
	if ways.dir, err = os.MkdirTemp("", "tupelo-clustertest-"); err != nil {
		return 0, err
	}
	defer os.RemoveAll(ways.dir)
	if *networkFlag == "namespaces" || *networkFlag == "auto" && *forFlag > 0 {
		if err := prepareProgram(); err != nil {
			return 0, err
		}
		code, err := runInside()
		if err == nil {
			return code, nil
		}
		if *networkFlag == "namespaces" {
			return 0, err
		}
		ways.denied = err.Error()
	}
	return m.Run(), nil
}

// prepareProgram finds the program to test, or builds it.
func prepareProgram() (err error) {
	switch {
	case ways.binary != "":
		return nil
	case *tupeloFlag != "":
		ways.binary, err = filepath.Abs(*tupeloFlag)
		return err
	}
	if err := lookAtSources(filepath.Join("..", "..", "..")); err != nil {
		return err
	}
	binary := filepath.Join(ways.dir, "tupelo")
	output, err := exec.Command("go", "build", "-buildvcs=false", "-o", binary, "..").CombinedOutput()
	if err != nil {
		return fmt.Errorf("building tupelo: %w\n%s", err, output)
	}
	ways.binary = binary
	return nil
}

// lookAtSources has go test see that the tests depend on the sources of the
// program, which it would otherwise not: it would take old results for new ones.
func lookAtSources(root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "data", "data-cluster", "docs", "bench"}, entry.Name()):
			return filepath.SkipDir
		case slices.Contains([]string{".go", ".mod"}, filepath.Ext(path)) && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
		}
		return err
	})
}

// runInside has the tests run by a process with namespaces of its own, and hands
// it the signals that this one gets. An error means that there was no such process.
func runInside() (code int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(self, os.Args[1:]...)
	cmd.Env = append(os.Environ(), insideVariable+"=1", binaryVariable+"="+ways.binary)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	if err := startInside(cmd); err != nil {
		return 0, fmt.Errorf("namespaces are not permitted: %w", err)
	}
	ended := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				_ = cmd.Process.Signal(s)
			case <-ended:
				return
			}
		}
	}()
	_ = cmd.Wait() // its state says more
	close(ended)
	if !cmd.ProcessState.Exited() {
		fmt.Fprintln(os.Stderr, "clustertest: the process of the tests ended with", cmd.ProcessState)
		return 1, nil
	}
	return cmd.ProcessState.ExitCode(), nil
}

// untilInterrupted returns a context that the first signal ends, so that what the
// test has seen is judged. The second one ends the process.
func untilInterrupted(t testing.TB) context.Context {
	ctx, stop := signal.NotifyContext(t.Context(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	t.Cleanup(stop)
	return ctx
}

// progress tells whoever waits for a long run.
func progress(format string, args ...any) {
	if *forFlag > 0 {
		fmt.Printf("%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
	}
}
