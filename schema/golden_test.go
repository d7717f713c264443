package schema

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/internal/golden"
)

func TestProblemsAreRenderedWithTheirPlaces(t *testing.T) {
	for _, file := range []string{"errors_grammar.txt", "errors_names.txt", "errors_features.txt"} {
		golden.Cases(t, filepath.Join("testdata", file), func(t *testing.T, input string) string {
			_, err := Load("test.zed", input)
			if err == nil {
				t.Fatal("the schema loads")
			}
			return err.Error()
		})
	}
}

func TestDoubtsAreRenderedAsProblemsAre(t *testing.T) {
	golden.Cases(t, "testdata/doubts.txt", func(t *testing.T, input string) string {
		s, err := Load("test.zed", input)
		if err != nil {
			t.Fatal(err)
		}
		return Doubts(s).Error()
	})
}

func TestFormatLaysOutTheCanonicalWay(t *testing.T) {
	golden.Cases(t, "testdata/format.txt", func(t *testing.T, input string) string {
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
	golden.Cases(t, "testdata/programs.txt", func(t *testing.T, input string) string {
		return dump(mustCompile(t, input))
	})
}
