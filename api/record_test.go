package api

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newTestRecorder(n, bytes int, seed uint64) *recorder {
	return newRecorder(n, bytes, rand.New(rand.NewPCG(seed, 1)))
}

// checkNumber is a check that tells its number by its object's id.
func checkNumber(i int) *tupelov1.CheckRequest {
	return &tupelov1.CheckRequest{
		Object:   &tupelov1.Object{Type: "repository", Id: strconv.Itoa(i)},
		Relation: "push",
		Subject:  &tupelov1.Subject{Type: "user", Id: "alice"},
	}
}

// itemsOf reads what a recorder has.
func itemsOf(t testing.TB, kept keptChecks) (items []*tupelov1.BatchCheckItem) {
	t.Helper()
	for _, check := range kept.checks {
		item, err := check.read()
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, item)
	}
	return items
}

// Each tenth of what was asked must have about a tenth of the sample: neither
// the first checks nor the last ones are preferred.
func TestEachCheckIsRecordedWithTheSameProbability(t *testing.T) {
	const asked, kept, rounds = 2000, 40, 500
	var tenths [10]int
	for round := range rounds {
		r := newTestRecorder(kept, 1<<20, uint64(round))
		for i := range asked {
			r.check(checkNumber(i))
		}
		got := r.kept()
		if len(got.checks) != kept || got.seen != asked || got.leftOut != 0 {
			t.Fatalf("%d are recorded of %d, %d left out", len(got.checks), got.seen, got.leftOut)
		}
		different := make(map[string]bool)
		for _, item := range itemsOf(t, got) {
			different[item.Object.Id] = true
			i, err := strconv.Atoi(item.Object.Id)
			if err != nil {
				t.Fatal(err)
			}
			tenths[i*10/asked]++
		}
		if len(different) != kept {
			t.Fatalf("only %d of %d recorded checks differ", len(different), kept)
		}
	}
	// The standard deviation is about 42.
	for i, n := range tenths {
		if want := rounds * kept / 10; n < want-200 || n > want+200 {
			t.Errorf("the %d-th tenth has %d of %d, not about %d: %v", i, n, rounds*kept, want, tenths)
		}
	}
}

func TestWhatIsRecordedIsBoundedInBytes(t *testing.T) {
	const limit = 5000
	r := newTestRecorder(1000, limit, 1)
	for i := range 5000 {
		c := checkNumber(i)
		c.Subject.Id = strings.Repeat("x", 1+i%400)
		r.check(c)
	}
	bytes := 0
	got := r.kept()
	for _, check := range got.checks {
		bytes += len(check.message)
	}
	if bytes > limit || bytes < limit/3 {
		t.Errorf("%d bytes are recorded, %d allowed", bytes, limit)
	}
	if len(got.checks) < 5 || got.leftOut == 0 || got.seen != 5000 {
		t.Errorf("%d are recorded of %d, %d left out", len(got.checks), got.seen, got.leftOut)
	}
}

func TestACheckWithoutAnyRoomIsLeftOut(t *testing.T) {
	r := newTestRecorder(10, 8, 1)
	for i := range 3 {
		r.check(checkNumber(i))
	}
	if got := r.kept(); len(got.checks) != 0 || got.seen != 3 || got.leftOut == 0 {
		t.Errorf("%+v", got)
	}
}

func TestManyMayBeRecordedAtOnce(t *testing.T) {
	r := newTestRecorder(100, 1<<20, 1)
	var asking sync.WaitGroup
	for g := range 8 {
		asking.Go(func() {
			for i := range 2000 {
				r.check(checkNumber(g*2000 + i))
				if i%500 == 0 {
					r.kept()
				}
			}
		})
	}
	asking.Wait()
	if got := r.kept(); len(got.checks) != 100 || got.seen != 16_000 {
		t.Errorf("%d are recorded of %d", len(got.checks), got.seen)
	}
}

