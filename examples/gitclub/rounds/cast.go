package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

const (
	startTimeout = time.Minute // for a program to answer
	stopTimeout  = time.Minute // for a program to end when it is asked to
	anyPort      = "127.0.0.1:0"
)

// cast is the programs that take part, and where they answer.
type cast struct {
	processes []*process
	web, jobs string // URLs
}

// start starts what has to be started. If it fails, nothing is left running.
func start(ctx context.Context, o options) (*cast, error) {
	c := &cast{}
	if err := c.start(ctx, o); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cast) start(ctx context.Context, o options) (err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if o.tupelo == "" {
		at, err := c.startTupelo(ctx, o.bin, "--memory")
		if err != nil {
			return fmt.Errorf("starting tupelo: %w", err)
		}
		o.tupelo = at.Address
	}
	if o.jobsTupelo == "" {
		o.jobsTupelo = o.tupelo
	}
	if c.web, err = c.startService(ctx, filepath.Join(o.bin, "gitclub-web"), "-listen", anyPort, "-tupelo", o.tupelo); err != nil {
		return fmt.Errorf("starting web: %w", err)
	}
	args := []string{"-listen", anyPort, "-tupelo", o.jobsTupelo, "-web", c.web}
	if o.jobsReplicaOf != "" {
		args = append(args, "-replica-of", o.jobsReplicaOf)
	}
	if o.ignoreZookies {
		args = append(args, "-ignore-zookies")
	}
	if c.jobs, err = c.startService(ctx, filepath.Join(o.bin, "gitclub-jobs"), args...); err != nil {
		return fmt.Errorf("starting jobs: %w", err)
	}
	return nil
}

// stop ends all programs, the last one first.
func (c *cast) stop() error {
	var failures []error
	for len(c.processes) > 0 {
		last := len(c.processes) - 1
		failures = append(failures, c.processes[last].stop())
		c.processes = c.processes[:last]
	}
	return errors.Join(failures...)
}

// serving is where a server says that it answers.
type serving struct {
	Address string `json:"address"`
	Peers   string `json:"raft_address"` // other nodes, if it has one
}

// startTupelo starts a server with the settings and loads GitClub.
func (c *cast) startTupelo(ctx context.Context, bin string, settings ...string) (at serving, err error) {
	line, err := c.startAndListen(ctx, filepath.Join(bin, "tupelo"), append([]string{"serve", "--json", "--listen", anyPort, "--log-level", "warn"}, settings...)...)
	if err != nil {
		return at, err
	}
	if err := json.Unmarshal([]byte(line), &at); err != nil {
		return at, fmt.Errorf("it says %q: %w", line, err)
	}
	client, hangUp, err := gitclub.Dial(at.Address)
	if err != nil {
		return at, err
	}
	defer hangUp()
	return at, gitclub.Load(ctx, client)
}

// startService starts web or jobs, and returns the URL it says it answers on.
func (c *cast) startService(ctx context.Context, path string, args ...string) (url string, err error) {
	line, err := c.startAndListen(ctx, path, args...)
	if err != nil {
		return "", err
	}
	if _, url, ok := strings.Cut(line, " answers on "); ok {
		return url, nil
	}
	return "", fmt.Errorf("it says %q", line)
}

// startAndListen starts a program and returns what it prints first.
func (c *cast) startAndListen(ctx context.Context, path string, args ...string) (line string, err error) {
	p, err := startProcess(path, args...)
	if err != nil {
		return "", err
	}
	c.processes = append(c.processes, p)
	select {
	case line := <-p.firstLine:
		return line, nil
	case <-p.ended:
		return "", fmt.Errorf("it ended: %w", p.err)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// process is a program that was started.
type process struct {
	command   *exec.Cmd
	firstLine chan string   // what it printed first
	ended     chan struct{} // closed when it has ended, and err is set
	err       error
}

// startProcess starts a program. Its diagnostics go where ours go.
func startProcess(path string, args ...string) (*process, error) {
	p := &process{command: exec.Command(path, args...), firstLine: make(chan string, 1), ended: make(chan struct{})}
	p.command.Stderr = os.Stderr
	output, err := p.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(p.ended)
		for lines, first := bufio.NewScanner(output), true; lines.Scan(); first = false {
			if first {
				p.firstLine <- lines.Text()
			}
		}
		p.err = p.command.Wait()
	}()
	return p, nil
}

// stop asks the program to end, and insists after a while.
func (p *process) stop() error {
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-p.ended:
	case <-time.After(stopTimeout):
		p.command.Process.Kill()
		<-p.ended
	}
	if p.err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(p.command.Path), p.err)
	}
	return nil
}
