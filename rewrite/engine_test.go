package rewrite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

func TestABadQuestionIsRefusedWithATypedError(t *testing.T) {
	w := parse(t, teams)
	good := ask(t, w, "team:red#member", "user:ann")
	everyone, err := w.Subject("user:*")
	if err != nil {
		t.Fatal(err)
	}
	disguised := tuple.Subject{Type: everyone.Type, ID: []byte(tuple.WildcardID)}
	for name, c := range map[string]struct {
		question rewrite.Question
		want     error
	}{
		"no such slot":         {rewrite.Question{Slot: 99, ObjectID: good.ObjectID, Subject: good.Subject}, rewrite.ErrQuestion},
		"a negative slot":      {rewrite.Question{Slot: -1, ObjectID: good.ObjectID, Subject: good.Subject}, rewrite.ErrQuestion},
		"no object":            {rewrite.Question{Slot: good.Slot, Subject: good.Subject}, rewrite.ErrQuestion},
		"no subject":           {rewrite.Question{Slot: good.Slot, ObjectID: good.ObjectID}, rewrite.ErrQuestion},
		"no subject id":        {rewrite.Question{Slot: good.Slot, ObjectID: good.ObjectID, Subject: tuple.Subject{Type: 1}}, rewrite.ErrQuestion},
		"a wildcard":           {rewrite.Question{Slot: good.Slot, ObjectID: good.ObjectID, Subject: everyone}, rewrite.ErrWildcardSubject},
		"a disguised wildcard": {rewrite.Question{Slot: good.Slot, ObjectID: good.ObjectID, Subject: disguised}, rewrite.ErrWildcardSubject},
	} {
		engine := rewrite.New(w.Program, rewrite.Limits{})
		if _, err := engine.Check(context.Background(), w.Tuples, c.question); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v; want %v", name, err, c.want)
		}
		answers := make([]rewrite.Answer, 2)
		err := engine.BatchCheck(context.Background(), w.Tuples, []rewrite.Question{c.question, good}, answers)
		if err != nil || !errors.Is(answers[0].Err, c.want) || answers[1].Err != nil {
			t.Errorf("%s in a batch: got %v, %v and %v", name, err, answers[0].Err, answers[1].Err)
		}
	}
}

func TestASubjectThatTheProgramDoesNotKnowIsInNothing(t *testing.T) {
	w := parse(t, teams, "team:red#member@user:ann")
	q := ask(t, w, "team:red#member", "user:ann")
	for _, s := range []tuple.Subject{
		{Type: 999, ID: []byte("ann")},
		{Type: q.Subject.Type, Relation: 77, ID: []byte("ann")},
	} {
		q.Subject = s
		result, err := rewrite.New(w.Program, rewrite.Limits{}).Check(context.Background(), w.Tuples, q)
		wantNo(t, result, err, 0)
		if result.Cost.Reads != 0 {
			t.Errorf("it took %d reads to know that", result.Cost.Reads)
		}
	}
}

// chain stores folders 0 to n, each the parent of the one before.
func chain(n int) []string {
	var tuples []string
	for i := range n {
		tuples = append(tuples, fmt.Sprintf("folder:f%d#parent@folder:f%d", i, i+1))
	}
	return tuples
}