func TestChecksThatWereAnsweredAreRecordedWithTheirContexts(t *testing.T) {
	w, _ := newToolWorld(t)
	w.server.recorder = newTestRecorder(10, 1<<20, 1)
	asked := sawUse(t, "carol", map[string]any{"ip": "10.0.0.1"})
	if _, err := w.client.Check(w.ctx, asked); err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Check(w.ctx, checkRequest(t, nil, "tool:saw#sell@user:alice")); err == nil {
		t.Fatal("a tool can be sold")
	}
	_, err := w.client.BatchCheck(w.ctx, &tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
		checkItem(t, "tool:saw#use@user:alice"), checkItem(t, "tool:saw#sell@user:alice"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range itemsOf(t, w.server.recorder.kept()) {
		text := item.Relation + " " + item.Subject.Id
		if item.Context != nil {
			text += " " + contextText(item.Context)
		}
		got = append(got, text)
	}
	if want := `[use alice use carol {"ip":"10.0.0.1"}]`; fmt.Sprint(got) != want {
		t.Errorf("recorded: %v, want %s", got, want)
	}
	changed := w.compare(t, &tupelov1.CompareSchemaRequest{
		Text: strings.Replace(lent, "owner + borrower + viewer", "owner", 1), Recorded: true,
		Items: []*tupelov1.BatchCheckItem{checkItem(t, "tool:saw#use@user:bob")},
	})
	summary := &tupelov1.ComparisonSummary{Checks: 3, Changed: 2, Lost: 2, Recorded: 2, RecordedOf: 2}
	if !proto.Equal(changed.summary, summary) || changed.checks[1].Item.Context == nil || changed.checks[1].Times != 1 {
		t.Errorf("%v %v", changed.summary, changed.checks)
	}
	if seen := w.server.recorder.seen.Load(); seen != 2 {
		t.Errorf("the comparison records itself: %d", seen)
	}
}

func TestACheckThatWasRecordedOftenIsComparedOnce(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#reader@user:carol")
	w.server.recorder = newTestRecorder(10, 1<<20, 1)
	for range 4 {
		w.check(t, nil, "repository:club#push@user:carol")
	}
	w.check(t, nil, "repository:club#pull@user:carol")
	got := w.compare(t, &tupelov1.CompareSchemaRequest{Text: withoutTeams, Recorded: true})
	summary := &tupelov1.ComparisonSummary{Checks: 5, Changed: 4, Gained: 4, Recorded: 5, RecordedOf: 5}
	if !proto.Equal(got.summary, summary) || len(got.checks) != 1 || got.checks[0].Times != 4 {
		t.Errorf("%v %v", got.summary, got.checks)
	}
}

func TestARecordedCheckThatCannotBeReadFailsTheComparison(t *testing.T) {
	w := newWorld(t, gitclub)
	w.server.recorder = newTestRecorder(10, 1<<20, 1)
	w.check(t, nil, alicePushes)
	w.server.recorder.sample[0] = []byte{0xff}
	stream := &comparisonOf{ctx: t.Context()}
	err := w.server.CompareSchema(&tupelov1.CompareSchemaRequest{Text: gitclub, Recorded: true}, stream)
	if err == nil || stream.summary != nil {
		t.Errorf("%v, %v", err, stream.summary)
	}
}

func BenchmarkRecordingAFullSample(b *testing.B) {
	r := newTestRecorder(10_000, maxRecordedBytes, 1)
	c := checkNumber(1)
	for range 1_000_000 {
		r.check(c)
	}
	b.ReportAllocs()
	for b.Loop() {
		r.check(c)
	}
}

func BenchmarkCheckHandlerWithRecording(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := newBenchServer(b)
			s.recorder = newTestRecorder(n, maxRecordedBytes, 1)
			r := checkRequest(b, nil, benchQuestion)
			for range 2_000_000 {
				s.recorder.check(r)
			}
			b.ReportAllocs()
			for b.Loop() {
				if answer, err := s.Check(b.Context(), r); err != nil || answer.Result != tupelov1.Result_RESULT_YES {
					b.Fatal(answer, err)
				}
			}
		})
	}
}
