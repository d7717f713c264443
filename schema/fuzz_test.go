package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tupelodb/tupelo/schema"
)

// addSeeds gives a fuzz target the inputs of all golden cases.
func addSeeds(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files (%v)", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range strings.Split("\n"+string(data), "\n=== ")[1:] {
			_, input, _ := strings.Cut(section, "\n")
			input, _, _ = strings.Cut(input, "\n--->\n")
			f.Add(input)
		}
	}
	for seed := range uint64(20) {
		f.Add(schema.Format(randomSchema(seed)))
	}
}

// isErrors checks that what refused a text is a well-formed *Errors.
func isErrors(t *testing.T, err error) {
	t.Helper()
	var problems *schema.Errors
	if !errors.As(err, &problems) || len(problems.Problems) == 0 {
		t.Fatalf("not an *Errors with problems: %v", err)
	}
	for _, p := range problems.Problems {
		if p.Message == "" || p.File != "fuzz.zed" || p.Pos.Line < 1 || p.Pos.Column < 1 || p.Pos.Column > len(p.Line)+1 {
			t.Fatalf("a problem without its place: %+v", p)
		}
	}
	if err.Error() == "" {
		t.Fatal("an empty message")
	}
}

func FuzzParseFormat(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := schema.Parse("fuzz.zed", text)
		if err != nil {
			isErrors(t, err)
			return
		}
		once := schema.Format(s)
		again, err := schema.Parse("once.zed", once)
		if err != nil {
			t.Fatalf("what Format wrote does not parse: %v\n%s", err, once)
		}
		if twice := schema.Format(again); twice != once {
			t.Fatalf("formatting again changes the text:\n%s", cmp.Diff(once, twice))
		}
		s, again = bare(s), bare(again)
		if !reflect.DeepEqual(s, again) {
			t.Fatalf("formatting changes the tree:\n%s", cmp.Diff(s, again, cmpopts.IgnoreUnexported(schema.Schema{})))
		}
	})
}

func FuzzCompile(f *testing.F) {
	addSeeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := schema.Load("fuzz.zed", text)
		if err != nil {
			isErrors(t, err)
			return
		}
		p, err := schema.Compile(s, ordered{s})
		if err != nil {
			t.Fatalf("a schema that checks does not compile: %v", err)
		}
		for slot := range int32(len(p.Slots)) {
			s := p.Slots[slot]
			if !p.Reaches(slot, p.Types[s.Type].Number, s.Number) {
				t.Fatalf("%s does not reach itself", s.Name)
			}
		}
	})
}