func TestTheDepthLimitCountsObjectsFollowed(t *testing.T) {
	w := parse(t, teams, append(chain(60), "folder:f50#viewer@user:near", "folder:f51#viewer@user:far")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	if result, err := check(t, engine, w, w.Tuples, "folder:f0#view", "user:near"); err != nil || result.Verdict != rewrite.Yes {
		t.Errorf("50 hops: got %v, %v; want yes", result.Verdict, err)
	}
	_, err := check(t, engine, w, w.Tuples, "folder:f0#view", "user:far")
	want := rewrite.DepthError{Limit: 50, Type: "folder", ObjectID: "f51", Relation: "view"}
	var got *rewrite.DepthError
	if !errors.As(err, &got) || *got != want {
		t.Errorf("51 hops: got %v; want %v", err, &want)
	}
	if text := want.Error(); !strings.Contains(text, "folder:f51#view") || !strings.Contains(text, "50") {
		t.Errorf("the error does not say where the limit was met: %s", text)
	}
}

func TestOnlyWhatTheAnswerDependsOnCanExceedTheDepth(t *testing.T) {
	tuples := append(chain(60), "folder:f0#viewer@user:ann", "folder:f10#viewer@user:bob", "folder:f51#viewer@user:far",
		"folder:f0#viewer@user:end", "folder:f0#parent@folder:f55", "folder:f60#viewer@user:end")
	w := parse(t, teams, tuples...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for _, c := range []struct {
		userset, subject, want string
	}{
		{"folder:f0#view", "user:ann", "yes"},   // a yes elsewhere in the union wins
		{"folder:f0#view", "user:bob", "yes"},   // near enough, whatever is beyond
		{"folder:f0#strict", "user:bob", "no"},  // a no elsewhere in the intersection wins
		{"folder:f0#view", "user:end", "yes"},   // f60 is far along the chain, near by f55
		{"folder:f0#view", "user:far", "depth"}, // f51 is far on both ways
		{"folder:f0#view", "user:nobody", "depth"},
	} {
		result, err := check(t, engine, w, w.Tuples, c.userset, c.subject)
		got := result.Verdict.String()
		if errors.Is(err, rewrite.ErrDepthExceeded) {
			got = "depth"
		}
		if got != c.want {
			t.Errorf("%s@%s: got %s, %v; want %s", c.userset, c.subject, got, err, c.want)
		}
	}
}

func TestComputedUsersetsAreNoHops(t *testing.T) {
	var text strings.Builder
	text.WriteString("definition user {}\ndefinition folder {\n\trelation viewer: user\n\tpermission p000 = viewer\n")
	for i := range 300 {
		fmt.Fprintf(&text, "\tpermission p%03d = p%03d\n", i+1, i)
	}
	w := parse(t, text.String()+"}\n", "folder:f#viewer@user:ann")
	result, err := check(t, rewrite.New(w.Program, rewrite.Limits{Depth: 1}), w, w.Tuples, "folder:f#p300", "user:ann")
	if err != nil || result.Verdict != rewrite.Yes {
		t.Errorf("got %v, %v; want yes", result.Verdict, err)
	}
}

func TestATuplesetOfManyPagesIsReadToItsEnd(t *testing.T) {
	w := parse(t, teams, "team:z#member@user:ann")
	for i := range 1000 {
		if err := w.Add(tuple.Named{
			ObjectType: "team", ObjectID: "all", Relation: "member",
			SubjectType: "team", SubjectID: fmt.Sprintf("t%04d", i), SubjectRelation: "member",
		}); err != nil {
			t.Fatal(err)
		}
	}
	engine := rewrite.New(w.Program, rewrite.Limits{})
	result, err := check(t, engine, w, w.Tuples, "team:all#member", "user:ann")
	wantNo(t, result, err, 1001)
	if result.Cost.SubProblems != 1001 {
		t.Errorf("met %d sub-problems; want 1001", result.Cost.SubProblems)
	}
	if err := w.Add(tuple.Named{
		ObjectType: "team", ObjectID: "all", Relation: "member",
		SubjectType: "team", SubjectID: "z", SubjectRelation: "member",
	}); err != nil {
		t.Fatal(err)
	}
	if result, err := check(t, engine, w, w.Tuples, "team:all#member", "user:ann"); err != nil || result.Verdict != rewrite.Yes {
		t.Errorf("got %v, %v; want yes", result.Verdict, err)
	}
}

// broken fails each read from the n-th on, or breaks the contract of pages.
type broken struct {
	rewrite.Reader
	left  int
	pages bool
}

var errDisk = errors.New("disk on fire")

func (b *broken) Find(o tuple.Object, r tuple.RelationID, s tuple.Subject) (tuple.Traits, bool, error) {
	if b.left--; b.left < 0 {
		return tuple.Traits{}, false, errDisk
	}
	return b.Reader.Find(o, r, s)
}

func (b *broken) Objects(s tuple.Subject, t tuple.TypeID, r tuple.RelationID, above []byte, limit int, page *tuple.Page) error {
	if b.left--; b.left < 0 {
		return errDisk
	}
	if b.pages {
		page.Reset()
		page.More = true
		return nil
	}
	return b.Reader.Objects(s, t, r, above, limit, page)
}

func (b *broken) Subjects(o tuple.Object, r tuple.RelationID, k tuple.Kind, after []byte, limit int, page *tuple.Page) error {
	if b.left--; b.left < 0 {
		return errDisk
	}
	if b.pages {
		page.Reset()
		page.More = true
		return nil
	}
	return b.Reader.Subjects(o, r, k, after, limit, page)
}

func TestAReadersErrorEndsTheCallAndLeavesTheEngineUsable(t *testing.T) {
	w := parse(t, teams, append(chain(5), "folder:f5#viewer@user:ann")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := ask(t, w, "folder:f0#view", "user:ann")
	for reads := range 10 {
		reader := &broken{Reader: w.Tuples, left: reads}
		if _, err := engine.Check(context.Background(), reader, q); !errors.Is(err, errDisk) {
			t.Errorf("after %d reads: got %v; want %v", reads, err, errDisk)
		}
		reader.left = reads
		if err := engine.BatchCheck(context.Background(), reader, []rewrite.Question{q}, make([]rewrite.Answer, 1)); !errors.Is(err, errDisk) {
			t.Errorf("a batch, after %d reads: got %v; want %v", reads, err, errDisk)
		}
		if result, err := engine.Check(context.Background(), w.Tuples, q); err != nil || result.Verdict != rewrite.Yes {
			t.Errorf("afterwards: got %v, %v; want yes", result.Verdict, err)
		}
	}
	if _, err := engine.Expand(context.Background(), &broken{Reader: w.Tuples, left: 3}, q.Slot, q.ObjectID, rewrite.ExpandOptions{}); !errors.Is(err, errDisk) {
		t.Errorf("expand: got %v; want %v", err, errDisk)
	}
}

func TestAReaderThatPromisesMoreForEverIsFoundOut(t *testing.T) {
	w := parse(t, teams)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	q := ask(t, w, "folder:f0#view", "user:ann")
	reader := &broken{Reader: w.Tuples, left: 100, pages: true}
	if _, err := engine.Check(context.Background(), reader, q); !errors.Is(err, rewrite.ErrReader) {
		t.Errorf("got %v; want %v", err, rewrite.ErrReader)
	}
	if _, err := engine.Expand(context.Background(), reader, q.Slot, q.ObjectID, rewrite.ExpandOptions{}); !errors.Is(err, rewrite.ErrReader) {
		t.Errorf("expand: got %v; want %v", err, rewrite.ErrReader)
	}
}

func TestAnOperatorFromTheFutureIsAnErrorAndNeverAnAnswer(t *testing.T) {
	w := parse(t, teams, "folder:f0#viewer@user:ann")
	q := ask(t, w, "folder:f0#view", "user:bob")
	future := *w.Program
	future.Nodes = append([]schema.Node(nil), w.Program.Nodes...)
	future.Nodes[future.Slots[q.Slot].Root].Op = 200
	engine := rewrite.New(&future, rewrite.Limits{})
	if _, err := engine.Check(context.Background(), w.Tuples, q); !errors.Is(err, rewrite.ErrProgram) {
		t.Errorf("got %v; want %v", err, rewrite.ErrProgram)
	}
	if _, err := engine.Expand(context.Background(), w.Tuples, q.Slot, q.ObjectID, rewrite.ExpandOptions{}); !errors.Is(err, rewrite.ErrProgram) {
		t.Errorf("expand: got %v; want %v", err, rewrite.ErrProgram)
	}
}

func TestAnEngineServesManyAtOnce(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 3))
	w, err := rewritetest.New(mesh(t, rng, true))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fill(rng, 4, 40); err != nil {
		t.Fatal(err)
	}
	engine := rewrite.New(w.Program, rewrite.Limits{Depth: 1000})
	all := pose(t, w, 4, subjects(w, rng, 4))
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for _, q := range all {
				result, err := engine.Check(context.Background(), w.Tuples, q.Question)
				if err != nil || result.Verdict != verdictOf(q.truth) {
					t.Errorf("%s is %v, %v; want %v", q.text, result.Verdict, err, verdictOf(q.truth))
				}
			}
			compareBatch(t, engine, w, all)
			if _, err := listObjects(t, engine, w.Tuples, rewrite.ObjectsQuestion{Slot: all[0].Slot, Subject: all[0].Subject}); err != nil {
				t.Error(err)
			}
		})
	}
	workers.Wait()
}

