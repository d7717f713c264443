package docs_test

import (
	"bufio"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/internal/ports"
)

// clusterPort returns the first of the ports that run-cluster takes.
func clusterPort(t *testing.T) int {
	t.Helper()
	addresses, err := ports.Take(13)
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(addresses[0])
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func portsAreFree(first int, offsets ...int) bool {
	for _, offset := range offsets {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", first+offset))
		if err != nil {
			return false
		}
		_ = l.Close()
	}
	return true
}

// runCluster starts the script in a shell's folder and returns what it invites to,
// and how to stop it.
func (s *shell) runCluster(t *testing.T, port int) (invitation string, stop func()) {
	t.Helper()
	script := exec.Command("examples/gitclub/run-cluster", "bin/tupelo", "data-cluster")
	script.Dir = s.dir
	script.Env = environment(fmt.Sprintf("CLUSTER_PORT=%d", port), "CLUSTER_PAUSE=10")
	out, err := script.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var diagnostics strings.Builder
	script.Stderr = &diagnostics
	if err := script.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = script.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		if err := script.Wait(); err != nil || !strings.Contains(diagnostics.String(), "all nodes have ended") {
			t.Errorf("run-cluster ends with %v\n%s", err, diagnostics.String())
		}
	}
	t.Cleanup(stop)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		invitation += lines.Text() + "\n"
		if strings.HasPrefix(lines.Text(), "Ctrl-C stops") {
			return invitation, stop
		}
	}
	stop()
	t.Fatalf("run-cluster ended early:\n%s", invitation)
	return "", nil
}

// What `make run-cluster` prints is played as a person would: the leader is killed,
// the others go on, and it comes back.
func TestTheClusterOnThisMachineDoesWhatItInvitesTo(t *testing.T) {
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: t.TempDir()}
	if output, err := s.script(t, fmt.Sprintf("ln -s '%s' bin && ln -s '%s/examples' .", bin(t), root)); err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	port := clusterPort(t)
	invitation, stop := s.runCluster(t, port)
	commands := regexp.MustCompile(`(?m)^  ((?:bin/tupelo|kill) .*)$`).FindAllStringSubmatch(invitation, -1)
	want := []struct{ prints, status string }{
		{"leader", "0"},   // cluster status
		{"no\n", "1"},     // check
		{"", "0"},         // kill
		{"wrote", "0"},    // write, elsewhere
		{"yes\n", "0"},    // check, at the third
		{"  down  ", "1"}, // cluster status
		{"all the same", "0"},
	}
	if len(commands) != len(want) {
		t.Fatalf("it invites to %d commands, not %d:\n%s", len(commands), len(want), invitation)
	}
	for i, w := range want {
		command := commands[i][1]
		if i == len(want)-1 {
			s.await(t, strings.Replace(command, "verify", "status", 1))
		}
		output, _ := s.script(t, command+"; echo status $?")
		for strings.Contains(output, "the outcome is unknown") { // it was on its way to the leader that is gone
			output, _ = s.script(t, command+"; echo status $?")
		}
		if !strings.Contains(output, w.prints) || !strings.HasSuffix(output, "status "+w.status+"\n") {
			t.Errorf("%s\nprints\n%s", command, output)
		}
	}
	stop()
	if !portsAreFree(port, 0, 1, 2, 10, 11, 12) {
		t.Error("a node goes on after the end")
	}
	// It can be run again, on what is there.
	invitation, _ = s.runCluster(t, port)
	again := regexp.MustCompile(`bin/tupelo check .* --consistency fully-consistent`).FindString(invitation)
	if output, err := s.script(t, again); err != nil || !strings.HasPrefix(output, "yes") {
		t.Errorf("%s\nprints %v\n%s", again, err, output)
	}
}

// await runs a command until it succeeds.
func (s *shell) await(t *testing.T, command string) {
	t.Helper()
	var output string
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		var err error
		if output, err = s.script(t, command); err == nil {
			return
		}
	}
	t.Fatalf("%s goes on to fail:\n%s", command, output)
}

var (
	testName       = regexp.MustCompile("`(Test\\w+)`")
	testDefinition = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

func TestTheTestsThatShowAGuaranteeExist(t *testing.T) {
	exist := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "data", "data-cluster"}, path):
			return filepath.SkipDir
		case !strings.HasSuffix(path, "_test.go"):
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testDefinition.FindAllStringSubmatch(string(text), -1) {
			exist[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, p := range pages(t) {
		for _, m := range testName.FindAllStringSubmatch(p.text, -1) {
			n++
			if !exist[m[1]] {
				t.Errorf("%s names %s, which is no test", p.name, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("found only %d tests named", n)
	}
}
