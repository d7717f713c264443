package validate

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// noFiles are the files of a fixture that needs none.
func noFiles(string) (string, error) { return "", os.ErrNotExist }

func run(t *testing.T, text string, o Options) *Report {
	t.Helper()
	f, err := fixture.Read("test.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	report, err := Run(t.Context(), f, noFiles, o)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return report
}

// written is a fixture of a world, with lists for all relations of its objects.
func written(w *rewritetest.World, objects int, lines map[string][]string) string {
	var text strings.Builder
	text.WriteString("schema: |-\n" + indented(schema.Format(w.Schema)) + "relationships: |-\n")
	for _, t := range w.Named {
		text.WriteString("  " + t.String() + "\n")
	}
	text.WriteString("validation:\n")
	for _, d := range w.Schema.Definitions {
		for _, m := range d.Members {
			for i := range objects {
				key := d.Name + ":" + rewritetest.ObjectID(i) + "#" + m.MemberName()
				text.WriteString("  " + key + ":\n")
				for _, line := range lines[key] {
					fmt.Fprintf(&text, "    - %q\n", line)
				}
			}
		}
	}
	return text.String()
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		b.WriteString("  " + line)
	}
	return b.String()
}

// TestListsAreWhatTheyAreFoundToBe lists the subjects of all usersets of random
// worlds. Check and ListSubjects must agree with them, and a fixture that has the
// lists as they were found must hold.
func TestListsAreWhatTheyAreFoundToBe(t *testing.T) {
	lines, open, excepting, chains := 0, 0, 0, 0
	for n := uint64(1); n <= 120 && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(5, n))
		s := schematest.Random(rng, schematest.Options{
			Caveats: n%2 == 0, Expiration: n%3 == 0, ArrowFunctions: true, Self: n%4 == 0,
		})
		w, err := rewritetest.New(s)
		if err != nil {
			t.Fatal(err)
		}
		objects := 1 + rng.IntN(3)
		if err := w.Fill(rng, objects, 5+rng.IntN(30*objects)); err != nil {
			t.Fatal(err)
		}
		now := Options{Now: time.Unix(0, 1+rng.Int64N(rewritetest.LastInstant))}
		got := make(map[string][]string)
		for _, l := range run(t, written(w, objects, nil), now).Lists {
			if l.Err != nil {
				t.Errorf("world %d: %s: %v", n, l.Text(), l.Err)
			}
			for _, d := range l.Differences {
				if d.Disagreement != "" {
					t.Errorf("world %d: %s: %s", n, l.Text(), d.Disagreement)
					continue
				}
				got[l.Text()] = append(got[l.Text()], d.Got)
				lines++
				open += strings.Count(d.Got, "[...]")
				excepting += strings.Count(d.Got, " - {")
				chains += strings.Count(d.Got, ">/<")
			}
		}
		report := run(t, written(w, objects, got), now)
		for _, l := range report.Lists {
			for _, d := range l.Differences {
				t.Errorf("world %d: %s: %s", n, l.Text(), d.String())
			}
		}
		if t.Failed() {
			t.Log(written(w, objects, got))
		}
	}
	t.Logf("%d lines, %d conditional, %d with exceptions, %d with several usersets", lines, open, excepting, chains)
	if lines < 2000 || open < 200 || excepting < 20 || chains < 100 {
		t.Errorf("only %d lines, %d conditional, %d with exceptions, %d with several usersets", lines, open, excepting, chains)
	}
}
