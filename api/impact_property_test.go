package api

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tuple"
)

// comparisonOf is a stream that keeps what it is sent.
type comparisonOf struct {
	grpc.ServerStreamingServer[tupelov1.CompareSchemaResponse]
	ctx         context.Context
	differences *tupelov1.SchemaDifferences
	checks      []*tupelov1.CheckComparison
	summary     *tupelov1.ComparisonSummary
	parts       int
}

func (c *comparisonOf) Context() context.Context { return c.ctx }

func (c *comparisonOf) Send(r *tupelov1.CompareSchemaResponse) error {
	c.parts++
	switch part := r.Part.(type) {
	case *tupelov1.CompareSchemaResponse_Differences:
		c.differences = part.Differences
	case *tupelov1.CompareSchemaResponse_Check:
		c.checks = append(c.checks, part.Check)
	case *tupelov1.CompareSchemaResponse_Summary:
		c.summary = part.Summary
	}
	return nil
}

// TestAComparisonSaysWhatCheckSaysOnceTheSchemaIsWritten compares random pairs
// of schemas over random tuples. Then it does what the comparison only supposes:
// it deletes the stranded tuples, writes the schema, and asks again.
func TestAComparisonSaysWhatCheckSaysOnceTheSchemaIsWritten(t *testing.T) {
	enough := 20_000
	if *worldLong {
		enough *= 20
	}
	seen := make(map[string]int)
	for n := uint64(1); seen["checks"] < enough && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*worldSeed, n))
		compareWorld(t, rng, seen)
		if t.Failed() {
			t.Logf("the %d-th world of -seed=%d", n, *worldSeed)
		}
	}
	for _, what := range []string{"changed", "gained", "lost", "failed", "stranded", "conditional", "error on one side"} {
		if seen[what] < enough/1000 {
			t.Errorf("%s: %d of %d", what, seen[what], seen["checks"])
		}
	}
	t.Log(seen)
}

const comparedObjects = 3

func compareWorld(t *testing.T, rng *rand.Rand, seen map[string]int) {
	t.Helper()
	w, o := comparedSchemas(t, rng)
	if err := w.Fill(rng, comparedObjects, 100+rng.IntN(200)); err != nil {
		t.Fatal(err)
	}
	l := newTestLog(t)
	l.lead(t)
	s := newTestServer(t, l, func(o *Options) { o.Now = func() time.Time { return time.Unix(0, 2) } })
	if err := s.writeSchemaNow(t, schema.Format(w.Schema)); err != nil {
		t.Fatal(err)
	}
	texts := make([]string, len(w.Named))
	for i, named := range w.Named {
		texts[i] = named.String()
	}
	if len(texts) > 0 {
		if err := s.touchNow(t, texts...); err != nil {
			t.Fatal(err)
		}
	}
	items := comparedQuestions(t, rng, w, o)
	last := l.last()
	got := &comparisonOf{ctx: t.Context()}
	if err := s.CompareSchema(&tupelov1.CompareSchemaRequest{Text: schema.Format(o.Schema), Items: items}, got); err != nil {
		t.Fatal(err)
	}
	if l.last() != last {
		t.Fatal("the comparison wrote")
	}
	before := answersNow(t, s, items)
	stranded := deleteStranded(t, s, w, o.Schema)
	if err := s.writeSchemaNow(t, schema.Format(o.Schema)); err != nil {
		t.Fatalf("after the stranded tuples are deleted: %v", err)
	}
	compareStranded(t, got.differences.Stranded, stranded)
	compareAnswers(t, got, items, before, answersNow(t, s, items), seen)
	seen["stranded"] += len(stranded)
}

// comparedSchemas returns two schemas that have little in common, or differ here
// and there.
func comparedSchemas(t *testing.T, rng *rand.Rand) (before, after *rewritetest.World) {
	t.Helper()
	options := schematest.Options{
		NegativeRecursion: rng.IntN(2) == 0, Caveats: rng.IntN(3) > 0, Expiration: rng.IntN(2) == 0,
		ArrowFunctions: rng.IntN(2) == 0, Self: rng.IntN(2) == 0,
	}
	first, err := rewritetest.New(schematest.Random(rng, options))
	if err != nil {
		t.Fatal(err)
	}
	other := schematest.Random(rng, options)
	if rng.IntN(5) > 0 {
		other = altered(rng, first.Schema)
	}
	second, err := rewritetest.New(other)
	if err != nil { // the alteration makes no sense
		return comparedSchemas(t, rng)
	}
	if rng.IntN(2) == 0 {
		return second, first
	}
	return first, second
}

// altered returns a schema that differs here and there.
func altered(rng *rand.Rand, s *schema.Schema) *schema.Schema {
	other, err := schema.Parse("", schema.Format(s))
	if err != nil {
		panic(err)
	}
	for _, d := range other.Definitions {
		for _, m := range d.Members {
			switch m := m.(type) {
			case *schema.Relation:
				if at := rng.IntN(len(m.Types)); rng.IntN(3) == 0 && len(m.Types) > 1 {
					m.Types = slices.Delete(m.Types, at, at+1)
				}
			case *schema.Permission:
				if rng.IntN(3) == 0 {
					with := d.Members[rng.IntN(len(d.Members))].MemberName()
					op := []schema.Op{schema.Union, schema.Intersection, schema.Exclusion}[rng.IntN(3)]
					m.Expr = &schema.Binary{Op: op, Left: m.Expr, Right: &schema.Ref{Name: with}}
				}
			}
		}
	}
	return other
}

