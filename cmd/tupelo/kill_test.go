package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/reflection/grpc_reflection_v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// process is a tupelo serve in a process of its own.
type process struct {
	*exec.Cmd
	ready ready
	diag  *syncBuffer
	out   io.ReadCloser
}

func startProcess(t *testing.T, args ...string) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{diag: &syncBuffer{}}
	p.Cmd = exec.Command(self, append([]string{"serve", "--json", "--listen", "127.0.0.1:0"}, args...)...)
	p.Env = append(os.Environ(), runAsCommand+"=1")
	p.Stderr = p.diag
	// Its end is the end of the process too; see TestMain.
	if _, err := p.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.out, err = p.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() }) // if the test has not ended it
	line, err := bufio.NewReader(p.out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &p.ready)
	}
	if err != nil {
		t.Fatalf("serve did not get ready: %q %v %v\n%s", line, err, p.Wait(), p.diag)
	}
	return p
}

// ended waits for the process and returns how it ended.
func (p *process) ended() syscall.WaitStatus {
	_ = p.Wait() // the state says more
	return p.ProcessState.Sys().(syscall.WaitStatus)
}

// acknowledged collects the tuples of acknowledged writes.
type acknowledged struct {
	mu     sync.Mutex
	tuples []string
	enough chan struct{}
	least  int
}

func (a *acknowledged) add(text string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.tuples = append(a.tuples, text)
	if len(a.tuples) == a.least {
		close(a.enough)
	}
}

func TestASIGKILLUnderLoadLosesNoAcknowledgedWrite(t *testing.T) {
	const rounds, writers, least = 3, 8, 200
	data := t.TempDir()
	p := startProcess(t, "--data", data)
	t.Setenv("TUPELO_ADDR", p.ready.Address)
	mustTupelo(t, "schema", "write", "testdata/files/schema.zed")
	var all []string
	for round := range rounds {
		acks := &acknowledged{enough: make(chan struct{}), least: least}
		stop := writeUntilStopped(t, p.ready.Address, round, writers, acks)
		<-acks.enough
		if err := p.Process.Signal(syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if status := p.ended(); status.Signal() != syscall.SIGKILL {
			t.Fatalf("the process ended by itself: %v\n%s", status, p.diag)
		}
		stop()
		all = append(all, acks.tuples...)

		p = startProcess(t, "--data", data)
		t.Setenv("TUPELO_ADDR", p.ready.Address)
		stored := mustTupelo(t, "read", "-q", "--consistency", "fully-consistent")
		expectAll(t, all, stored)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := p.ended(); status.ExitStatus() != exitOK {
		t.Errorf("SIGTERM ends it with %v\n%s", status, p.diag)
	}
}

// writeUntilStopped writes tuples of which no two are the same, from several
// connections, until the server is gone. The returned function waits for that.
func writeUntilStopped(t *testing.T, addr string, round, writers int, acks *acknowledged) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var writing sync.WaitGroup
	for w := range writers {
		via := connection{addr: addr}
		c, err := via.dial()
		if err != nil {
			t.Fatal(err)
		}
		writing.Go(func() {
			defer c.conn.Close()
			for n := 0; ctx.Err() == nil; n++ {
				text := fmt.Sprintf("team:t%d-%d#member@user:u%d", round, w, n)
				one, err := parseTuple(text)
				if err != nil {
					t.Error(err)
					return
				}
				request := &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{Operation: tupelov1.Update_OPERATION_CREATE, Tuple: one}}}
				if _, err := c.Write(ctx, request); err != nil {
					return // the server is gone
				}
				acks.add(text)
			}
		})
	}
	return func() {
		cancel()
		writing.Wait()
	}
}

func expectAll(t *testing.T, tuples []string, stored string) {
	t.Helper()
	there := make(map[string]bool)
	for line := range strings.Lines(stored) {
		there[strings.TrimSpace(line)] = true
	}
	missing := 0
	for _, text := range tuples {
		if !there[text] {
			missing++
			if missing <= 5 {
				t.Errorf("%s was acknowledged and is missing", text)
			}
		}
	}
	if missing > 0 {
		t.Fatalf("%d of %d acknowledged tuples are missing", missing, len(tuples))
	}
}

func TestTheSecondSignalEndsAServerAtOnce(t *testing.T) {
	p := startProcess(t, "--memory", "--drain-limit", "10m")
	conn, err := grpc.NewClient(p.ready.Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// A call that does not end keeps the server from ending in order.
	stream, err := grpc_reflection_v1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := &grpc_reflection_v1.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1.ServerReflectionRequest_ListServices{},
	}
	if err := stream.Send(ask); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// New connections are refused from the first signal on.
	for refused := false; !refused; {
		o := tupelo(t, "schema", "read", "--addr", p.ready.Address)
		refused = strings.Contains(o.diag, "UNAVAILABLE")
	}
	time.Sleep(oneWish) // sooner, it would count as an echo of the first
	if err := p.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	// In order it would have ended with 0.
	if status := p.ended(); status.ExitStatus() != exitError {
		t.Errorf("the process ended with %v\n%s", status, p.diag)
	}
	if strings.Contains(p.diag.String(), "stopped") {
		t.Errorf("the process ended in order:\n%s", p.diag)
	}
}
