package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// again has helpers read what the batch's own goroutine does.
func again(reader rewrite.Reader) func() (rewrite.Reader, func()) {
	return func() (rewrite.Reader, func()) { return reader, func() {} }
}

// onProcessors has a test run as if there were so many.
func onProcessors(t *testing.T, n int) {
	before := runtime.GOMAXPROCS(n)
	t.Cleanup(func() { runtime.GOMAXPROCS(before) })
}

// TestAWideBatchIsAnsweredAsByOneGoroutine compares answers, errors and costs, with
// limits that are often too small.
func TestAWideBatchIsAnsweredAsByOneGoroutine(t *testing.T) {
	onProcessors(t, 4)
	wide, limited := 0, 0
	randomWorlds(t, 60_000, func(t *testing.T, w *rewritetest.World, rng *rand.Rand, objects int) int {
		all := pose(t, w, objects, subjects(w, rng, objects))
		rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		questions := make([]rewrite.Question, len(all))
		for i := range all {
			questions[i] = all[i].Question
		}
		engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1 + rng.IntN(4), SubProblems: 1 + rng.IntN(200)})
		want, got := make([]rewrite.Answer, len(all)), make([]rewrite.Answer, len(all))
		if err := engine.BatchCheck(t.Context(), w.Tuples, questions, want); err != nil {
			t.Fatal(err)
		}
		if err := engine.BatchCheckWide(t.Context(), w.Tuples, again(w.Tuples), questions, got); err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if !reflect.DeepEqual(got[i].Result, want[i].Result) || fmt.Sprint(got[i].Err) != fmt.Sprint(want[i].Err) {
				t.Fatalf("%s: %+v, and by one goroutine %+v", all[i].text, got[i], want[i])
			}
			if want[i].Err != nil {
				limited++
			}
		}
		if len(all) >= 256 {
			wide++
		}
		return 2 * len(all)
	})
	if *only == 0 && !raceDetector && (wide < 50 || limited < 500) {
		t.Errorf("%d batches were wide, and %d questions beyond limits", wide, limited)
	}
}

// byManyUsers is a world with a question by each of n users.
func byManyUsers(t testing.TB, n int) (*rewritetest.World, []rewrite.Question) {
	t.Helper()
	w := parse(t, teams, append(chain(5), "folder:f5#viewer@user:ann")...)
	questions := make([]rewrite.Question, n)
	for i := range questions {
		questions[i] = ask(t, w, "folder:f0#view", fmt.Sprintf("user:u%04d", i))
	}
	return w, questions
}

// spoilt fails once a user is asked about, as a disk with a bad block would, and is
// the slower the earlier the user stands, so that others come to theirs before.
type spoilt struct {
	rewrite.Reader
	users []string
}

func (s *spoilt) Find(o tuple.Object, r tuple.RelationID, subject tuple.Subject) (tuple.Traits, bool, error) {
	for i, user := range s.users {
		if string(subject.ID) == user {
			time.Sleep(time.Duration(len(s.users)-i) * 2 * time.Millisecond)
			return tuple.Traits{}, false, fmt.Errorf("%w at %s", errDisk, user)
		}
	}
	return s.Reader.Find(o, r, subject)
}

func TestAWideBatchFailsAsByOneGoroutine(t *testing.T) {
	onProcessors(t, 4)
	w, questions := byManyUsers(t, 1000)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	reader := &spoilt{w.Tuples, []string{"u0170", "u0171", "u0500", "u0930"}}
	answers := make([]rewrite.Answer, len(questions))
	want := engine.BatchCheck(t.Context(), reader, questions, answers)
	for range 10 {
		err := engine.BatchCheckWide(t.Context(), reader, again(reader), questions, answers)
		if !errors.Is(err, errDisk) || err.Error() != want.Error() {
			t.Fatalf("%v, and by one goroutine %v", err, want)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := engine.BatchCheckWide(ended, w.Tuples, again(w.Tuples), questions, answers); !errors.Is(err, context.Canceled) {
		t.Errorf("after its end: %v", err)
	}
}

func TestAWideBatchNeedsNoHelp(t *testing.T) {
	onProcessors(t, 4)
	w, questions := byManyUsers(t, 500)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	answers := make([]rewrite.Answer, len(questions))
	none := func() (rewrite.Reader, func()) { return nil, nil }
	if err := engine.BatchCheckWide(t.Context(), w.Tuples, none, questions, answers); err != nil {
		t.Fatal(err)
	}
}

// panicking is a bug in a reader.
type panicking struct{ rewrite.Reader }

func (panicking) Find(tuple.Object, tuple.RelationID, tuple.Subject) (tuple.Traits, bool, error) {
	panic("a bug")
}

func TestAPanicOfAHelperIsThatOfTheCall(t *testing.T) {
	onProcessors(t, 4)
	w, questions := byManyUsers(t, 1000)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	defer func() {
		if fault := recover(); fault == nil || !strings.Contains(fmt.Sprint(fault), "a bug") {
			t.Errorf("it ended with %v", fault)
		}
		answers := make([]rewrite.Answer, len(questions))
		if err := engine.BatchCheckWide(t.Context(), w.Tuples, again(w.Tuples), questions, answers); err != nil {
			t.Error("afterwards: ", err)
		}
	}()
	for range 100 { // until a helper is quick enough to have a piece
		_ = engine.BatchCheckWide(t.Context(), slow{w.Tuples}, again(panicking{w.Tuples}), questions, make([]rewrite.Answer, len(questions)))
	}
}

// slow lets others go first.
type slow struct{ rewrite.Reader }

func (s slow) Find(o tuple.Object, r tuple.RelationID, subject tuple.Subject) (tuple.Traits, bool, error) {
	runtime.Gosched()
	return s.Reader.Find(o, r, subject)
}

// BenchmarkBatchCheckByMany asks for 1,000 users at once, by one goroutine and wide.
func BenchmarkBatchCheckByMany(b *testing.B) {
	w, questions := byManyUsers(b, 1000)
	engine, answers := rewrite.New(w.Program, rewrite.Limits{}), make([]rewrite.Answer, len(questions))
	for name, do := range map[string]func() error{
		"one":  func() error { return engine.BatchCheck(b.Context(), w.Tuples, questions, answers) },
		"wide": func() error { return engine.BatchCheckWide(b.Context(), w.Tuples, again(w.Tuples), questions, answers) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
