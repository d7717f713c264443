package dataset

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// several is a number of tuples that makes more than one place of every set but
// wide, whose houses are large.
const several = 600

// each runs a test for every set. Wide is made of two houses all the same: a set of
// that size has the oracle think for minutes, so its world is made by hand.
func each(t *testing.T, test func(t *testing.T, s *Set)) {
	for _, name := range Names() {
		for _, size := range []int{1, several} {
			s, err := Open(name, size, 7)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) { test(t, s) })
		}
	}
	two := wideWorld{houses: 2, teams: 20, others: 2, seed: 7}
	t.Run("wide/two houses", func(t *testing.T) {
		test(t, &Set{Name: "wide", Seed: 7, world: &world{
			schema: wideSchema, count: 2 * (20*4 + 2), tuples: placesOf(2, two.house),
			reads:   reads{two.check, two.listObjects, two.listSubjects},
			written: written{"document", "reader", "read"},
		}})
	})
}

// judge knows what the tuples of a set say.
type judge struct {
	tuples []tuple.Named
	oracle *oracle.Oracle
	known  map[oracle.Userset]oracle.Set
	people []oracle.Userset
}

func newJudge(t *testing.T, s *Set, more ...tuple.Named) *judge {
	t.Helper()
	parsed, err := schema.Load(s.Name, s.Schema())
	if err != nil {
		t.Fatal(err)
	}
	j := &judge{tuples: append(slices.Collect(s.Tuples()), more...), known: make(map[oracle.Userset]oracle.Set)}
	j.oracle = oracle.New(parsed, j.tuples)
	seen := make(map[string]bool)
	for _, at := range j.tuples {
		if at.SubjectType == "user" && at.SubjectID != tuple.WildcardID && !seen[at.SubjectID] {
			seen[at.SubjectID] = true
			j.people = append(j.people, userset("user", at.SubjectID, ""))
		}
	}
	return j
}

func userset(typ, id, relation string) oracle.Userset {
	return oracle.Userset{Object: oracle.Object{Type: typ, ID: id}, Relation: relation}
}

func (j *judge) containing(who oracle.Userset) oracle.Set {
	set, ok := j.known[who]
	if !ok {
		set = j.oracle.Containing(who)
		j.known[who] = set
	}
	return set
}

// answer is what an operation must be answered.
func (j *judge) answer(o Operation) (want Answer) {
	check := func(q tuple.Named) bool {
		return j.containing(userset(q.SubjectType, q.SubjectID, q.SubjectRelation))[userset(q.ObjectType, q.ObjectID, q.Relation)]
	}
	switch o.Kind {
	case Check:
		want.Yes = check(o.Ask)
	case BatchCheck:
		for _, q := range o.Batch {
			want.Each = append(want.Each, check(q))
		}
	case ListObjects:
		for u := range j.containing(userset(o.Ask.SubjectType, o.Ask.SubjectID, "")) {
			if u.Type == o.Ask.ObjectType && u.Relation == o.Ask.Relation {
				want.Listed.Add(u.ID)
			}
		}
	case ListSubjects:
		for _, who := range j.people {
			if j.containing(who)[userset(o.Ask.ObjectType, o.Ask.ObjectID, o.Ask.Relation)] {
				want.Listed.Add(who.ID)
			}
		}
	}
	return want
}

func TestAnswersAreWhatTheOracleSays(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		j := newJudge(t, s)
		for kind, times := range map[Kind]int{Check: 2000, BatchCheck: 10, ListObjects: 200, ListSubjects: 200} {
			next := s.Reads(kind, 1)
			yes, no := 0, 0
			for range times {
				o := next()
				if o.Kind != kind {
					t.Fatalf("asked for %v, got %v", kind, o.Kind)
				}
				if wrong := o.Wrong(j.answer(o)); wrong != "" {
					t.Fatalf("%+v: the oracle differs: %s", o, wrong)
				}
				if o.Want.Yes {
					yes++
				} else {
					no++
				}
			}
			if kind == Check && s.Size != 1 && (yes < times/10 || no < times/10) {
				t.Errorf("%d answers are yes and %d no: a server that always says the same would do", yes, no)
			}
		}
	})
}

func TestTuplesAreAsManyAsCountedAndEachOnce(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		seen := make(map[string]bool)
		for named := range s.Tuples() {
			text := named.String()
			if parsed, err := tuple.Parse(text); err != nil || parsed != named {
				t.Fatalf("%s is not spelled as tuples are: %v", text, err)
			}
			if seen[text] {
				t.Fatalf("%s is there twice", text)
			}
			seen[text] = true
		}
		if len(seen) != s.Count() || s.Count() < s.Size {
			t.Errorf("%d tuples, counted %d, asked for %d", len(seen), s.Count(), s.Size)
		}
	})
}

func TestEverySizeIsReached(t *testing.T) {
	for _, name := range Names() {
		for _, size := range []int{1, 100, 999, 4_001, 10_000, 40_999, 41_001, 1_000_000, 100_000_000} {
			s, err := Open(name, size, 0)
			if err != nil {
				t.Fatal(err)
			}
			if s.Count() < size || s.Count() > size+size/20+wideTeams*5 {
				t.Errorf("%s of %d tuples has %d", name, size, s.Count())
			}
			n := 0
			for range s.Tuples() {
				if n++; n == 100 {
					break // it must stop when nobody wants more
				}
			}
		}
	}
}

