package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How long things may take. Tests are less patient.
type patience struct {
	ready time.Duration // until a server answers
	stop  time.Duration // until a process that was asked to end is killed
}

var usual = patience{ready: 60 * time.Second, stop: 15 * time.Second}

const (
	probeEvery   = 50 * time.Millisecond
	probeLimit   = 2 * time.Second
	logTailLines = 12
)

// process is a server that was started, and all that it starts itself.
type process struct {
	program
	command  *exec.Cmd
	log      *os.File
	patience patience
	ended    chan struct{} // closed once it has ended
	how      error         // of its end; read it after ended
}

// program is what is started: its path, arguments and additions to the environment.
type program struct {
	name string // by which it is spoken of, and its log is named
	path string
	args []string
	env  []string
	// owner, where set, is who runs it instead of this process's user.
	owner *owner
	// dir is where it runs, if not where this process does.
	dir string
}

// line is the program as a shell would be given it.
func (p program) line() string {
	words := append(slices.Clone(p.env), p.path)
	for _, word := range p.args {
		words = append(words, quoted(word))
	}
	return strings.Join(words, " ")
}

// quoted is a word that a shell takes as it is.
func quoted(word string) string {
	if word == "" || strings.ContainsAny(word, " &?*$'\"{}[]") {
		return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
	}
	return word
}

func (p program) prepare() *exec.Cmd {
	command := exec.Command(p.path, p.args...)
	command.Env = append(environment(), p.env...)
	command.Dir = p.dir
	standAlone(command, p.owner)
	return command
}

// settings are what the names of variables begin with that are settings of a peer. What
// this process has of them is meant for another.
var settings = []string{"TUPELO_", "SPICEDB_", "OPENFGA_", "PERMIFY_", "PG", "OTEL_"}

// ofTests begins the names of variables by which tests tell programs what to be.
const ofTests = "TUPELO_TEST_"

// environment returns this process's, without settings of peers.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return !strings.HasPrefix(variable, ofTests) &&
			slices.ContainsFunc(settings, func(prefix string) bool { return strings.HasPrefix(variable, prefix) })
	})
}

// start starts a program whose output goes to a file of the directory.
func start(dir string, p program, patience patience) (*process, error) {
	log, err := os.OpenFile(filepath.Join(dir, p.name+".log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s := &process{program: p, command: p.prepare(), log: log, patience: patience, ended: make(chan struct{})}
	s.command.Stdout, s.command.Stderr = log, log
	_, err = s.command.StdinPipe() // open as long as this process lives: who cares ends with it
	if err == nil {
		err = s.command.Start()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", p.name, err), log.Close())
	}
	go func() {
		s.how = s.command.Wait()
		close(s.ended)
	}()
	return s, nil
}

// runToEnd runs a program that does one thing, such as a migration.
func runToEnd(ctx context.Context, dir string, p program, patience patience) error {
	s, err := start(dir, p, patience)
	if err != nil {
		return err
	}
	select {
	case <-s.ended:
		err = s.how
	case <-ctx.Done():
		err = ctx.Err()
	case <-time.After(patience.ready):
		err = fmt.Errorf("not done after %v", patience.ready)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w%s", p.line(), err, s.tail())
	}
	return errors.Join(err, s.stop())
}

// await waits until a probe succeeds.
func (s *process) await(ctx context.Context, probe func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.patience.ready, fmt.Errorf("%w, which is %v", ErrNotReady, s.patience.ready))
	defer cancel()
	ticker := time.NewTicker(probeEvery)
	defer ticker.Stop()
	var last error
	for {
		once, done := context.WithTimeout(ctx, probeLimit)
		err := probe(once)
		done()
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err // what it says of itself, rather than that time is up
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s: %w: %v%s", s.name, ErrEnded, s.how, s.tail())
		case <-ctx.Done():
			return fmt.Errorf("%s: %w; last: %v%s", s.name, context.Cause(ctx), last, s.tail())
		case <-ticker.C:
		}
	}
}

// tail returns the last lines that the process printed.
func (s *process) tail() string {
	const most = 1 << 14
	text, err := os.ReadFile(s.log.Name())
	if err != nil || len(bytes.TrimSpace(text)) == 0 {
		return "; it printed nothing"
	}
	text = bytes.TrimSpace(text[max(0, len(text)-most):])
	lines := strings.Split(string(text), "\n")
	return "; it printed:\n  " + strings.Join(lines[max(0, len(lines)-logTailLines):], "\n  ")
}

// stop ends the process and what it started. It asks first, and kills whatever is
// left when the process is gone or does not go.
func (s *process) stop() error {
	select {
	case <-s.ended:
	default:
		resume(s.command.Process) // a stopped process does not hear that it should end
		askToEnd(s.command.Process)
		select {
		case <-s.ended:
		case <-time.After(s.patience.stop):
		}
	}
	kill(s.command.Process)
	<-s.ended // killed processes end
	return s.log.Close()
}
