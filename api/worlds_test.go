package api

import (
	"flag"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	worldSeed = flag.Uint64("seed", 1, "seed of the random worlds")
	worldLong = flag.Bool("long", false, "ask twenty times as many questions of random worlds")
)

// past is a revision of a random world: its zookie, and what was stored at it.
type past struct {
	zookie string
	tuples []tuple.Named
}

// storedWorld is a random world that a server has, with all of its past.
type storedWorld struct {
	*rewritetest.World
	rng      *rand.Rand
	server   *Server
	nowNanos int64 // the server's clock
	objects  int
	usersets []oracle.Userset
	also     []oracle.Object
	live     map[tuple.Named]bool
	history  []past
	asked    map[oracleQuestion]map[oracle.Userset]oracle.Answer
}

// oracleQuestion is what an answer of the oracle follows from.
type oracleQuestion struct {
	zookie, context string
	nowNanos        int64
	subject         oracle.Userset
}

// TestEveryRevisionAnswersAsTheOracleDoes writes and deletes tuples of random
// worlds through the handlers, and asks and lists at the newest and at past
// revisions, while later writes go on. Log, store, snapshot and evaluator are the
// real ones. Half of the worlds have caveats and expirations, and are asked with
// partial contexts at instants around those at which tuples expire.
func TestEveryRevisionAnswersAsTheOracleDoes(t *testing.T) {
	enough := 110_000
	if *worldLong {
		enough *= 20
	}
	checks, lists := 0, 0
	var groupHits, groupEndings int64
	answers := make(map[oracle.Truth]int)
	for n := uint64(1); checks < enough && !t.Failed(); n++ {
		w := newStoredWorld(t, rand.New(rand.NewPCG(*worldSeed, n)), n%2 == 0)
		for range 5 {
			w.write(t)
			checks += w.ask(t, w.history[len(w.history)-1], false, answers)
			checks += w.ask(t, w.history[w.rng.IntN(len(w.history))], true, answers)
			lists += w.list(t)
			if t.Failed() {
				break
			}
		}
		st := w.server.store.Metrics().Groups
		groupHits, groupEndings = groupHits+st.Hits, groupEndings+st.Endings
		if t.Failed() {
			t.Logf("the %d-th world of -seed=%d, at the instant %d:\n%s", n, *worldSeed, w.nowNanos, schema.Format(w.Schema))
		}
	}
	t.Logf("%d checks, %d lists; of the checks %v are no, perhaps and yes", checks, lists, answers)
	t.Logf("what was known of groups answered %d times, and was ended %d times", groupHits, groupEndings)
	if min(groupHits, 60*groupEndings) < int64(enough/40) { // they are learnt beside the questions
		t.Errorf("too little was known of groups")
	}
	if lists < enough/24 || min(answers[oracle.No], answers[oracle.Yes], 20*answers[oracle.Perhaps]) < enough/50 {
		t.Errorf("the worlds are dull, or the lists few")
	}
}

// newStoredWorld makes a world and gives its schema to a new server.
func newStoredWorld(t *testing.T, rng *rand.Rand, conditions bool) *storedWorld {
	t.Helper()
	options := schematest.Options{NegativeRecursion: rng.IntN(2) == 0}
	if conditions {
		options.Caveats, options.Expiration, options.ArrowFunctions, options.Self = true, true, true, true
	}
	bytes := int64(8 << 10)
	random := schematest.Random
	if rng.IntN(2) == 0 {
		random, bytes = schematest.Groups, 1<<20
	}
	made, err := rewritetest.New(random(rng, options))
	if err != nil {
		t.Fatal(err)
	}
	w := &storedWorld{World: made, rng: rng, nowNanos: 1, objects: 1 + rng.IntN(4), live: make(map[tuple.Named]bool)}
	w.asked = make(map[oracleQuestion]map[oracle.Userset]oracle.Answer)
	if err := w.Fill(rng, w.objects, 20+rng.IntN(60*w.objects)); err != nil {
		t.Fatal(err)
	}
	w.usersets, w.also = worldUsersets(made, w.objects)
	l := newCachedLog(t, bytes)
	l.lead(t)
	w.server = newTestServer(t, l, func(o *Options) { o.Now = func() time.Time { return time.Unix(0, w.nowNanos) } })
	if err := w.server.writeSchemaNow(t, schema.Format(w.Schema)); err != nil {
		t.Fatal(err)
	}
	return w
}

