package history

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// good is a history that keeps every rule. Times are spelled so that calls
// follow one another, but for the one whose outcome is unknown.
func good() []Event {
	bit := func(register string, n uint, set bool) Change { return Change{Register: register, Bit: Bit{n, set}} }
	return []Event{
		{Kind: KindWrite, Client: "a", Node: "n1", Call: 10, Return: 11, Register: Schema, Value: 1, Outcome: OK, Revision: 2},
		{Kind: KindWatch, Client: "w", Node: "n1", Call: 12, Return: 12, Checkpoint: true, Revision: 2},
		{Kind: KindWrite, Client: "a", Node: "n1", Call: 20, Return: 21, Register: "x", Value: 3, Outcome: OK, Revision: 3},
		{Kind: KindWatch, Client: "w", Node: "n1", Call: 22, Return: 22, Revision: 3, Changes: []Change{bit("x", 0, true), bit("x", 1, true)}},
		{Kind: KindRead, Client: "b", Node: "n2", Call: 30, Return: 31, Register: "x", Value: 3, Mode: Full, Outcome: OK, Revision: 3},
		{Kind: KindWrite, Client: "c", Node: "n3", Call: 32, Return: 60, Register: "x", Value: 4, Outcome: Unknown},
		{Kind: KindWrite, Client: "a", Node: "n1", Call: 40, Return: 41, Register: "x", Value: 5, If: &Bit{1, true}, Outcome: OK, Revision: 4},
		{Kind: KindWrite, Client: "a", Node: "n1", Call: 42, Return: 43, Register: "x", Value: 6, If: &Bit{1, true}, Outcome: Unmet},
		{Kind: KindWatch, Client: "w", Node: "n2", Call: 44, Return: 44, Revision: 4, Changes: []Change{bit("x", 2, true), bit("x", 1, false)}},
		{Kind: KindRead, Client: "b", Node: "n2", Call: 50, Return: 51, Register: "x", Value: 3, Mode: AtLeast, Asked: 3, Outcome: OK, Revision: 3},
		{Kind: KindRead, Client: "b", Node: "n2", Call: 52, Return: 53, Register: "x", Value: 3, Mode: Exact, Asked: 3, Outcome: OK, Revision: 3},
		{Kind: KindRead, Client: "b", Node: "n3", Call: 54, Return: 55, Register: "x", Mode: Latency, Outcome: OK, Revision: 1},
		{Kind: KindRead, Client: "b", Node: "n3", Call: 56, Return: 57, Register: "x", Value: 4, Mode: Full, Outcome: OK, Revision: 5},
		{Kind: KindWatch, Client: "w", Node: "n2", Call: 58, Return: 58, Revision: 5, Changes: []Change{bit("x", 0, false)}},
		{Kind: KindWrite, Client: "a", Node: "n1", Call: 70, Return: 71, Register: "x", Value: 7, Outcome: NotDone},
		{Kind: KindClear, Client: "a", Node: "n1", Call: 72, Return: 73, Register: "x", Outcome: OK, Revision: 6},
		{Kind: KindWatch, Client: "w", Node: "n2", Call: 74, Return: 74, Revision: 6, Changes: []Change{bit("x", 2, false)}},
		{Kind: KindWatch, Client: "w", Node: "n2", Call: 75, Return: 75, Checkpoint: true, Revision: 7},
		{Kind: KindChange, Revision: 2, Changes: []Change{{Register: Schema, Value: 1}}},
		{Kind: KindChange, Revision: 3, Changes: []Change{bit("x", 0, true), bit("x", 1, true)}},
		{Kind: KindChange, Revision: 4, Changes: []Change{bit("x", 1, false), bit("x", 2, true)}},
		{Kind: KindChange, Revision: 5, Changes: []Change{bit("x", 0, false)}},
		{Kind: KindChange, Revision: 6, Changes: []Change{bit("x", 2, false)}},
		{Kind: KindState, Node: "n1", Revision: 7, Sum: "aa"},
		{Kind: KindState, Node: "n2", Revision: 7, Sum: "aa"},
	}
}

func TestAHistoryWithoutFaultHasNoProblem(t *testing.T) {
	if problems := Check(good()); len(problems) > 0 {
		t.Errorf("%v", problems)
	}
}

