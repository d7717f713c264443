package store

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/store/tuple"
)

// TestReadersSeeWholeRevisionsWhileTheApplyGoesOn moves one membership round a
// ring of repositories, one write a step, beside horizons and restores. At
// every revision exactly one repository has it, and readers must see that.
func TestReadersSeeWholeRevisionsWhileTheApplyGoesOn(t *testing.T) {
	const ring, steps, readers = 5, 300, 3
	h := &history{t: t, store: openTest(t, vfs.NewMem())}
	h.must(gitclub())
	at := func(i int) tuple.Tuple {
		return h.tuple(fmt.Sprintf("repository:r%d#maintainer@user:alice", i%ring))
	}
	h.must(Write{Updates: []Update{{Touch, at(0)}}})
	tuples := make([]tuple.Tuple, ring)
	for i := range tuples {
		tuples[i] = at(i)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if n, err := countHolders(h.store, tuples); err != nil || n != 1 {
					t.Errorf("%d holders, %v; want 1", n, err)
					return
				}
			}
		})
	}
	for i := range steps {
		h.must(Write{Updates: []Update{{Delete, at(i)}, {Create, at(i + 1)}}})
		if i%40 == 20 {
			h.must(AdvanceHorizon{Revision: h.revision})
		}
		if i%100 == 50 {
			dir := fmt.Sprintf("/checkpoint-%d", i)
			if err := errors.Join(h.store.Checkpoint(t.Context(), dir, h.revision), h.store.Restore(dir)); err != nil {
				t.Fatal(err)
			}
		}
	}
	close(done)
	wg.Wait()
}

// countHolders looks through one snapshot. A snapshot that the horizon passed
// before its first read gives the typed error, which is an answer too.
func countHolders(s *Store, tuples []tuple.Tuple) (int, error) {
	snapshot, err := s.Snapshot(0)
	if err != nil {
		return 0, err
	}
	defer snapshot.Close()
	holders := 0
	for _, tp := range tuples {
		_, ok, err := snapshot.Find(tp.Object, tp.Relation, tp.Subject)
		var horizon *HorizonError
		if errors.As(err, &horizon) {
			return 1, nil
		}
		if err != nil {
			return 0, err
		}
		if ok {
			holders++
		}
	}
	return holders, nil
}
