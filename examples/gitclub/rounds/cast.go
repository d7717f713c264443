package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

const (
	startTimeout = 30 * time.Second // for a program to answer
	stopTimeout  = 10 * time.Second // for a program to end when it is asked to
	retryPause   = 50 * time.Millisecond
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
		if o.tupelo, err = c.startTupelo(ctx, o.bin, "--memory"); err != nil {
			return fmt.Errorf("starting tupelo: %w", err)
		}
	}
	if o.jobsTupelo == "" {
		o.jobsTupelo = o.tupelo
	}
	const anyPort = "127.0.0.1:0"
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

// startTupelo starts a server with the settings and loads GitClub.
func (c *cast) startTupelo(ctx context.Context, bin string, settings ...string) (addr string, err error) {
	addr, err = freeAddress()
	if err != nil {
		return "", err
	}
	p, err := startProcess(filepath.Join(bin, "tupelo"), append([]string{"serve", "--listen", addr, "--log-level", "warn"}, settings...)...)
	if err != nil {
		return "", err
	}
	c.processes = append(c.processes, p)
	client, hangUp, err := gitclub.Dial(addr)
	if err != nil {
		return "", err
	}
	defer hangUp()
	for {
		if err = gitclub.Load(ctx, client); status.Code(err) != codes.Unavailable {
			return addr, err
		}
		select {
		case <-time.After(retryPause):
		case <-p.ended:
			return "", fmt.Errorf("it ended: %w", p.err)
		case <-ctx.Done():
			return "", errors.Join(ctx.Err(), err)
		}
	}
}

// freeAddress returns an address that nobody listens on at this moment.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// startService starts web or jobs, and returns the URL it says it answers on.
func (c *cast) startService(ctx context.Context, path string, args ...string) (url string, err error) {
	p, err := startProcess(path, args...)
	if err != nil {
		return "", err
	}
	c.processes = append(c.processes, p)
	select {
	case line := <-p.firstLine:
		if _, url, ok := strings.Cut(line, " answers on "); ok {
			return url, nil
		}
		return "", fmt.Errorf("it says %q", line)
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
