package docs_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// validate runs a fixture, and returns the exit status with what was printed. What
// a page shows must matter: the fixture has to cover its whole schema.
func validate(t *testing.T, text string) (status int, output string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	output, err := tupelo(t, "validate", "--min-coverage", "100", file)
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if exit != nil {
		status = exit.ExitCode()
	}
	return status, output
}

// fixtures returns the blocks that are fixtures.
func fixtures(t *testing.T) (all []block) {
	t.Helper()
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.kind == "yaml fixture" {
				all = append(all, b)
			}
		}
	}
	if len(all) < 10 {
		t.Fatalf("found only %d fixtures", len(all))
	}
	return all
}

func TestFixturesHold(t *testing.T) {
	for _, b := range fixtures(t) {
		if status, output := validate(t, b.text); status != 0 {
			t.Errorf("%s: exit status %d\n%s", b, status, output)
		}
	}
}

// Whatever is shown to hold must be able to fail: with yes and no turned around
// each fixture does.
func TestFixturesFailWithTheirAnswersTurnedAround(t *testing.T) {
	around := strings.NewReplacer("assertTrue:", "assertFalse:", "assertFalse:", "assertTrue:")
	for _, b := range fixtures(t) {
		if status, output := validate(t, around.Replace(b.text)); status != 1 {
			t.Errorf("%s: exit status %d with answers turned around\n%s", b, status, output)
		}
	}
}
