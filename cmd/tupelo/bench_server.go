package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/bench/target"
)

// startable reports whether bench can start a server of a target's kind.
func startable(kind string) bool {
	switch kind {
	case "native", "in-process", "authzed", "echo":
		return true
	}
	return false
}

// benchServer is a server in a process of its own.
type benchServer struct {
	addr    string
	process *exec.Cmd
	errors  *bytes.Buffer
	ended   chan error
}

const (
	serverStartLimit = time.Minute
	serverStopLimit  = 20 * time.Second
)

// startBenchServer starts this program as a server, with its own settings alone:
// what the environment says is for another.
func startBenchServer(ctx context.Context, kind, dir string) (*benchServer, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	arguments := []string{"serve", "--json", "--listen", "127.0.0.1:0", "--data", dir, "--log-level", "error"}
	if kind == "echo" {
		arguments = []string{"bench", "echo", "--json", "--listen", "127.0.0.1:0"}
	}
	s := &benchServer{process: exec.Command(self, arguments...), errors: new(bytes.Buffer), ended: make(chan error, 1)}
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, envPrefix+"_") && !strings.HasPrefix(variable, "OTEL_") {
			s.process.Env = append(s.process.Env, variable)
		}
	}
	s.process.Stderr = s.errors
	if _, err := s.process.StdinPipe(); err != nil { // open as long as this process lives
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	s.process.SysProcAttr = apart()
	output, err := s.process.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	if err := s.process.Start(); err != nil {
		return nil, fmt.Errorf("starting a server: %w", err)
	}
	told := make(chan ready, 1)
	go func() {
		var r ready
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if json.Unmarshal(lines.Bytes(), &r) == nil && r.Address != "" {
				told <- r
			}
		}
		s.ended <- s.process.Wait()
	}()
	select {
	case r := <-told:
		s.addr = r.Address
		return s, nil
	case err := <-s.ended:
		return nil, fmt.Errorf("the server ended before it answered: %w\n%s", err, s.errors)
	case <-time.After(serverStartLimit):
		err = fmt.Errorf("the server did not answer within %v", serverStartLimit)
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return nil, errors.Join(err, s.stop())
}

func (s *benchServer) pid() int { return s.process.Process.Pid }

// stop ends the server in order, or at once if that takes too long.
func (s *benchServer) stop() error {
	if err := s.process.Process.Signal(syscall.SIGTERM); err != nil {
		_ = s.process.Process.Kill() // where there are no signals, or it has ended
	}
	select {
	case err := <-s.ended:
		if err != nil {
			return fmt.Errorf("the server: %w\n%s", err, s.errors)
		}
		return nil
	case <-time.After(serverStopLimit):
		_ = s.process.Process.Kill()
		<-s.ended
		return fmt.Errorf("the server did not stop within %v", serverStopLimit)
	}
}

// newBenchEchoCommand is the server that measures what calls cost.
func newBenchEchoCommand(t *terminal) *cobra.Command {
	var listen string
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Run a server that answers at once and knows nothing",
		Long: `Run a server that answers checks, batches of checks and writes at once, with
messages of the size that Tupelo answers with, and knows nothing. What a call of it
costs is what no server of this kind can be below; bench --target echo measures it.`,
		Example: "  tupelo bench echo --listen 127.0.0.1:50050",
		Args:    arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			listener, err := net.Listen("tcp", listen)
			if err != nil {
				return fmt.Errorf("--listen %s: %w", listen, err)
			}
			if t.json {
				_ = t.object(ready{Address: listener.Addr().String()}) // an error is kept by t.out
				_ = t.out.Flush()
			} else {
				t.notef("echo at %s", listener.Addr())
			}
			return target.ServeEcho(cmd.Context(), listener)
		},
	}
	cmd.Flags().StringVar(&listen, "listen", "127.0.0.1:50050", "address to answer on, as host:port")
	return cmd
}
