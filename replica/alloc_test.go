package replica

import (
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// TestAWarmCheckInProcessTakesTwoAllocations counts the answer and one other.
func TestAWarmCheckInProcessTakesTwoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("what is pooled is dropped at random under the race detector")
	}
	r := allocReplica(t)
	for subject, want := range map[string]tupelov1.Result{"ann": tupelov1.Result_RESULT_YES, "bob": tupelov1.Result_RESULT_NO} {
		about := &tupelov1.Subject{Type: "user", Id: subject}
		for _, c := range []struct {
			fresh *tupelov1.Consistency
			most  float64
		}{{nil, 2}, {fullyConsistent(), 3}} { // the answer, the snapshot, and the limit of the wait
			request := &tupelov1.CheckRequest{
				Consistency: c.fresh, Object: &tupelov1.Object{Type: "doc", Id: "d"}, Relation: "view", Subject: about,
			}
			n := testing.AllocsPerRun(200, func() {
				if answer, err := r.Check(t.Context(), request); err != nil || answer.Result != want {
					t.Fatal(answer, err)
				}
			})
			if n > c.most {
				t.Errorf("%s, %v: %.0f allocations", subject, c.fresh, n)
			}
		}
	}
}

// TestABatchAllocatesNothingForAnItem compares batches of two lengths, of items that
// differ. The longer one has helpers, which take a few.
func TestABatchAllocatesNothingForAnItem(t *testing.T) {
	if raceDetector {
		t.Skip("what is pooled is dropped at random under the race detector")
	}
	r := allocReplica(t)
	var counts []float64
	for _, length := range []int{100, 1000} {
		request := &tupelov1.BatchCheckRequest{}
		for i := range length {
			request.Items = append(request.Items, &tupelov1.BatchCheckItem{
				Object: &tupelov1.Object{Type: "doc", Id: []string{"d", "e"}[i%2]}, Relation: "view",
				Subject: &tupelov1.Subject{Type: "user", Id: []string{"ann", "bob", "joe"}[i%3]},
			})
		}
		counts = append(counts, testing.AllocsPerRun(50, func() {
			if answer, err := r.Client().BatchCheck(t.Context(), request); err != nil || len(answer.Results) != length {
				t.Fatal(answer, err)
			}
		}))
	}
	if counts[0] > 10 || counts[1] > counts[0]+20 {
		t.Errorf("%v allocations for 100 and 1,000 items", counts)
	}
}

// allocReplica returns a replica with a little to ask about.
func allocReplica(t *testing.T) *Replica {
	t.Helper()
	r, err := Open(t.Context(), Options{Memory: true, TuplesetCacheBytes: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	if _, err := r.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Client().WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: benchSchema}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"team:a#member@user:ann", "team:b#member@team:a#member", "doc:d#reader@team:b#member"} {
		if err := touch(t.Context(), r.Client(), text); err != nil {
			t.Fatal(err)
		}
	}
	return r
}
