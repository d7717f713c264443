package schema

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// A golden file is a list of cases, each a name, an input and an output:
//
//	=== a name
//	input
//	--->
//	output
//
// golden runs each case and compares; with -update it rewrites the outputs.
func golden(t *testing.T, file string, run func(t *testing.T, input string) string) {
	path := filepath.Join("testdata", file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten strings.Builder
	for _, section := range strings.Split("\n"+string(data), "\n=== ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		input, want, _ := strings.Cut("\n"+body+"\n", "\n--->\n")
		input, want = strings.Trim(input, "\n")+"\n", strings.Trim(want, "\n")
		got := ""
		t.Run(name, func(t *testing.T) {
			got = strings.TrimRight(run(t, input), "\n")
			if diff := cmp.Diff(want, got); diff != "" && !*update {
				t.Errorf("%s: -want +got (go test -update rewrites it):\n%s", path, diff)
			}
		})
		rewritten.WriteString("=== " + name + "\n" + input + "--->\n" + got + "\n\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(rewritten.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProblemsAreRenderedWithTheirPlaces(t *testing.T) {
	for _, file := range []string{"errors_grammar.txt", "errors_names.txt", "errors_features.txt"} {
		golden(t, file, func(t *testing.T, input string) string {
			_, err := Load("test.zed", input)
			if err == nil {
				t.Fatal("the schema loads")
			}
			return err.Error()
		})
	}
}

func TestFormatLaysOutTheCanonicalWay(t *testing.T) {
	golden(t, "format.txt", func(t *testing.T, input string) string {
		s, err := Parse("test.zed", input)
		if err != nil {
			t.Fatal(err)
		}
		text := Format(s)
		again, err := Parse("formatted.zed", text)
		if err != nil {
			t.Fatalf("the formatted text does not parse: %v\n%s", err, text)
		}
		if diff := cmp.Diff(text, Format(again)); diff != "" {
			t.Errorf("formatting again changes the text: -once +twice:\n%s", diff)
		}
		return text
	})
}

func TestProgramsOfSchemas(t *testing.T) {
	golden(t, "programs.txt", func(t *testing.T, input string) string {
		return dump(mustCompile(t, input))
	})
}
