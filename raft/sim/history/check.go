package history

import (
	"fmt"
	"math"
	"slices"
)

// Problem is a rule that a history breaks, and where.
type Problem struct{ Rule, Text string }

// String spells it for people.
func (p Problem) String() string { return p.Rule + ": " + p.Text }

// Names of the rules; the package comment says what each is.
const (
	RuleLinearizable = "linearizable"
	RuleOrder        = "order"
	RuleZookie       = "zookie"
	RuleAnswer       = "answer"
	RuleAcknowledged = "acknowledged"
	RuleInvented     = "invented"
	RuleWatch        = "watch"
	RuleState        = "state"
	RuleFailure      = "failure"
)

// maxProblems bounds what is reported of one rule.
const maxProblems = 5

// Check returns what is wrong with a history, nothing if it keeps the rules.
func Check(events []Event) (problems []Problem) {
	log := changelogOf(events)
	for _, rule := range []struct {
		name   string
		broken func([]Event, *changelog) []string
	}{
		{RuleFailure, checkFailures},
		{RuleZookie, checkZookies},
		{RuleOrder, checkOrder},
		{RuleAcknowledged, checkAcknowledged},
		{RuleAnswer, checkAnswers},
		{RuleInvented, checkInvented},
		{RuleWatch, checkWatches},
		{RuleState, checkStates},
		{RuleLinearizable, checkLinearizable},
	} {
		texts := rule.broken(events, log)
		if more := len(texts) - maxProblems; more > 0 {
			texts = append(texts[:maxProblems], fmt.Sprintf("and %d more", more))
		}
		for _, text := range texts {
			problems = append(problems, Problem{rule.name, text})
		}
	}
	return problems
}

func checkFailures(events []Event, _ *changelog) (texts []string) {
	for _, e := range events {
		if e.Kind == KindFailure {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

func checkZookies(events []Event, _ *changelog) (texts []string) {
	for i, e := range events {
		if e.Kind != KindRead || e.Outcome != OK {
			continue
		}
		older := e.Mode == AtLeast && e.Revision < e.Asked
		other := e.Mode == Exact && e.Revision != e.Asked
		if older || other {
			texts = append(texts, fmt.Sprintf("%s: the answer is at revision %d, asked was %s %d", at(i, e), e.Revision, e.Mode, e.Asked))
		}
	}
	return texts
}

// at spells the place of a call in its history.
func at(i int, e Event) string {
	return fmt.Sprintf("line %d (client %s, %s of %s at %s)", i+1, e.Client, e.Kind, e.Register, e.Node)
}

// writes reports whether an event is a call that writes.
func (e *Event) writes() bool { return e.Kind == KindWrite || e.Kind == KindClear }

// checkOrder goes by time through the beginnings and ends of calls. A write that
// was sent several times under one key counts from its first beginning.
func checkOrder(events []Event, _ *changelog) (texts []string) {
	var begun, ended []int
	for i, e := range events {
		if e.Outcome != OK || e.Kind != KindRead && !e.writes() {
			continue
		}
		ended = append(ended, i)
		if e.Mode == Full || e.writes() {
			begun = append(begun, i)
		}
	}
	slices.SortStableFunc(begun, func(a, b int) int { return int(events[a].Call - events[b].Call) })
	slices.SortStableFunc(ended, func(a, b int) int { return int(events[a].Return - events[b].Return) })
	newest := -1 // of those that have ended
	for _, i := range begun {
		for len(ended) > 0 && events[ended[0]].Return < events[i].Call {
			if newest < 0 || events[ended[0]].Revision > events[newest].Revision {
				newest = ended[0]
			}
			ended = ended[1:]
		}
		if newest >= 0 && events[i].Revision < events[newest].Revision {
			texts = append(texts, fmt.Sprintf("%s is at revision %d, and %s had ended before it with %d",
				at(i, events[i]), events[i].Revision, at(newest, events[newest]), events[newest].Revision))
		}
	}
	return texts
}

func checkAcknowledged(events []Event, log *changelog) (texts []string) {
	for i, e := range events {
		if e.Outcome != OK || !e.writes() {
			continue
		}
		if got := log.value(e.Register, e.Revision); got != e.Value {
			texts = append(texts, fmt.Sprintf("%s: it wrote %d at revision %d, the changelog comes to %d there",
				at(i, e), e.Value, e.Revision, got))
		}
	}
	return texts
}

func checkAnswers(events []Event, log *changelog) (texts []string) {
	for i, e := range events {
		if e.Outcome != OK || e.Kind != KindRead {
			continue
		}
		if got := log.value(e.Register, e.Revision); got != e.Value {
			texts = append(texts, fmt.Sprintf("%s: it found %d at revision %d, the changelog comes to %d there",
				at(i, e), e.Value, e.Revision, got))
		}
	}
	return texts
}

// checkInvented relies on every write of a register having a value of its own.
// Zero is what clearing leaves, as often as it likes.
func checkInvented(events []Event, log *changelog) (texts []string) {
	type written struct {
		register string
		value    int
	}
	may := map[written]int{} // the events that wrote it
	for i, e := range events {
		if e.writes() && (e.Outcome == OK || e.Outcome == Unknown) {
			may[written{e.Register, e.Value}] = i + 1
		}
	}
	done := map[written]uint64{}
	for _, register := range log.registers() {
		for _, v := range log.versions[register] {
			w := written{register, v.value}
			switch first := done[w]; {
			case may[w] == 0:
				texts = append(texts, fmt.Sprintf("%s became %d at revision %d, which nobody has written", register, v.value, v.revision))
			case first != 0 && v.value != 0:
				texts = append(texts, fmt.Sprintf("%s became %d at revision %d and again at %d; line %d wrote it once",
					register, v.value, first, v.revision, may[w]))
			}
			done[w] = v.revision
		}
	}
	return texts
}

func checkStates(events []Event, _ *changelog) (texts []string) {
	var first *Event
	for i, e := range events {
		switch {
		case e.Kind != KindState:
		case first == nil:
			first = &events[i]
		case e.Sum != first.Sum || e.Revision != first.Revision:
			texts = append(texts, fmt.Sprintf("%s has %s at revision %d, %s has %s at %d",
				first.Node, first.Sum, first.Revision, e.Node, e.Sum, e.Revision))
		}
	}
	return texts
}

// forever is the end of a call whose outcome is not known: it may be done at any time.
const forever = math.MaxInt64