func TestEachRuleObjectsToWhatBreaksIt(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(events []Event) []Event
		rules []string
	}{
		{"a failure", func(e []Event) []Event { return append(e, Event{Kind: KindFailure, Text: "n1 has stopped"}) }, []string{RuleFailure}},
		{"an answer older than the zookie", func(e []Event) []Event { e[9].Asked = 4; return e }, []string{RuleZookie}},
		{"an answer at another snapshot", func(e []Event) []Event { e[10].Asked = 4; return e }, []string{RuleZookie}},
		{"a stale full read", func(e []Event) []Event { e[12].Value, e[12].Revision = 3, 3; return e }, []string{RuleOrder, RuleLinearizable}},
		{"a write in the past", func(e []Event) []Event {
			e[15].Call, e[15].Return, e[10].Call, e[10].Return = 76, 77, 72, 73
			e[10].Revision, e[10].Asked, e[10].Value = 7, 7, 0
			return e
		}, []string{RuleOrder}},
		{"a value of another revision", func(e []Event) []Event { e[9].Value = 5; return e }, []string{RuleAnswer}},
		{"a lost write", func(e []Event) []Event { return slices.Delete(e, 20, 21) }, []string{RuleAcknowledged, RuleInvented, RuleWatch}},
		{"a write that was not done after all", func(e []Event) []Event { e[5].Outcome = NotDone; return e }, []string{RuleInvented, RuleLinearizable}},
		{"a write that nobody made", func(e []Event) []Event { e[18].Changes[0].Value = 2; return e }, []string{RuleAcknowledged, RuleInvented}},
		{"a write done twice", func(e []Event) []Event {
			return append(e, Event{Kind: KindChange, Revision: 8, Changes: e[19].Changes})
		}, []string{RuleInvented}},
		{"a watch with a hole", func(e []Event) []Event { return slices.Delete(e, 13, 14) }, []string{RuleWatch}},
		{"a watch that repeats", func(e []Event) []Event { return slices.Insert(e, 9, e[8]) }, []string{RuleWatch}},
		{"a watch with half a revision", func(e []Event) []Event { e[3].Changes = e[3].Changes[:1]; return e }, []string{RuleWatch}},
		{"a checkpoint beyond a change", func(e []Event) []Event { e[8].Checkpoint = true; return e }, []string{RuleWatch}},
		{"a watch without a beginning", func(e []Event) []Event { return slices.Delete(e, 1, 2) }, []string{RuleWatch}},
		{"states that differ", func(e []Event) []Event { e[24].Sum = "ab"; return e }, []string{RuleState}},
		{"a state that is behind", func(e []Event) []Event { e[24].Revision = 6; return e }, []string{RuleState}},
		{"a precondition that held", func(e []Event) []Event { e[7].If = &Bit{1, false}; return e }, []string{RuleLinearizable}},
		{"a precondition that did not hold", func(e []Event) []Event { e[6].If = &Bit{2, true}; return e }, []string{RuleLinearizable}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var rules []string
			problems := Check(test.spoil(good()))
			for _, p := range problems {
				if !slices.Contains(rules, p.Rule) {
					rules = append(rules, p.Rule)
				}
			}
			for _, want := range test.rules {
				if !slices.Contains(rules, want) {
					t.Errorf("no objection by %q in %v", want, problems)
				}
			}
		})
	}
}

func TestAHistoryIsReadAsItWasWritten(t *testing.T) {
	var file bytes.Buffer
	if err := Write(&file, good()); err != nil {
		t.Fatal(err)
	}
	lines := strings.Count(file.String(), "\n")
	events, err := Read(&file)
	if err != nil || !reflect.DeepEqual(events, good()) || lines != len(events) {
		t.Errorf("%v\n%v", err, events)
	}
	for _, damaged := range []string{"{", "[]", `{"kind":"read","colour":"red"}`, `{"kind":"read"`, "nonsense"} {
		if events, err := Read(strings.NewReader(damaged)); err == nil {
			t.Errorf("%q is read as %v", damaged, events)
		}
	}
}

func TestOnlyZookiesHaveARevision(t *testing.T) {
	if _, err := Revision("Aa"); !errors.Is(err, ErrZookie) {
		t.Error(err)
	}
	if _, err := Revision("not base64!"); !errors.Is(err, ErrZookie) {
		t.Error(err)
	}
}

// A register that is read and written by several clients at once keeps the
// rules; one answer changed in it does not, unless it is of a call that others
// overlap.
func TestRandomHistoriesOfARegisterAreJudgedRight(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		events := randomHistory(random, 60)
		if problems := Check(events); len(problems) > 0 {
			t.Fatalf("seed %d: %v", seed, problems)
		}
		var reads []int
		for i, e := range events {
			if e.Kind == KindRead && e.Outcome == OK {
				reads = append(reads, i)
			}
		}
		if len(reads) == 0 {
			t.Fatalf("seed %d: nothing was read", seed)
		}
		i := reads[random.IntN(len(reads))]
		events[i].Value ^= 1 << random.IntN(8)
		if problems := Check(events); len(problems) == 0 {
			t.Errorf("seed %d: line %d is wrong, and nothing objects", seed, i+1)
		}
	}
}

// randomHistory has calls take effect one after the other, each somewhere
// between its beginning and its end.
func randomHistory(random *rand.Rand, calls int) (events []Event) {
	value, revision := 0, uint64(1)
	for i := range calls {
		effect := int64(i+1) * 100
		e := Event{
			Client: fmt.Sprint(i % 5), Register: "x", Outcome: OK,
			Call: effect - random.Int64N(250), Return: effect + random.Int64N(250),
		}
		if random.IntN(2) == 0 {
			e.Kind, e.Mode, e.Value, e.Revision = KindRead, Full, value, revision
			events = append(events, e)
			continue
		}
		revision++
		e.Kind, e.Value, e.Revision = KindWrite, i+1, revision
		change := Event{Kind: KindChange, Revision: revision}
		for bit := range uint(8) {
			if (value^e.Value)&(1<<bit) != 0 {
				change.Changes = append(change.Changes, Change{Register: "x", Bit: Bit{bit, e.Value&(1<<bit) != 0}})
			}
		}
		value = e.Value
		if random.IntN(10) == 0 {
			e.Outcome, e.Revision = Unknown, 0
		}
		events = append(events, change, e)
	}
	return events
}

func FuzzAnyHistoryIsJudged(f *testing.F) {
	var file bytes.Buffer
	_ = Write(&file, good())
	f.Add(file.String())
	f.Add(`{"kind":"write","register":"schema","outcome":"ok","if":{"bit":-1}}`)
	f.Fuzz(func(t *testing.T, text string) {
		events, err := Read(strings.NewReader(text))
		if err == nil && len(events) < 30 {
			Check(events)
		}
	})
}