func TestACheckAllocatesNothing(t *testing.T) {
	w := parse(t, teams, append(chain(4), "folder:f4#viewer@user:ann")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	for subject, want := range map[string]rewrite.Verdict{"user:ann": rewrite.Yes, "user:bob": rewrite.No} {
		q := ask(t, w, "folder:f0#view", subject)
		allocations := testing.AllocsPerRun(200, func() {
			if result, err := engine.Check(context.Background(), w.Tuples, q); err != nil || result.Verdict != want {
				t.Errorf("got %v, %v; want %v", result.Verdict, err, want)
			}
		})
		if allocations > 0 && !raceDetector {
			t.Errorf("a check of %s allocates %v times", subject, allocations)
		}
	}
}

func TestTheCostOfAnAnswerIsCounted(t *testing.T) {
	w := parse(t, teams, append(chain(2), "folder:f2#viewer@user:ann")...)
	engine := rewrite.New(w.Program, rewrite.Limits{})
	result, err := check(t, engine, w, w.Tuples, "folder:f0#view", "user:ann")
	if err != nil {
		t.Fatal(err)
	}
	// view and viewer at three folders; a look-up in each, and two parents read.
	want := rewrite.Cost{SubProblems: 6, Steps: 6, Reads: 5}
	if result.Cost != want {
		t.Errorf("got %+v; want %+v", result.Cost, want)
	}
}

func TestAMemberOfOneTeamIsFoundBeforeTheTeamsWithinTheOthersAreGoneThrough(t *testing.T) {
	w := parse(t, teams, "team:all#member@team:a#member", "team:all#member@team:b#member", "team:b#member@user:ann",
		"team:a#member@team:c#member", "team:c#member@team:d#member")
	engine := rewrite.New(w.Program, rewrite.Limits{})
	result, err := check(t, engine, w, w.Tuples, "team:all#member", "user:ann")
	if err != nil || result.Verdict != rewrite.Yes {
		t.Fatalf("got %v, %v; want yes", result.Verdict, err)
	}
	// A look-up in all, its teams, a look-up in a and in b; and no look twice.
	if result.Cost.Reads != 4 {
		t.Errorf("it took %d reads; want 4", result.Cost.Reads)
	}
	if result, err = check(t, engine, w, w.Tuples, "team:all#member", "user:bob"); err != nil || result.Cost.Reads != 2*5 {
		t.Errorf("a no took %d reads, %v; want a look-up and a tupleset for each of 5 teams", result.Cost.Reads, err)
	}
}

func TestErrorsAndVerdictsSayWhatTheyAre(t *testing.T) {
	for got, want := range map[string]string{
		rewrite.No.String():                                   "no",
		rewrite.Conditional.String():                          "conditional",
		rewrite.Yes.String():                                  "yes",
		rewrite.Verdict(9).String():                           "Verdict(9)",
		(&rewrite.WorkError{Unit: "steps", Limit: 7}).Error(): "too many sub-problems: the question takes more than 7 steps",
	} {
		if got != want {
			t.Errorf("got %q; want %q", got, want)
		}
	}
	var unanswered rewrite.Answer
	if unanswered.Verdict != rewrite.No {
		t.Errorf("an answer that nobody filled in is %v", unanswered.Verdict)
	}
}
