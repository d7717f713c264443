package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/store/tuple"
)

// offlineFiles writes a schema and tuples as people write them, some of them twice.
func offlineFiles(t *testing.T, more int) (schema, tuples string) {
	t.Helper()
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("# all of it\r\n\r\n" + movingTuples)
	for i := range more {
		fmt.Fprintf(&text, "  document:d%d#reader@user:u%d // %d\n", i, i%10, i)
		fmt.Fprintf(&text, "document:e%d#reader@user:u%d\r\n", i, i%10)
	}
	text.WriteString("document:d0#reader@user:u0") // no end of the line
	schema, tuples = filepath.Join(dir, "schema.zed"), filepath.Join(dir, "tuples.txt")
	writeTestFile(t, schema, movingSchema)
	writeTestFile(t, tuples, text.String())
	return schema, tuples
}

func writeTestFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readAll returns what a server has, in order.
func readAll(t *testing.T) []string {
	t.Helper()
	lines := strings.Split(mustTupelo(t, "read", "document")+mustTupelo(t, "read", "team"), "\n")
	slices.Sort(lines)
	return slices.DeleteFunc(lines, func(l string) bool { return !strings.Contains(l, "@") })
}

// TestAnOfflineImportComesToWhatAServerTakes imports files, a fixture and a backup
// into directories, serves those, and compares with what was imported through a
// server; nodes join what was imported.
func TestAnOfflineImportComesToWhatAServerTakes(t *testing.T) {
	schema, tuples := offlineFiles(t, 1200)
	startServer(t)
	mustTupelo(t, "schema", "write", schema)
	mustTupelo(t, "import", tuples)
	want := readAll(t)
	backup := filepath.Join(t.TempDir(), "all.zedbackup")
	mustTupelo(t, "export", "--to-backup", backup)
	fixture := filepath.Join(t.TempDir(), "all.yaml")
	indented := strings.NewReplacer("\n", "\n  ").Replace(strings.Join(want, "\n"))
	writeTestFile(t, fixture, "schema: |-\n  "+strings.ReplaceAll(strings.TrimSpace(movingSchema), "\n", "\n  ")+
		"\nrelationships: |-\n  "+indented+"\n")
	for name, args := range map[string][]string{
		"files":   {"--schema", schema, tuples, "--sort-memory", "100KiB"},
		"backup":  {"--from-backup", backup},
		"fixture": {fixture, tuples},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			out := mustTupelo(t, append([]string{"import", "--offline", "--json", "--data", dir}, args...)...)
			var report offlineReport
			if err := json.Unmarshal([]byte(out), &report); err != nil {
				t.Fatal(err, out)
			}
			if int(report.Tuples) != len(want) || report.Counts["document#reader@user"] != 2400 || report.Counts["document#reader@user with on_day and expiration"] != 1 {
				t.Errorf("%s, want %d tuples", out, len(want))
			}
			startServer(t, func(o *replica.Options) { o.FS, o.Dir = vfs.Default, dir })
			if got := readAll(t); !slices.Equal(got, want) {
				t.Errorf("%d tuples are read, want %d", len(got), len(want))
			}
			mustTupelo(t, "check", "document:plan", "read", "user:alice", "--at-least-as-fresh", report.Zookie)
			mustTupelo(t, "write", "document:plan#reader@user:zoe")
			mustTupelo(t, "check", "document:plan", "read", "user:zoe")
			expectFailure(t, "in use", "import", "--offline", "--data", dir, tuples)
		})
	}
}

