//go:build unix

package peer

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// Programs of others, to be started for real: go test ./bench/peer -spicedb … -openfga … -keto … -permify …
var (
	spicedb = flag.String("spicedb", "", "path of SpiceDB's program")
	openfga = flag.String("openfga", "", "path of OpenFGA's program")
	keto    = flag.String("keto", "", "path of Keto's program")
	permify = flag.String("permify", "", "path of Permify's program")
)

// behaves has the test's binary be a program that behaves as its value says.
const behaves = "TUPELO_TEST_PEER"

func TestMain(m *testing.M) {
	if how := os.Getenv(behaves); how != "" {
		if err := behave(how); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func behave(how string) error {
	switch how {
	case "dies":
		fmt.Println("reading the configuration")
		return errors.New("no such table: tuples")
	case "sleeps":
		time.Sleep(time.Hour)
	case "stubborn": // and so is its child
		signal.Ignore(syscall.SIGTERM)
		child := exec.Command(os.Args[0])
		child.Env = append(os.Environ(), behaves+"=sleeps")
		if err := child.Start(); err != nil {
			return err
		}
		fmt.Printf("child %d\n", child.Process.Pid)
		time.Sleep(time.Hour)
	case "parent": // of one that it does not stop, as it is killed
		dir, err := os.MkdirTemp("", "tupelo-bench-test-")
		if err != nil {
			return err
		}
		s, err := start(dir, program{name: "fake", path: os.Args[0], env: []string{behaves + "=sleeps"}}, brief)
		if err != nil {
			return err
		}
		fmt.Printf("child %d %s\n", s.command.Process.Pid, dir)
		time.Sleep(time.Hour)
	case "openfga":
		if os.Args[1] == "run" {
			return serveHealth(os.Args[slices.Index(os.Args, "--grpc-addr")+1])
		}
		fmt.Println("openfga of a test")
	case "keto":
		if os.Args[1] == "serve" {
			return serveKeto(os.Args[len(os.Args)-1])
		}
		fmt.Println("Version:\t\tketo of a test")
	case "permify":
		if os.Args[1] == "serve" {
			return serveHealth("127.0.0.1:" + os.Args[slices.Index(os.Args, "--grpc-port")+1])
		}
	}
	return nil
}

// serveKeto is a server that reads its configuration and its schema, and is then well.
func serveKeto(config string) error {
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	var settings struct {
		Serve map[string]struct {
			Host string
			Port int
		}
		Namespaces struct{ Location string }
	}
	if err := json.Unmarshal(text, &settings); err != nil {
		return err
	}
	namespaces, err := os.ReadFile(strings.TrimPrefix(settings.Namespaces.Location, "file://"))
	if err != nil || string(namespaces) != users.Text {
		return fmt.Errorf("its schema is %q, %v", namespaces, err)
	}
	return serveHealth(fmt.Sprintf("%s:%d", settings.Serve["read"].Host, settings.Serve["read"].Port))
}

// serveHealth is a server that says that it is well after a while.
func serveHealth(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	state := health.NewServer()
	state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	time.AfterFunc(100*time.Millisecond, func() { state.SetServingStatus("", grpc_health_v1.HealthCheckResponse_SERVING) })
	s := grpc.NewServer()
	grpc_health_v1.RegisterHealthServer(s, state)
	return s.Serve(l)
}

var brief = patience{ready: time.Minute, stop: 100 * time.Millisecond}

func startFake(t *testing.T, how string) *process {
	t.Helper()
	s, err := start(t.TempDir(), program{name: "fake", path: os.Args[0], env: []string{behaves + "=" + how}}, brief)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func never(context.Context) error { return errors.New("connection refused") }

// gone reports whether there is no such process any more; one that its parent has
// not collected yet is gone.
func gone(pid int) bool {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return syscall.Kill(pid, 0) != nil
	}
	return strings.Contains(string(stat), ") Z ")
}

func mustBeGone(t *testing.T, pid int) {
	t.Helper()
	for range 6000 {
		if gone(pid) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", pid)
}

func TestAServerThatDiesEarlyIsAnErrorWithWhatItPrinted(t *testing.T) {
	s := startFake(t, "dies")
	s.patience.ready = time.Minute // it is not waited for
	err := s.await(t.Context(), never)
	if !errors.Is(err, ErrEnded) {
		t.Errorf("the error is %v", err)
	}
	for _, want := range []string{"exit status 3", "reading the configuration\n  no such table: tuples"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want it to say %q", err, want)
		}
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestAServerThatNeverAnswersIsGivenUp(t *testing.T) {
	s := startFake(t, "sleeps")
	s.patience.ready = 300 * time.Millisecond
	err := s.await(t.Context(), never)
	if !errors.Is(err, ErrNotReady) || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("the error is %v", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, s.command.Process.Pid)
}

func TestWaitingForAServerEndsWithItsContext(t *testing.T) {
	s := startFake(t, "sleeps")
	s.patience.ready = time.Minute
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if err := s.await(ctx, never); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestAServerThatIgnoresSignalsIsKilledWithItsChildren(t *testing.T) {
	for _, paused := range []bool{false, true} {
		s := startFake(t, "stubborn")
		child := 0
		if err := s.await(t.Context(), func(context.Context) error {
			text, err := os.ReadFile(s.log.Name())
			if err != nil {
				return err
			}
			_, err = fmt.Sscanf(string(text), "child %d\n", &child)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if gone(child) {
			t.Fatal("the child is not there to be left behind")
		}
		if paused {
			pause(s.command.Process)
		}
		if err := s.stop(); err != nil {
			t.Error(err)
		}
		mustBeGone(t, s.command.Process.Pid)
		mustBeGone(t, child)
	}
}

func TestServersEndWithWhoStartedThem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("this system cannot")
	}
	s := startFake(t, "parent")
	var child int
	var dir string
	if err := s.await(t.Context(), func(context.Context) error {
		text, err := os.ReadFile(s.log.Name())
		if err != nil {
			return err
		}
		_, err = fmt.Sscanf(string(text), "child %d %s\n", &child, &dir)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := s.command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	mustBeGone(t, child)
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestAPausedServerTakesNoTimeOfTheProcessors(t *testing.T) {
	s := startFake(t, "sleeps")
	defer s.stop()
	p := &Peer{processes: []*process{s}}
	state := func() string {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.PIDs()[0]), "stat"))
		if err != nil {
			t.Skip("this system has no /proc")
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		return rest[:1]
	}
	becomes := func(stopped bool) bool {
		for range 6000 {
			if (state() == "T") == stopped {
				return true
			}
			time.Sleep(10 * time.Millisecond)
		}
		return false
	}
	p.Pause()
	if !becomes(true) {
		t.Errorf("it is paused, and its state is %s", state())
	}
	p.Resume()
	if !becomes(false) {
		t.Errorf("it goes on, and its state is %s", state())
	}
	if err := p.Ended(); err != nil {
		t.Error(err)
	}
}

func TestAPeerIsStartedAndStoppedWhole(t *testing.T) {
	t.Setenv(behaves, "openfga")
	dir := t.TempDir()
	p, err := Start(t.Context(), "openfga-sqlite", Options{OpenFGA: os.Args[0], Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if p.Version != "openfga openfga of a test" || p.Protocol != OpenFGA || len(p.PIDs()) != 1 {
		t.Errorf("the peer is %+v", p)
	}
	if len(p.Commands) != 2 || !strings.Contains(p.Commands[0], " migrate --datastore-engine sqlite") || !strings.Contains(p.Commands[1], " run --grpc-addr "+p.Addr) {
		t.Errorf("it was started by %q", p.Commands)
	}
	pid := p.PIDs()[0]
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, pid)
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := p.Stop(); err != nil {
		t.Errorf("stopped again: %v", err)
	}
}

// users is a schema of Keto's.
var users = Namespaces{Text: "class user implements Namespace {}\n", By: "tupelo bench schema none --target keto"}

func TestKetoIsGivenItsSchemaAndListensAtAddressesOfItsOwn(t *testing.T) {
	t.Setenv(behaves, "keto")
	o := Options{Keto: os.Args[0], Dir: t.TempDir()}
	if _, err := Start(t.Context(), "keto-memory", o); err == nil || !strings.Contains(err.Error(), "schema") {
		t.Errorf("without a schema: %v", err)
	}
	o.Namespaces = users
	p, err := Start(t.Context(), "keto-memory", o)
	if err != nil {
		t.Fatal(err)
	}
	if p.Version != "keto keto of a test" || p.Protocol != Keto || p.WriteAddr == "" || p.WriteAddr == p.Addr {
		t.Errorf("the peer is %+v", p)
	}
	if len(p.Commands) != 3 || p.Commands[0] != users.By+" > $DIR/namespaces.keto.ts" || !strings.HasSuffix(p.Commands[1], "' > $DIR/keto.json") ||
		!strings.HasSuffix(p.Commands[2], " serve all --sqa-opt-out --config $DIR/keto.json") {
		t.Errorf("it was started by %q", p.Commands)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(o.Dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestPermifyIsAskedByHTTPAndItsHealthByGRPC(t *testing.T) {
	t.Setenv(behaves, "permify")
	p, err := Start(t.Context(), "permify-memory", Options{Permify: os.Args[0], Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(p.Addr)
	if p.Protocol != Permify || len(p.Commands) != 1 || !strings.Contains(p.Commands[0], " --http-port "+port+" ") || strings.Contains(p.Commands[0], " --grpc-port "+port+" ") {
		t.Errorf("the peer is %+v", p)
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
}

func TestAPeerThatCannotStartLeavesNothing(t *testing.T) {
	t.Setenv(behaves, "dies")
	dir := t.TempDir()
	_, err := Start(t.Context(), "openfga-memory", Options{OpenFGA: os.Args[0], Dir: dir})
	if !errors.Is(err, ErrEnded) || !strings.Contains(err.Error(), "no such table") {
		t.Errorf("the error is %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestPeersAreNamedOrRefused(t *testing.T) {
	if _, err := Start(t.Context(), "zanzibar", Options{}); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "spicedb-postgres") {
		t.Errorf("a peer that there is not: %v", err)
	}
	if _, err := Start(t.Context(), "spicedb-postgres", Options{Postgres: "/usr/bin"}); !errors.Is(err, ErrNoBinary) || !strings.HasSuffix(err.Error(), ": spicedb") {
		t.Errorf("a peer without its program: %v", err)
	}
	got := Options{Tupelo: "tupelo", OpenFGA: "openfga"}.Startable()
	if want := []string{"tupelo", "tupelo-authzed", "openfga-memory", "openfga-sqlite", "echo"}; !slices.Equal(got, want) {
		t.Errorf("startable are %v, want %v", got, want)
	}
}

// postgresHere returns the folder of the newest PostgreSQL of this machine, if there is one.
func postgresHere() string {
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 {
			return filepath.Dir(found[len(found)-1])
		}
	}
	return ""
}

func TestThePeersOfOthersAreStarted(t *testing.T) {
	o := Options{SpiceDB: *spicedb, OpenFGA: *openfga, Keto: *keto, Permify: *permify, Postgres: postgresHere(), Namespaces: users}
	if len(o.Startable()) == 0 {
		t.Skip("no program of others was named: -spicedb, -openfga, -keto, -permify")
	}
	for _, id := range o.Startable() {
		p, err := Start(t.Context(), id, o)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%s: %s\n  %s", id, p.Version, strings.Join(p.Commands, "\n  "))
		if err := p.Ended(); err != nil {
			t.Error(err)
		}
		pids := p.PIDs()
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
		for _, pid := range pids {
			mustBeGone(t, pid)
		}
	}
}

func TestADatabaseIsStartedAndStopped(t *testing.T) {
	bin := postgresHere()
	if bin == "" {
		t.Skip("there is no PostgreSQL")
	}
	dir, err := os.MkdirTemp("", "tupelo-bench-test-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	db, err := startPostgres(t.Context(), bin, dir, usual)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(db.version, "postgres (PostgreSQL) ") || !strings.HasPrefix(db.uri, "postgres://bench@127.0.0.1:") {
		t.Errorf("it is %q at %q", db.version, db.uri)
	}
	if err := db.stop(); err != nil {
		t.Error(err)
	}
	mustBeGone(t, db.command.Process.Pid)
	log, err := os.Open(filepath.Join(dir, "postgres.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	last := ""
	for lines := bufio.NewScanner(log); lines.Scan(); {
		last = lines.Text()
	}
	if !strings.Contains(last, "database system is shut down") {
		t.Errorf("it was not shut down: %s", last)
	}
}

func TestSettingsOfThisProcessAreNotThePeers(t *testing.T) {
	for _, name := range []string{"TUPELO_TOKEN", "SPICEDB_GRPC_PRESHARED_KEY", "OPENFGA_DATASTORE_ENGINE", "PERMIFY_DATABASE_URI", "PGPASSWORD", "OTEL_EXPORTER_OTLP_ENDPOINT"} {
		t.Setenv(name, "of another")
	}
	t.Setenv("HOME", "of all")
	if got := strings.Join(environment(), "\n"); strings.Contains(got, "of another") || !strings.Contains(got, "HOME=of all") {
		t.Errorf("peers get\n%s", got)
	}
}

func TestACommandLineCanBeGivenToAShell(t *testing.T) {
	p := program{path: "spicedb", args: []string{"serve", "--telemetry-endpoint", "", "--uri", "postgres://a@b/c?sslmode=disable", "it's", `{"a":[1]}`}, env: []string{"A=b"}}
	out, err := exec.Command("sh", "-c", "spicedb() { echo $A; printf '<%s>' \"$@\"; }; "+p.line()).Output()
	if err != nil || string(out) != "b\n<serve><--telemetry-endpoint><><--uri><postgres://a@b/c?sslmode=disable><it's><{\"a\":[1]}>" {
		t.Errorf("%s is %s, %v", p.line(), out, err)
	}
}
