package clustertest

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// node is a place for one process of tupelo serve after the other.
type node struct {
	id       string
	thread   thread
	room     *room  // nil on loopback
	calls    string // where clients reach it
	peers    string // where other nodes do
	dir      string // its data, and nothing else
	log      string // a file
	binary   string // the program, if not the one that is tested
	settings []string

	mu      sync.Mutex
	process *process // nil before the first
}

// process is one life of a node.
type process struct {
	cmd   *exec.Cmd
	ended chan struct{}

	mu    sync.Mutex
	cause string // why it ends; empty: it has no cause to
}

// start has the node live. onEnd is told of an end without a cause.
func (n *node) start(onEnd func(n *node, how string)) error {
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	p := &process{cmd: exec.Command(cmp.Or(n.binary, ways.binary), n.settings...), ended: make(chan struct{})}
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = environment(), log, log
	p.cmd.SysProcAttr = childAttributes()
	if err := n.thread.do(p.cmd.Start); err != nil {
		return fmt.Errorf("starting %s: %w", n.id, err)
	}
	n.mu.Lock()
	n.process = p
	n.mu.Unlock()
	go func() {
		_ = p.cmd.Wait() // its state says more
		if p.why() == "" {
			onEnd(n, p.cmd.ProcessState.String())
		}
		close(p.ended)
	}()
	return nil
}

// environment is that of the tests without what would change a node's settings.
func environment() (env []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TUPELO_") && !strings.HasPrefix(variable, "OTEL_") {
			env = append(env, variable)
		}
	}
	return env
}

func (p *process) why() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// excuse notes why the process ends, or may; empty: it may not any more.
func (p *process) excuse(cause string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cause = cause
}

func (n *node) now() *process {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.process
}

// lives reports whether the node has a process.
func (n *node) lives() bool {
	p := n.now()
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process as nothing can prevent.
func (n *node) kill() {
	if p := n.now(); p != nil {
		p.excuse("it was killed")
		_ = p.cmd.Process.Kill() // or it has ended
		<-p.ended
	}
}

// pause stops the process, and resume has it go on.
func (n *node) pause() error  { return n.now().cmd.Process.Signal(syscall.SIGSTOP) }
func (n *node) resume() error { return n.now().cmd.Process.Signal(syscall.SIGCONT) }

// stop tells the process to end in order, and waits for that.
func (n *node) stop(limit time.Duration) error {
	p := n.now()
	p.excuse("it was told to stop")
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(limit):
		return fmt.Errorf("%s does not stop within %v\n%s", n.id, limit, n.tail())
	}
	if !p.cmd.ProcessState.Success() {
		return fmt.Errorf("%s was told to stop, and ended with %v\n%s", n.id, p.cmd.ProcessState, n.tail())
	}
	return nil
}

// tail returns the end of the node's log.
func (n *node) tail() string {
	const most = 4 << 10
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = text[len(text)-most:]
		text = text[bytes.IndexByte(text, '\n')+1:]
	}
	return fmt.Sprintf("the end of the log of %s:\n%s", n.id, text)
}

// fillDisk writes until there is no space left, and returns how to make some.
func (n *node) fillDisk() (mend func() error, err error) {
	ballast := filepath.Join(filepath.Dir(n.dir), "ballast")
	file, err := os.Create(ballast)
	if err != nil {
		return nil, err
	}
	for size := 1 << 20; size > 0; {
		_, err = io.CopyN(file, zeros{}, int64(size))
		if err != nil {
			size /= 2 // what is left is less
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		return nil, errors.Join(fmt.Errorf("filling the disk of %s: %w", n.id, err), file.Close(), os.Remove(ballast))
	}
	return func() error { return errors.Join(file.Close(), os.Remove(ballast)) }, nil
}

// zeros are without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
