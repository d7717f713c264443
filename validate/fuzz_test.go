package validate

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
)

// FuzzRun runs whatever can be read: what comes of it is a report or a list of
// problems with their places.
func FuzzRun(f *testing.F) {
	f.Add(documents + "assertions: {assertTrue: ['document:plan#view@user:ann with {\"day\": 1}']}\nvalidation: {'document:open#view': []}")
	f.Add("schema: |-\n  use self\n  definition user {\n    relation friend: user | user#all\n    permission all = friend.all(all) - friend->all + self\n  }\nrelationships: |-\n  user:a#friend@user:a#all\nvalidation: {'user:a#all': ['[user:a] is <user:a#all>']}")
	f.Add("schemaFile: a.zed\nrelationships: 'a:b#c@d:e[f:{\"g\": [1]}]'")
	for _, name := range []string{"../schema/fixture/testdata/full.yaml", "../examples/gitclub/fixture.yaml"} {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		read, err := fixture.Read("fuzz.yaml", text)
		if err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		report, err := Run(ctx, read, func(string) (string, error) { return "definition user {}", nil }, Options{Now: noon, Coverage: true})
		var problems *schema.Errors
		switch {
		case errors.As(err, &problems):
			if len(problems.Problems) == 0 || problems.Error() == "" {
				t.Fatalf("no problem is told: %v", err)
			}
		case err != nil:
			t.Fatal(err)
		default:
			for _, a := range report.Assertions {
				if a.Disagreement != "" {
					t.Errorf("%s: %s", a.Text, a.Disagreement)
				}
			}
		}
	})
}