func TestAnOfflineImportThatCannotBeLeavesTheDirectoryAlone(t *testing.T) {
	schema, tuples := offlineFiles(t, 3)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.txt")
	writeTestFile(t, bad, "document:a#reader@user:a\nno tuple\ndocument:a#writer@user:a\ndocument:a#reader@user:b\n")
	twice := filepath.Join(dir, "twice.txt")
	writeTestFile(t, twice, "document:a#reader@user:a\ndocument:a#reader@user:a[on_day]\n")
	data := filepath.Join(dir, "data")
	for _, test := range []struct {
		want string
		args []string
	}{
		{"give one with --schema", []string{tuples}},
		{"bad.txt:2: ", []string{"--schema", schema, bad}},
		{"bad.txt:3: ", []string{"--schema", schema, bad}},
		{"2 tuples cannot be imported, and nothing is", []string{"--schema", schema, bad}},
		{"document:a#reader@user:a is there twice", []string{"--schema", schema, twice}},
		{"no such file", []string{"--schema", schema, filepath.Join(dir, "none")}},
		{"--resume contradicts --offline", []string{"--resume", "x", tuples}},
		{"--from-spicedb contradicts --offline", []string{"--from-spicedb", "h:1"}},
		{"--sort-memory must be above zero", []string{"--sort-memory", "0", tuples}},
	} {
		expectFailure(t, test.want, append([]string{"import", "--offline", "--data", data}, test.args...)...)
		if _, err := os.Stat(filepath.Join(data, "importing")); err == nil {
			t.Errorf("%q left something", test.args)
		}
	}
	expectFailure(t, "--offline needs --data", "import", "--offline", tuples)
	expectFailure(t, "--schema needs --offline", "import", "--schema", schema, tuples)
	mustTupelo(t, "import", "--offline", "--data", data, "--schema", schema, tuples)
	expectFailure(t, "has, or has had, tuples", "import", "--offline", "--data", data, tuples)
}

// TestAnOfflineImportThatIsKilledCanBeRepeated ends the process at some moments of an
// import: what the directory then is, it takes the import again, or has it.
func TestAnOfflineImportThatIsKilledCanBeRepeated(t *testing.T) {
	schema, tuples := offlineFiles(t, 20_000)
	for i, signal := range []os.Signal{os.Kill, syscall.SIGINT, os.Kill} {
		dir := filepath.Join(t.TempDir(), "data")
		args := []string{"import", "--offline", "--data", dir, "--schema", schema, tuples}
		p := startCommand(t, args...)
		time.Sleep(time.Duration(20+60*i) * time.Millisecond)
		_ = p.Process.Signal(signal) // it may have come to its end
		_ = p.Wait()
		o := tupelo(t, args...)
		if o.code != exitOK && !strings.Contains(o.diag, "has, or has had, tuples") {
			t.Errorf("after %v: exit status %d\n%s", signal, o.code, o.diag)
		}
		startServer(t, func(o *replica.Options) { o.FS, o.Dir = vfs.Default, dir })
		if got := len(readAll(t)); got != 40_008 {
			t.Errorf("after %v: %d tuples", signal, got)
		}
	}
}

// BenchmarkImportOffline imports a file of GitClub's tuples into a new directory.
func BenchmarkImportOffline(b *testing.B) {
	const tuples = 1_000_000
	dir := b.TempDir()
	schema, file := filepath.Join(dir, "schema.zed"), filepath.Join(dir, "tuples.txt")
	writeTestFile(b, schema, dataset.GitClubSchema)
	var text strings.Builder
	dataset.GitClub(tuples, func(t tuple.Named) { text.WriteString(t.String() + "\n") })
	writeTestFile(b, file, text.String())
	text.Reset()
	n := 0
	for b.Loop() {
		n++
		before := processorTime()
		mustTupelo(b, "import", "--offline", "--data", filepath.Join(dir, fmt.Sprint(n)), "--schema", schema, file)
		b.ReportMetric(float64((processorTime()-before).Nanoseconds())/1000/tuples, "cpu-µs/tuple")
	}
	b.ReportMetric(float64(n)*tuples/b.Elapsed().Seconds(), "tuples/s")
}

func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // it cannot fail for oneself
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startCommand starts a command line in a process of its own.
func startCommand(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self, args...)
	c.Env = append(os.Environ(), runAsCommand+"=1")
	// Its end is the end of the process too; see TestMain.
	if _, err := c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Process.Kill() }) // if the test has not ended it
	return c
}
