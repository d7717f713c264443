package docs_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

var built struct {
	bin    string // a folder, removed by TestMain
	failed string // why there is no binary in it
	sync.Mutex
}

// TestMain has the tests run at the root of the repository.
func TestMain(m *testing.M) {
	if err := os.Chdir(".."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(built.bin); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// bin returns the folder of the binary tupelo. The first test to ask has it built.
func bin(t *testing.T) string {
	t.Helper()
	built.Lock()
	defer built.Unlock()
	if built.failed != "" {
		t.Fatal(built.failed)
	}
	if built.bin != "" {
		return built.bin
	}
	lookAtSources(t)
	dir, err := os.MkdirTemp("", "tupelo-docs-")
	if err != nil {
		t.Fatal(err)
	}
	built.bin = dir
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "tupelo"), "./cmd/tupelo")
	if output, err := build.CombinedOutput(); err != nil {
		built.failed = fmt.Sprintf("building tupelo: %v\n%s", err, output)
		t.Fatal(built.failed)
	}
	return dir
}

// lookAtSources has the tests depend on the pages and on what the binary is built
// of, as far as go test sees it: without, it would take their results from its cache
// although either has changed. Paths are whole, since it takes others to be from the
// folder in which the test began.
func lookAtSources(t *testing.T) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{".git", "bin", "data", "data-cluster"}, entry.Name()):
			return filepath.SkipDir
		case slices.Contains(sources, filepath.Ext(path)):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

var sources = []string{".go", ".mod", ".md", ".yaml", ".zed"}

// settings of this machine must not change what the pages show.
func environment(extra ...string) []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "TUPELO_") })
	return append(env, extra...)
}

// tupelo runs the binary.
func tupelo(t *testing.T, args ...string) (output string, err error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), filepath.Join(bin(t), "tupelo"), args...)
	command.Env = environment()
	combined, err := command.CombinedOutput()
	return string(combined), err
}