// write touches and deletes some of the world's tuples in one write.
func (w *storedWorld) write(t *testing.T) {
	t.Helper()
	request := &tupelov1.WriteRequest{}
	among := 6
	if len(w.history) > 0 && w.rng.IntN(2) == 0 {
		among = 60 // little is changed, so that much of what was known still holds
	}
	for _, named := range w.Named {
		switch w.rng.IntN(among) {
		case 0:
			delete(w.live, named)
			named.Caveat, named.Context, named.ExpiresNanos = "", "", 0
			request.Updates = append(request.Updates, updates(t, tupelov1.Update_OPERATION_DELETE, named.String()).Updates...)
		case 1, 2, 3:
			w.live[named] = true
			request.Updates = append(request.Updates, updates(t, tupelov1.Update_OPERATION_TOUCH, named.String()).Updates...)
		}
	}
	if len(request.Updates) == 0 {
		request.Updates = updates(t, tupelov1.Update_OPERATION_TOUCH, w.Named[0].String()).Updates
		w.live[w.Named[0]] = true
	}
	response, err := w.server.Write(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	w.history = append(w.history, past{response.Zookie, slices.Collect(maps.Keys(w.live))})
}

// request turns the clock, and makes a context that may leave conditions open.
func (w *storedWorld) request(t *testing.T) (text string, message *structpb.Struct) {
	t.Helper()
	clear(w.asked)
	w.nowNanos = int64(1 + w.rng.IntN(rewritetest.LastInstant+1))
	var params []*schema.Param
	for i := range schematest.CaveatParams {
		params = append(params, &schematest.CaveatParams[i])
	}
	if text = rewritetest.Context(w.rng, params); text == "" || w.rng.IntN(3) == 0 {
		return "", nil
	}
	message = &structpb.Struct{}
	if err := message.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return text, message
}

// truth is what the oracle says of every userset at a revision, in a context at
// the present instant.
func (w *storedWorld) truth(p past, context string, subject oracle.Userset) map[oracle.Userset]oracle.Answer {
	q := oracleQuestion{p.zookie, context, w.nowNanos, subject}
	if w.asked[q] == nil {
		plain := oracle.Under(w.Schema, p.tuples, rewritetest.Conditions(context, w.nowNanos))
		w.asked[q] = plain.Answers(subject, w.also...)
	}
	return w.asked[q]
}

// ask asks for every userset of the world and some subjects, and compares.
func (w *storedWorld) ask(t *testing.T, p past, exact bool, tally map[oracle.Truth]int) int {
	t.Helper()
	text, message := w.request(t)
	var items []*tupelov1.BatchCheckItem
	var want []string
	for _, subject := range worldSubjects(w.World, w.rng, w.usersets, w.objects) {
		truth := w.truth(p, text, subject)
		for _, u := range w.usersets {
			items = append(items, &tupelov1.BatchCheckItem{
				Object: &tupelov1.Object{Type: u.Type, Id: u.ID}, Relation: u.Relation,
				Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
				Context: message,
			})
			want = append(want, truthText(truth[u]))
			tally[truth[u].Truth]++
		}
	}
	consistency := atLeast(p.zookie)
	if exact {
		consistency = exactly(p.zookie)
	}
	for from := 0; from < len(items); from += maxBatchItems {
		to := min(from+maxBatchItems, len(items))
		compareBatch(t, w.server, consistency, items[from:to], want[from:to], p)
	}
	w.compareSingle(t, consistency, items, want)
	return len(items)
}

func compareBatch(t *testing.T, s *Server, c *tupelov1.Consistency, items []*tupelov1.BatchCheckItem, want []string, p past) {
	t.Helper()
	response, err := s.BatchCheck(t.Context(), &tupelov1.BatchCheckRequest{Consistency: c, Items: items})
	if err != nil {
		t.Fatal(err)
	}
	if response.Zookie != p.zookie {
		t.Errorf("answered at %s, asked at %s", response.Zookie, p.zookie)
	}
	for i, r := range response.Results {
		if got := answerText(r.Result, r.MissingContext); got != want[i] || r.Error != nil {
			t.Fatalf("%v: %v %v, the oracle says %v; the tuples: %v", items[i], got, r.Error, want[i], p.tuples)
		}
	}
}

// compareSingle asks some of the questions alone: a batch must not differ.
func (w *storedWorld) compareSingle(t *testing.T, c *tupelov1.Consistency, items []*tupelov1.BatchCheckItem, want []string) {
	t.Helper()
	for range 20 {
		i := w.rng.IntN(len(items))
		r, err := w.server.Check(t.Context(), &tupelov1.CheckRequest{
			Consistency: c, Object: items[i].Object, Relation: items[i].Relation, Subject: items[i].Subject, Context: items[i].Context,
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := answerText(r.Result, r.MissingContext); got != want[i] {
			t.Fatalf("%v: %v, the oracle says %v", items[i], got, want[i])
		}
	}
}

// truthText spells what the oracle says as answerText does an answer.
func truthText(a oracle.Answer) string {
	switch a.Truth {
	case oracle.Yes:
		return "yes"
	case oracle.Perhaps:
		return strings.Join(append([]string{"conditional on"}, a.Missing...), " ")
	default:
		return "no"
	}
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