func TestEqualSeedsAreEqualAndOthersAreNot(t *testing.T) {
	all := func(name string, seed, stream uint64) (tuples []tuple.Named, operations []Operation) {
		s, err := Open(name, several, seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []Kind{Check, BatchCheck, ListObjects, ListSubjects} {
			next := s.Reads(kind, stream)
			for range 50 {
				operations = append(operations, next())
			}
		}
		return slices.Collect(s.Tuples()), operations
	}
	for _, name := range Names() {
		tuples, operations := all(name, 1, 1)
		again, asked := all(name, 1, 1)
		if !slices.Equal(tuples, again) || !reflect.DeepEqual(operations, asked) {
			t.Errorf("%s: one seed gives two worlds", name)
		}
		if other, _ := all(name, 2, 1); slices.Equal(tuples, other) {
			t.Errorf("%s: two seeds give one world", name)
		}
		if _, other := all(name, 1, 2); reflect.DeepEqual(operations, other) {
			t.Errorf("%s: two streams give the same operations", name)
		}
	}
}

// D1 across machines and versions: the first operations of a seed, as they have
// always been.
func TestTheFirstOperationsOfASeedStayWhatTheyAre(t *testing.T) {
	for _, name := range Names() {
		s, err := Open(name, 1000, 1)
		if err != nil {
			t.Fatal(err)
		}
		o := s.Reads(Check, 1)()
		got := fmt.Sprintf("%s %v", o.Ask, o.Want.Yes)
		if firstChecks[name] != got {
			t.Errorf("%s: the first check is %q, was %q", name, got, firstChecks[name])
		}
	}
}

var firstChecks = map[string]string{
	"drive":   "file:d6-folder11-file2#view@user:u1070847 true",
	"gitclub": "run:org0-repo2-job2-run4#cancel@user:u231433 false",
	"hot":     "run:org3-repo2-job2-run4#cancel@user:u231433 false",
	"nested":  "document:c10-doc6#view@user:u5529244 true",
	"wide":    "document:wide0#read@user:u1870666 true",
}

func TestWritesShowInTheirProofsAndNowhereElse(t *testing.T) {
	each(t, func(t *testing.T, s *Set) {
		writes := s.Writes("w7")
		var stored []tuple.Named
		for range 5 {
			write, proof := writes.Next()
			if write.Kind != Write || proof.Consistency != AtLeastAsFresh {
				t.Fatalf("%+v, %+v", write, proof)
			}
			if write.Delete {
				if !slices.Contains(stored, write.Ask) {
					t.Fatalf("%s is deleted and not there", write.Ask)
				}
				stored = slices.DeleteFunc(stored, func(named tuple.Named) bool { return named == write.Ask })
			} else {
				stored = append(stored, write.Ask)
			}
			if wrong := proof.Wrong(newJudge(t, s, stored...).answer(proof)); wrong != "" {
				t.Fatalf("after %+v: %s", write, wrong)
			}
		}
		first, _ := writes.Give()
		second, _ := writes.Give()
		if first.Delete || second.Delete || first.Ask == second.Ask || slices.Contains(stored, first.Ask) {
			t.Errorf("gave %s and %s, after %v", first.Ask, second.Ask, stored)
		}
		j := newJudge(t, s, append(stored, first.Ask, second.Ask)...)
		for _, kind := range []Kind{Check, ListObjects, ListSubjects} {
			next := s.Reads(kind, 3)
			for range 50 {
				o := next()
				if wrong := o.Wrong(j.answer(o)); wrong != "" {
					t.Fatalf("a write has changed %s", wrong)
				}
			}
		}
	})
}

func TestWrongAnswersAreFound(t *testing.T) {
	s, err := Open("gitclub", 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	spoil := map[Kind]func(*Answer){
		Check:        func(a *Answer) { a.Yes = !a.Yes },
		BatchCheck:   func(a *Answer) { a.Each = slices.Clone(a.Each); a.Each[BatchSize-1] = !a.Each[BatchSize-1] },
		ListObjects:  func(a *Answer) { a.Listed.Sum++ },
		ListSubjects: func(a *Answer) { a.Listed.Count-- },
	}
	for kind, spoil := range spoil {
		o := s.Reads(kind, 0)()
		got := o.Want
		if wrong := o.Wrong(got); wrong != "" {
			t.Errorf("the right answer is called wrong: %s", wrong)
		}
		if spoil(&got); o.Wrong(got) == "" {
			t.Errorf("%v: a wrong answer passes", kind)
		}
	}
	short := s.Reads(BatchCheck, 0)()
	if short.Wrong(Answer{Each: short.Want.Each[1:]}) == "" {
		t.Error("a batch that lacks an answer passes")
	}
}

func TestWhatThereIsNotIsATypedError(t *testing.T) {
	if _, err := Open("gitlab", 1, 0); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	for _, size := range []int{0, -1, MaxTuples + 1} {
		if _, err := Open("gitclub", size, 0); !errors.Is(err, ErrSize) {
			t.Error(size, err)
		}
	}
}
