package golden

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Update reports whether files are to be written anew.
func Update() bool { return *update }

// File compares a text with a file's. What a difference means may follow.
func File(t testing.TB, path, got string, means ...string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s differs (-want +got; go test -update writes it anew) %s\n%s", path, strings.Join(means, "; "), diff)
	}
}

// Cases runs each case of a file and compares what comes of it. A case is a name,
// an input and an output, the last two each ending in a line's end:
//
//	=== a name
//	input
//	--->
//	output
func Cases(t *testing.T, path string, run func(t *testing.T, input string) string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten strings.Builder
	cases := strings.Split("\n"+string(data), "\n=== ")[1:]
	if len(cases) == 0 {
		t.Fatalf("%s has no cases", path)
	}
	for _, section := range cases {
		name, body, _ := strings.Cut(section, "\n")
		input, want, _ := strings.Cut("\n"+body+"\n", "\n--->\n")
		input, want = strings.Trim(input, "\n")+"\n", strings.Trim(want, "\n")
		got := ""
		t.Run(name, func(t *testing.T) {
			got = strings.TrimRight(run(t, input), "\n")
			if diff := cmp.Diff(want, got); diff != "" && !*update {
				t.Errorf("%s: -want +got (go test -update writes it anew):\n%s", path, diff)
			}
		})
		rewritten.WriteString("=== " + name + "\n" + input + "--->\n" + got + "\n\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(rewritten.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}
