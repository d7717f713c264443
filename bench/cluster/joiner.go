package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/replica"
)

// joinerCommand has this program be one node, in a process of its own so that
// its memory and its death are its own.
const joinerCommand = "joiner"

// joined is what a joiner says once it answers.
type joined struct {
	Applied   uint64 // by its state
	PeakBytes int64  // of memory; 0: not known on this system
}

// beJoiner joins a cluster without a vote, says so, and ends with its input.
func beJoiner(ctx context.Context, args []string, in io.Reader, out io.Writer) (err error) {
	flags := flag.NewFlagSet(joinerCommand, flag.ContinueOnError)
	dir := flags.String("dir", "", "its `directory`")
	address := flags.String("address", "", "its `address` for other nodes")
	join := flags.String("join", "", "`addresses` of other nodes")
	if err := flags.Parse(args); err != nil {
		return err
	}
	m, err := replica.Open(ctx, replica.Options{
		Dir: *dir, NodeID: joinerID, Peer: &peer.Options{Address: *address},
		Join: strings.Split(*join, ","), ReadReplica: true,
	})
	if err != nil {
		return err
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = errors.Join(err, m.Close(closing))
	}()
	if _, err := m.Ready(ctx); err != nil {
		return err
	}
	peak, err := memory("VmHWM")
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(joined{m.Store().Applied(), peak}); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, in)
	return err
}

// joinerID names the node that joins.
const joinerID = "joiner"

// joiner is that process, as the one that started it has it.
type joiner struct {
	joined
	took    time.Duration // from the start of the process until it answered
	command *exec.Cmd
	in      io.WriteCloser
}

// startJoiner starts a joiner and waits until it answers.
func startJoiner(ctx context.Context, dir, address string, others []string) (_ *joiner, err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	j := &joiner{command: exec.CommandContext(ctx, program, joinerCommand,
		"-dir", dir, "-address", address, "-join", strings.Join(others, ","))}
	j.command.Stderr = os.Stderr
	if j.in, err = j.command.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := j.command.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begun := time.Now()
	if err := j.command.Start(); err != nil {
		return nil, fmt.Errorf("starting a node: %w", err)
	}
	if err := json.NewDecoder(out).Decode(&j.joined); err != nil {
		return nil, errors.Join(fmt.Errorf("a node ended before it answered: %w", err), j.kill())
	}
	j.took = time.Since(begun)
	return j, nil
}

// stop has the node close as it should.
func (j *joiner) stop() error { return errors.Join(j.in.Close(), j.command.Wait()) }

// kill ends the process as a crash would.
func (j *joiner) kill() error {
	err := j.command.Process.Kill()
	var ended *exec.ExitError
	if waited := j.command.Wait(); !errors.As(waited, &ended) {
		err = errors.Join(err, waited)
	}
	return err
}

// memory returns what Linux says of this process's memory: VmRSS is what it has,
// VmHWM the most that it had. It is 0 on other systems.
func memory(name string) (int64, error) {
	file, err := os.Open("/proc/self/status")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ":")
		if field != name {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		return kib << 10, err
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", name)
}
