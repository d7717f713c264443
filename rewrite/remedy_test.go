package rewrite_test

import (
	"context"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
)

const clubs = `
definition user {}
definition club {
	relation admin: user
}
definition project {
	relation club: club
	relation maintainer: user | club#admin
	relation suspended: user | club#admin
	permission push = maintainer - (suspended + club->admin)
}
`

// remediesOf spells the remedies of a no.
func remediesOf(t *testing.T, question, subject string, tuples ...string) (all []string) {
	t.Helper()
	w := parse(t, clubs, tuples...)
	e, err := rewrite.New(w.Program, rewrite.Limits{}).Explain(context.Background(), w.Tuples, ask(t, w, question, subject), rewrite.ExplainOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range e.Remedies {
		text := ""
		for _, added := range m.Add {
			text += "+" + w.Names.Named(added).String() + " "
		}
		for _, removed := range m.Remove {
			text += "-" + w.Names.Named(removed).String() + " "
		}
		all = append(all, text)
	}
	return all
}

func TestARemedyAddsWhatIsMissingAndRemovesWhatExcludes(t *testing.T) {
	got := remediesOf(t, "project:p#push", "user:olivia", "project:p#club@club:c", "club:c#admin@user:olivia")
	if want := []string{"+project:p#maintainer@user:olivia -club:c#admin@user:olivia "}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}

func TestARemedyRemovesEachOfSeveralExclusions(t *testing.T) {
	got := remediesOf(t, "project:p#push", "user:olivia", "project:p#club@club:c", "club:c#admin@user:olivia",
		"project:p#suspended@user:olivia", "project:p#maintainer@user:olivia")
	if len(got) != 1 || len(got[0]) != len("-project:p#suspended@user:olivia -club:c#admin@user:olivia ") {
		t.Errorf("got %q; want both to be removed", got)
	}
}

func TestAnExclusionWithTooManyReasonsHasNoRemedy(t *testing.T) {
	tuples := []string{"project:p#maintainer@user:olivia", "project:p#suspended@user:olivia"}
	for _, club := range []string{"a", "b", "c"} {
		tuples = append(tuples, "project:p#club@club:"+club, "club:"+club+"#admin@user:olivia")
	}
	if got := remediesOf(t, "project:p#push", "user:olivia", tuples...); len(got) > 0 {
		t.Errorf("got %q; four changes are more than a remedy may have", got)
	}
}

func TestAUsersetThatIsExcludedItselfIsRemoved(t *testing.T) {
	got := remediesOf(t, "project:p#push", "club:c#admin", "project:p#maintainer@club:c#admin", "project:p#suspended@club:c#admin")
	if want := []string{"-project:p#suspended@club:c#admin "}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
	got = remediesOf(t, "project:p#push", "club:c#admin", "project:p#maintainer@club:c#admin", "project:p#club@club:c")
	if want := []string{"-project:p#club@club:c "}; !slices.Equal(got, want) {
		t.Errorf("got %q; want %q", got, want)
	}
}