// comparedQuestions asks for usersets and subjects that one schema has or both.
func comparedQuestions(t *testing.T, rng *rand.Rand, worlds ...*rewritetest.World) []*tupelov1.BatchCheckItem {
	t.Helper()
	var usersets, subjects []oracle.Userset
	for _, w := range worlds {
		all, _ := worldUsersets(w, comparedObjects)
		usersets = append(usersets, all...)
		subjects = append(subjects, worldSubjects(w, rng, all, comparedObjects)...)
	}
	items := make([]*tupelov1.BatchCheckItem, 300)
	for i := range items {
		u, subject := usersets[rng.IntN(len(usersets))], subjects[rng.IntN(len(subjects))]
		items[i] = &tupelov1.BatchCheckItem{
			Object: &tupelov1.Object{Type: u.Type, Id: u.ID}, Relation: u.Relation,
			Subject: &tupelov1.Subject{Type: subject.Type, Id: subject.ID, Relation: subject.Relation},
		}
		if caveats := worlds[0].Schema.Caveats; len(caveats) > 0 && rng.IntN(4) == 0 {
			if text := rewritetest.Context(rng, caveats[rng.IntN(len(caveats))].Params); text != "" {
				items[i].Context = &structpb.Struct{}
				if err := protojson.Unmarshal([]byte(text), items[i].Context); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	return items
}

func answersNow(t *testing.T, s *Server, items []*tupelov1.BatchCheckItem) []*tupelov1.BatchCheckResult {
	t.Helper()
	response, err := s.BatchCheck(t.Context(), &tupelov1.BatchCheckRequest{Items: items})
	if err != nil {
		t.Fatal(err)
	}
	return response.Results
}

// deleteStranded deletes the tuples that a schema does not allow, and counts them by kind.
func deleteStranded(t *testing.T, s *Server, w *rewritetest.World, other *schema.Schema) map[string]uint64 {
	t.Helper()
	counts := make(map[string]uint64)
	request := &tupelov1.WriteRequest{}
	for _, named := range w.Named {
		if kind, allowed := kindIn(other, named); !allowed {
			counts[kind]++
			request.Updates = append(request.Updates, updates(t, tupelov1.Update_OPERATION_DELETE, named.String()).Updates...)
		}
	}
	if len(request.Updates) > 0 {
		if _, err := s.Write(t.Context(), request); err != nil {
			t.Fatal(err)
		}
	}
	return counts
}

// kindIn spells the kind of a tuple, and reports whether a schema allows it.
func kindIn(s *schema.Schema, n tuple.Named) (kind string, allowed bool) {
	ref := &schema.TypeRef{
		Type: n.SubjectType, Relation: n.SubjectRelation, Wildcard: n.SubjectID == tuple.WildcardID,
		Caveat: n.Caveat, Expiration: n.ExpiresNanos != 0,
	}
	if d, ok := s.Definition(n.ObjectType); ok {
		for _, m := range d.Members {
			r, isRelation := m.(*schema.Relation)
			allowed = allowed || isRelation && r.Name == n.Relation &&
				slices.ContainsFunc(r.Types, func(t *schema.TypeRef) bool { return t.String() == ref.String() })
		}
	}
	return n.ObjectType + "#" + n.Relation + "@" + ref.String(), allowed
}

func compareStranded(t *testing.T, got []*tupelov1.StrandedTuples, want map[string]uint64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("stranded: %v, want %v", got, want)
	}
	for _, kind := range got {
		if want[kind.Kind] != kind.Count {
			t.Errorf("stranded: %d of %s, want %d", kind.Count, kind.Kind, want[kind.Kind])
		}
	}
}

// answerOf spells what an answer says.
func answerOf(r *tupelov1.BatchCheckResult) string {
	return strings.Join(append([]string{r.Result.String(), errorReason(r)}, r.MissingContext...), " ")
}

// compareAnswers holds a comparison to the answers of before and after the write.
func compareAnswers(t *testing.T, got *comparisonOf, items []*tupelov1.BatchCheckItem, before, after []*tupelov1.BatchCheckResult, seen map[string]int) {
	t.Helper()
	sent := got.checks
	for i, item := range items {
		changed := answerOf(before[i]) != answerOf(after[i])
		if !changed && before[i].Error == nil {
			continue
		}
		if len(sent) == 0 {
			t.Fatalf("%v goes from %s to %s, and nobody says so", item, answerOf(before[i]), answerOf(after[i]))
		}
		c := sent[0]
		sent = sent[1:]
		if answerOf(c.Before) != answerOf(before[i]) || answerOf(c.After) != answerOf(after[i]) || c.Changed != changed {
			t.Fatalf("%v goes from %s to %s, not %v", item, answerOf(before[i]), answerOf(after[i]), c)
		}
		if changed && (before[i].Error == nil) != (after[i].Error == nil) {
			seen["error on one side"]++
		}
		if c.Before.Result == tupelov1.Result_RESULT_CONDITIONAL || c.After.Result == tupelov1.Result_RESULT_CONDITIONAL {
			seen["conditional"]++
		}
	}
	if len(sent) > 0 {
		t.Fatalf("sent without need: %v", sent)
	}
	if got.summary.Checks != int64(len(items)) {
		t.Errorf("%d checks are counted of %d", got.summary.Checks, len(items))
	}
	seen["checks"] += len(items)
	seen["changed"] += int(got.summary.Changed)
	seen["gained"] += int(got.summary.Gained)
	seen["lost"] += int(got.summary.Lost)
	seen["failed"] += int(got.summary.Failed)
}
