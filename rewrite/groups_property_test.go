package rewrite_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// groupWorld makes the n-th world of the seed in which there are groups, and finds
// out what its subjects are in before anything else is tried, or later, or has no
// room to keep it.
// Hits and misses are added to figures.
func groupWorld(conditions bool, figures *tupleset.Stats) func(*testing.T, uint64) (*rewritetest.World, *rand.Rand, int) {
	return func(t *testing.T, n uint64) (*rewritetest.World, *rand.Rand, int) {
		t.Helper()
		rng := rand.New(rand.NewPCG(*seed, n))
		options := schematest.Options{Caveats: conditions, Expiration: conditions}
		s := schematest.Groups(rng, options)
		if n%5 == 0 {
			s = schematest.Random(rng, options)
		}
		w, err := rewritetest.New(s)
		if err != nil {
			t.Fatalf("%v\n%s", err, schema.Format(s))
		}
		objects := 2 + rng.IntN(6)
		if err := w.Fill(rng, objects, 5+rng.IntN(12*objects)); err != nil {
			t.Fatal(err)
		}
		after, limit := -1, int64(1<<20)
		switch rng.IntN(6) {
		case 0:
			after = 3
		case 1:
			limit = 2000
		}
		w.Tuples.Kept = tupleset.NewGroups(limit, after)
		w.Tuples.Kept.Announce(1)
		t.Cleanup(func() {
			st := w.Tuples.Kept.Stats()
			figures.Hits += st.Hits
			figures.Loads += st.Loads
		})
		return w, rng, objects
	}
}

// TestGroupsAgreeWithTheOracle asks worlds of groups in which what subjects are in is
// found out and kept, alone, in batches and in lists, with conditions and without.
func TestGroupsAgreeWithTheOracle(t *testing.T) {
	for _, conditions := range []bool{false, true} {
		t.Run(fmt.Sprintf("conditions=%v", conditions), func(t *testing.T) {
			least := map[string]int{"yes": 3000, "no": 3000}
			if conditions {
				least["yes"], least["conditional"], least["error"] = 1500, 150, 30
			}
			var figures tupleset.Stats
			t.Run("worlds", func(t *testing.T) { agreeUnderConditions(t, groupWorld(conditions, &figures), least) })
			t.Logf("%d loads, %d hits", figures.Loads, figures.Hits)
			if *only == 0 && !raceDetector && (figures.Loads < 1000 || figures.Hits < 10_000) {
				t.Error("too little was kept, or asked")
			}
		})
	}
}
