package zedtest

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

var (
	zedFlag     = flag.String("zed", "", "the command zed; without it nothing is tested")
	tupeloFlag  = flag.String("tupelo", "", "the program to test, if not one built now")
	spicedbFlag = flag.String("spicedb", "", "the program spicedb; without it nothing is compared with it")
)

const token = "a-preshared-key"

// world is a server, and zed with its address and token.
type world struct {
	zed, address, home string
	program            string // Tupelo, if that is the server
	token              string // that the last write printed
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

// newWorld starts a Tupelo on a free port, which ends with the test.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := newZed(t)
	w.program = tupelo(t)
	w.serve(t, w.program, "serve", "--memory", "--listen", w.address, "--token", token)
	return w
}

// newSpiceDB starts a SpiceDB likewise.
func newSpiceDB(t *testing.T) *world {
	t.Helper()
	w := newZed(t)
	if *spicedbFlag == "" {
		t.Skip("no -spicedb: make test-spicedb builds it")
	}
	w.serve(t, *spicedbFlag, "serve", "--skip-release-check", "--telemetry-endpoint", "", "--datastore-engine", "memory",
		"--datastore-revision-quantization-interval", "0s", "--grpc-addr", w.address, "--grpc-preshared-key", token,
		"--http-enabled=false", "--metrics-enabled=false", "--log-level", "error")
	return w
}

// newZed returns zed with a free address, where no server is yet.
func newZed(t *testing.T) *world {
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
	defer func() { _ = listener.Close() }()
	return &world{zed: zed, address: listener.Addr().String(), home: t.TempDir()}
}

// serve starts a server at the world's address, which ends with the test.
func (w *world) serve(t *testing.T, program string, args ...string) {
	t.Helper()
	path, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(path, args...)
	server.Env = environment()
	var said bytes.Buffer
	server.Stdout, server.Stderr = &said, &said
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("%s ends with %v\n%s", filepath.Base(path), err, said.String())
		}
	})
	for range 200 {
		if conn, err := net.Dial("tcp", w.address); err == nil {
			_ = conn.Close()
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatalf("%s does not listen", path)
}

// environment is that of the tests without settings of either program.
func environment(extra ...string) (env []string) {
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "TUPELO_") && !strings.HasPrefix(variable, "ZED_") && !strings.HasPrefix(variable, "SPICEDB_") {
			env = append(env, variable)
		}
	}
	return append(env, extra...)
}

// environment gives zed a home of its own, with a password for what it keeps of contexts.
func (w *world) environment() []string {
	return environment("XDG_CONFIG_HOME="+w.home, "HOME="+w.home, "NO_COLOR=1", "ZED_KEYRING_PASSWORD="+token)
}

// command is zed with the server's address and token, and a home of its own.
func (w *world) command(ctx context.Context, args ...string) *exec.Cmd {
	args = append([]string{"--endpoint", w.address, "--token", token, "--insecure", "--log-level", "info"}, args...)
	command := exec.CommandContext(ctx, w.zed, args...)
	command.Env = w.environment()
	return command
}

// run returns what zed prints, and fails if it does.
func (w *world) run(t *testing.T, args ...string) string {
	t.Helper()
	return w.runWith(t, "", args...)
}

// bare runs zed without address and token, which it has from its contexts.
func (w *world) bare(t *testing.T, args ...string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), w.zed, args...)
	command.Env = w.environment()
	output, err := command.Output()
	if err != nil {
		t.Fatalf("zed %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return plain(string(output))
}

// tupelo runs Tupelo's own command line against the server, and returns what it
// prints before the zookie.
func (w *world) tupelo(t *testing.T, args ...string) string {
	t.Helper()
	output, err := w.tupeloCommand(t, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("tupelo %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	before, _, _ := strings.Cut(string(output), "zookie ")
	return before
}

func (w *world) tupeloCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	command := exec.CommandContext(t.Context(), w.program, args...)
	command.Env = environment("TUPELO_ADDR="+w.address, "TUPELO_TOKEN="+token)
	return command
}

// has reports whether this version of zed has a flag, or a command below another,
// and logs if it has not.
func (w *world) has(t *testing.T, name string, command ...string) bool {
	t.Helper()
	help := w.run(t, append(slices.Clone(command), "--help")...)
	found := slices.Contains(strings.Fields(help), name)
	if !found {
		t.Logf("this zed has no %s of %s", name, strings.Join(command, " "))
	}
	return found
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
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		t.Errorf("zed %s is not refused: %v\n%s", strings.Join(args, " "), err, plain(string(output)))
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
