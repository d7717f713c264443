package api

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	worldSeed = flag.Uint64("api.seed", 1, "seed of the random worlds")
	worldLong = flag.Bool("api.long", false, "ask twenty times as many questions of random worlds")
)

// past is a revision of a random world: its zookie, and what was stored at it.
type past struct {
	zookie string
	tuples []tuple.Named
}

// TestEveryRevisionAnswersAsTheOracleDoes writes and deletes tuples of random
// worlds through the handlers, and asks at the newest and at past revisions,
// while later writes go on. Log, store, snapshot and evaluator are the real ones.
func TestEveryRevisionAnswersAsTheOracleDoes(t *testing.T) {
	enough := 120_000
	if *worldLong {
		enough *= 20
	}
	asked := 0
	for n := uint64(1); asked < enough && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*worldSeed, n))
		asked += askWorld(t, rng, 1+rng.IntN(4))
		if t.Failed() {
			t.Logf("the %d-th world of -api.seed=%d", n, *worldSeed)
		}
	}
	t.Logf("%d checks", asked)
}

// askWorld runs one world and returns how many checks it asked.
func askWorld(t *testing.T, rng *rand.Rand, objects int) int {
	t.Helper()
	w, err := rewritetest.New(schematest.Random(rng, schematest.Options{NegativeRecursion: rng.IntN(2) == 0}))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fill(rng, objects, 20+rng.IntN(60*objects)); err != nil {
		t.Fatal(err)
	}
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, nil)
	if err := s.writeSchemaNow(t, schema.Format(w.Schema)); err != nil {
		t.Fatal(err)
	}
	var history []past
	live := make(map[tuple.Named]bool)
	asked := 0
	for range 5 {
		history = append(history, writeSome(t, s, rng, w.Named, live))
		asked += askAt(t, s, rng, w, objects, history[len(history)-1], false)
		asked += askAt(t, s, rng, w, objects, history[rng.IntN(len(history))], true)
		if t.Failed() {
			break
		}
	}
	return asked
}

// writeSome touches and deletes some of the world's tuples in one write.
func writeSome(t *testing.T, s *Server, rng *rand.Rand, all []tuple.Named, live map[tuple.Named]bool) past {
	t.Helper()
	request := &tupelov1.WriteRequest{}
	for _, named := range all {
		operation := tupelov1.Update_OPERATION_TOUCH
		switch rng.IntN(4) {
		case 0:
			operation = tupelov1.Update_OPERATION_DELETE
			delete(live, named)
		case 1:
			live[named] = true
		default:
			continue
		}
		request.Updates = append(request.Updates, updates(t, operation, named.String()).Updates...)
	}
	if len(request.Updates) == 0 {
		request.Updates = updates(t, tupelov1.Update_OPERATION_TOUCH, all[0].String()).Updates
		live[all[0]] = true
	}
	response, err := s.Write(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	return past{response.Zookie, slices.Collect(maps.Keys(live))}
}

// askAt asks for every userset of the world and some subjects, and compares.
func askAt(t *testing.T, s *Server, rng *rand.Rand, w *rewritetest.World, objects int, p past, exact bool) int {
	t.Helper()
	usersets, also := worldUsersets(w, objects)
	plain := oracle.New(w.Schema, p.tuples)
	var items []*tupelov1.BatchCheckItem
	var truths []bool
	for _, subject := range worldSubjects(w, rng, usersets, objects) {
		truth := plain.Containing(subject, also...)
		for _, u := range usersets {
			items = append(items, &tupelov1.BatchCheckItem{
				Object: &tupelov1.Object{Type: u.Type, Id: u.ID}, Relation: u.Relation,
				Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
			})
			truths = append(truths, truth[u])
		}
	}
	consistency := atLeast(p.zookie)
	if exact {
		consistency = exactly(p.zookie)
	}
	for from := 0; from < len(items); from += maxBatchItems {
		to := min(from+maxBatchItems, len(items))
		compareBatch(t, s, consistency, items[from:to], truths[from:to], p)
	}
	compareSingle(t, s, consistency, items, truths, rng)
	return len(items)
}

func compareBatch(t *testing.T, s *Server, c *tupelov1.Consistency, items []*tupelov1.BatchCheckItem, truths []bool, p past) {
	t.Helper()
	response, err := s.BatchCheck(t.Context(), &tupelov1.BatchCheckRequest{Consistency: c, Items: items})
	if err != nil {
		t.Fatal(err)
	}
	if response.Zookie != p.zookie {
		t.Errorf("answered at %s, asked at %s", response.Zookie, p.zookie)
	}
	for i, r := range response.Results {
		if r.Result != resultFor(truths[i]) {
			t.Fatalf("%v: %v %v, the oracle says %v; the tuples: %v", items[i], r.Result, r.Error, truths[i], p.tuples)
		}
	}
}

// compareSingle asks one of the questions alone: a batch must not differ.
func compareSingle(t *testing.T, s *Server, c *tupelov1.Consistency, items []*tupelov1.BatchCheckItem, truths []bool, rng *rand.Rand) {
	t.Helper()
	for range 20 {
		i := rng.IntN(len(items))
		response, err := s.Check(t.Context(), &tupelov1.CheckRequest{
			Consistency: c, Object: items[i].Object, Relation: items[i].Relation, Subject: items[i].Subject,
		})
		if err != nil || response.Result != resultFor(truths[i]) {
			t.Fatalf("%v: %v, %v, the oracle says %v", items[i], response, err, truths[i])
		}
	}
}

func resultFor(truth bool) tupelov1.Result {
	if truth {
		return tupelov1.Result_RESULT_YES
	}
	return tupelov1.Result_RESULT_NO
}

// worldUsersets lists every relation and permission of every object, one
// object that no tuple speaks of among them.
func worldUsersets(w *rewritetest.World, objects int) (all []oracle.Userset, also []oracle.Object) {
	for _, slot := range w.Program.Slots {
		for i := range objects + 1 {
			object := oracle.Object{Type: w.Program.Types[slot.Type].Name, ID: rewritetest.ObjectID(i)}
			all = append(all, oracle.Userset{Object: object, Relation: slot.Name})
			also = append(also, object)
		}
	}
	return all, also
}

// worldSubjects lists some objects and usersets to ask about.
func worldSubjects(w *rewritetest.World, rng *rand.Rand, usersets []oracle.Userset, objects int) []oracle.Userset {
	var all []oracle.Userset
	for _, typ := range w.Program.Types {
		for i := range objects + 1 {
			all = append(all, oracle.Userset{Object: oracle.Object{Type: typ.Name, ID: rewritetest.ObjectID(i)}})
		}
	}
	for range 4 {
		all = append(all, usersets[rng.IntN(len(usersets))])
	}
	return all
}

// TestWorldsHaveBothAnswers keeps the worlds honest: both answers occur often.
func TestWorldsHaveBothAnswers(t *testing.T) {
	rng := rand.New(rand.NewPCG(*worldSeed, 1))
	counts := make(map[bool]int)
	for range 5 {
		w, err := rewritetest.New(schematest.Random(rng, schematest.Options{}))
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 3, 120); err != nil {
			t.Fatal(err)
		}
		usersets, also := worldUsersets(w, 3)
		for _, subject := range worldSubjects(w, rng, usersets, 3) {
			truth := oracle.New(w.Schema, w.Named).Containing(subject, also...)
			for _, u := range usersets {
				counts[truth[u]]++
			}
		}
	}
	if counts[true] < 500 || counts[false] < 500 {
		t.Errorf("answers: %v", counts)
	}
}
