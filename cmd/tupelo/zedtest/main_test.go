package zedtest

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	zedFlag    = flag.String("zed", "", "the command zed; without it nothing is tested")
	tupeloFlag = flag.String("tupelo", "", "the program to test, if not one built now")
)

const token = "a-preshared-key"

// world is a server, and zed with its address and token.
type world struct {
	zed, address, home string
}

// tupelo returns the program to test.
func tupelo(t *testing.T) string {
	t.Helper()
	if *tupeloFlag != "" {
		path, err := filepath.Abs(*tupeloFlag)
		if err != nil {
			t.Fatal(err)
		}
		return path
	}
	binary := filepath.Join(t.TempDir(), "tupelo")
	if output, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", binary, "..").CombinedOutput(); err != nil {
		t.Fatalf("building tupelo: %v\n%s", err, output)
	}
	return binary
}

// newWorld starts a server on a free port, which ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	if *zedFlag == "" {
		t.Skip("no -zed: make test-zed builds it")
	}
	zed, err := filepath.Abs(*zedFlag)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{zed: zed, address: listener.Addr().String(), home: t.TempDir()}
	_ = listener.Close()

	server := exec.Command(tupelo(t), "serve", "--memory", "--listen", w.address, "--token", token)
	server.Env = environment()
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ends with %v\n%s", err, said.String())
		}
	})
	for range 100 {
		if conn, err := net.Dial("tcp", w.address); err == nil {
			_ = conn.Close()
			return w
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not listen")
	return nil
}

// environment is that of the tests without settings of either program.
func environment(extra ...string) (env []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TUPELO_") && !strings.HasPrefix(variable, "ZED_") {
			env = append(env, variable)
		}
	}
	return append(env, extra...)
}

// command is zed with the server's address and token, and a home of its own.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append(args, "--endpoint", w.address, "--token", token, "--insecure", "--log-level", "info")
	command := exec.CommandContext(ctx, w.zed, args...)
	command.Env = environment("XDG_CONFIG_HOME="+w.home, "HOME="+w.home, "NO_COLOR=1")
	return command
}

// run returns what zed prints, and fails if it does.
func (w *world) run(t *testing.T, args ...string) string {
	t.Helper()
	return w.runWith(t, "", args...)
}

// runWith gives zed an input.
func (w *world) runWith(t *testing.T, input string, args ...string) string {
	t.Helper()
	command := w.command(t.Context(), args...)
	var out, diagnostics bytes.Buffer
	command.Stdout, command.Stderr = &out, &diagnostics
	if input != "" {
		command.Stdin = strings.NewReader(input)
	}
	if err := command.Run(); err != nil {
		t.Fatalf("zed %s: %v\n%s%s", strings.Join(args, " "), err, plain(out.String()), plain(diagnostics.String()))
	}
	return plain(out.String())
}

// refused returns all that zed says, and fails unless it ends with an error.
func (w *world) refused(t *testing.T, args ...string) string {
	t.Helper()
	output, err := w.command(t.Context(), args...).CombinedOutput()
	if err == nil {
		t.Errorf("zed %s is not refused:\n%s", strings.Join(args, " "), plain(string(output)))
	}
	return plain(string(output))
}

var escape = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// plain takes colours out, and white space at the ends.
func plain(output string) string { return strings.TrimSpace(escape.ReplaceAllString(output, "")) }

// file writes a file for zed to read, and returns its name.
func (w *world) file(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(w.home, name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
