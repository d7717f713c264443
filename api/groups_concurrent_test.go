package api

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

const nestedTeams = `definition user {}

definition team {
	relation member: user | user:* | team#member
}

definition document {
	relation viewer: user | team#member
}
`

// teamChange draws a tuple among few teams, users and a document.
func teamChange(rng *rand.Rand) string {
	team := func() string { return fmt.Sprintf("team:t%d", rng.IntN(6)) }
	switch rng.IntN(8) {
	case 0:
		return "document:plan#viewer@" + team() + "#member"
	case 1, 2, 3:
		return team() + "#member@user:" + []string{"ann", "bob", "cy", "*"}[rng.IntN(4)]
	default:
		return team() + "#member@" + team() + "#member"
	}
}

// TestAnswersAboutGroupsAreThoseOfTheirRevisionWhileGroupsChange checks from several
// goroutines while another changes teams, all with what is kept of groups, and compares
// each answer with what the oracle says of the revision that it was given at.
func TestAnswersAboutGroupsAreThoseOfTheirRevisionWhileGroupsChange(t *testing.T) {
	const writes, readers = 300, 3
	l := newCachedLog(t, 1<<20)
	l.lead(t)
	s := newTestServer(t, l, nil)
	if err := s.writeSchemaNow(t, nestedTeams); err != nil {
		t.Fatal(err)
	}
	type answer struct{ zookie, user, verdict string }
	states := make(map[string][]tuple.Named) // by zookie
	answers := make([][]answer, readers)
	done := make(chan struct{})
	answered := make(chan struct{}) // takes the writer on
	var wg sync.WaitGroup
	for i := range readers {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(*worldSeed, uint64(i)))
			for {
				user := []string{"ann", "bob", "cy", "dee"}[rng.IntN(4)]
				r, err := s.Check(t.Context(), &tupelov1.CheckRequest{
					Object: &tupelov1.Object{Type: "document", Id: "plan"}, Relation: "viewer",
					Subject: &tupelov1.Subject{Type: "user", Id: user},
				})
				if err != nil {
					t.Error(err)
					return
				}
				answers[i] = append(answers[i], answer{r.Zookie, user, answerText(r.Result, nil)})
				select {
				case <-done:
					return
				case answered <- struct{}{}:
				}
			}
		})
	}
	gone := make(chan struct{})
	go func() {
		wg.Wait()
		close(gone)
	}()
	rng := rand.New(rand.NewPCG(*worldSeed, readers))
	live := make(map[tuple.Named]bool)
	for range writes {
		named, err := tuple.Parse(teamChange(rng))
		if err != nil {
			t.Fatal(err)
		}
		op := tupelov1.Update_OPERATION_TOUCH
		if live[named] {
			op = tupelov1.Update_OPERATION_DELETE
			delete(live, named)
		} else {
			live[named] = true
		}
		r, err := s.Write(t.Context(), updates(t, op, named.String()))
		if err != nil {
			t.Fatal(err)
		}
		states[r.Zookie] = slices.Collect(maps.Keys(live))
		for range 4 * readers {
			select {
			case <-answered:
			case <-gone:
				t.FailNow()
			}
		}
	}
	close(done)
	<-gone
	tree, err := schema.Parse("", nestedTeams)
	if err != nil {
		t.Fatal(err)
	}
	plan := oracle.Userset{Object: oracle.Object{Type: "document", ID: "plan"}, Relation: "viewer"}
	truths := make(map[string]bool)
	compared := 0
	for _, a := range slices.Concat(answers...) {
		tuples, ok := states[a.zookie]
		if !ok {
			continue // before the first write
		}
		key := a.zookie + a.user
		if _, known := truths[key]; !known {
			user := oracle.Userset{Object: oracle.Object{Type: "user", ID: a.user}}
			truths[key] = oracle.New(tree, tuples).Containing(user, plan.Object)[plan]
		}
		if compared++; (a.verdict == "yes") != truths[key] {
			t.Fatalf("at %s %s is said to be %s; the oracle says %v of %v", a.zookie, a.user, a.verdict, truths[key], tuples)
		}
	}
	st := s.store.Metrics().Groups
	t.Logf("%d answers at %d revisions; what was known of groups answered %d times, and was ended %d times",
		compared, len(truths), st.Hits, st.Endings)
	if compared < writes || st.Hits < writes || st.Endings < writes/10 {
		t.Errorf("too little was compared, or known of groups: %+v", st)
	}
}
