package tupleset

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tupelodb/tupelo/store/tuple"
)

func object(i int) tuple.Object {
	return tuple.Object{Type: 1, ID: strconv.AppendInt(nil, int64(i), 10)}
}

var users = tuple.Kind{Type: 2}

// fill loads a set of some subjects into the cache, if a load may begin.
func fill(c *Cache, o tuple.Object, newest uint64, subjects ...string) {
	e, _ := c.Begin(o, 1)
	if e == nil {
		return
	}
	var b Builder
	b.Reset(newest)
	b.Begin(users)
	for _, id := range subjects {
		b.Add([]byte(id), tuple.Traits{})
	}
	c.Fill(e, &b)
}

func cached(c *Cache, o tuple.Object) bool {
	e, _ := c.Look(o, 1, 1<<60)
	return e != nil
}

// TestCacheAgreesWithTheModel does random steps on few tuplesets beside a map of
// what each holds. The cache may forget, but it never says anything else.
func TestCacheAgreesWithTheModel(t *testing.T) {
	for _, limit := range []int64{1, 500, 4 << 10, 1 << 20} {
		t.Run(fmt.Sprintf("limit=%d", limit), func(t *testing.T) { testModel(t, limit) })
	}
}

func testModel(t *testing.T, limit int64) {
	rng := rand.New(rand.NewPCG(3, uint64(limit)))
	c := New(limit)
	newest := make(map[int]uint64) // by object, of what is in the cache
	begun := make(map[int]*Entry)
	for revision := uint64(1); revision < 30_000; revision++ {
		i := rng.IntN(100)
		o := object(i)
		switch rng.IntN(6) {
		case 0:
			c.End(o, 1, users)
			delete(newest, i)
			delete(begun, i)
		case 1, 2:
			if e, _ := c.Begin(o, 1); e != nil {
				begun[i] = e
				delete(newest, i)
			}
		case 3:
			if e := begun[i]; e != nil {
				var b Builder
				b.Reset(revision)
				c.Fill(e, &b)
				newest[i] = revision
				delete(begun, i)
			}
		default:
			at := revision - uint64(rng.IntN(100))
			e, _ := c.Look(o, 1, at)
			if e != nil && (newest[i] == 0 || e.Set().Newest() != newest[i] || newest[i] > at) {
				t.Fatalf("%d at %d: from %d, want %d", i, at, e.Set().Newest(), newest[i])
			}
			if e == nil && limit == 1<<20 && newest[i] != 0 && newest[i] <= at {
				t.Fatalf("%d at %d: forgotten with room for all", i, at)
			}
		}
		if got := c.Stats().Bytes; got > limit {
			t.Fatalf("%d bytes of %d", got, limit)
		}
	}
}

func TestASetIsFoundFromItsNewestVersionOnUntilItIsEnded(t *testing.T) {
	c := New(1 << 20)
	fill(c, object(1), 10, "alice")
	for revision, want := range map[uint64]bool{9: false, 10: true, 11: true} {
		if e, _ := c.Look(object(1), 1, revision); (e != nil) != want {
			t.Errorf("at %d: %v, want %v", revision, e != nil, want)
		}
	}
	c.End(object(1), 1, users)
	if cached(c, object(1)) {
		t.Error("it was ended")
	}
}

func TestALoadIsBegunOnceAndEndedByAChange(t *testing.T) {
	c := New(1 << 20)
	first, _ := c.Begin(object(1), 1)
	if second, _ := c.Begin(object(1), 1); first == nil || second != nil {
		t.Fatal("two loads of one tupleset")
	}
	if _, load := c.Look(object(1), 1, 1); load {
		t.Error("asked to begin a load that is under way")
	}
	c.End(object(1), 1, users)
	var b Builder
	b.Reset(1)
	c.Fill(first, &b)
	if cached(c, object(1)) {
		t.Error("a load that a change overtook can be found")
	}
}

func TestALoadThatWasPutOffEarnsMore(t *testing.T) {
	c := New(1 << 20)
	for want := range 3 {
		e, earned := c.Begin(object(1), 1)
		if e == nil || earned != want {
			t.Fatalf("earned %d, want %d", earned, want)
		}
		c.Defer(e)
	}
	c.End(object(1), 1, users)
	if _, earned := c.Begin(object(1), 1); earned != 0 {
		t.Errorf("earned %d after it was ended", earned)
	}
}

func TestAScanLeavesWhatIsUsed(t *testing.T) {
	c := New(1 << 20)
	const hot = 500
	for round := range 4 {
		for i := range hot {
			if !cached(c, object(i)) && round == 0 {
				fill(c, object(i), 1, "alice")
			}
		}
	}
	for i := range 200_000 {
		fill(c, object(1_000_000+i), 1, "alice")
		if i%50 == 0 {
			cached(c, object(i/50%hot))
		}
	}
	left := 0
	for i := range hot {
		if cached(c, object(i)) {
			left++
		}
	}
	if left < hot*9/10 {
		t.Errorf("a scan left %d of %d", left, hot)
	}
}

// TestTheLimitHoldsAgainstTheMachine compares what the cache says that it takes
// with what the heap says.
func TestTheLimitHoldsAgainstTheMachine(t *testing.T) {
	const limit = 8 << 20
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	for _, subjects := range []int{0, 1, 20, 5000} {
		before := heap()
		c := New(limit)
		var ids []string
		for i := range subjects {
			ids = append(ids, fmt.Sprintf("user-%06d", i))
		}
		for i := range 2 * limit / (100 + 15*subjects) {
			fill(c, object(i), 1, ids...)
		}
		took, st := heap()-before, c.Stats()
		if st.Bytes > limit || st.Evictions == 0 {
			t.Errorf("%d subjects: %+v", subjects, st)
		}
		if took > limit*11/10 || took < limit/2 {
			t.Errorf("%d subjects: the heap grew by %d, the limit is %d, the cache says %d", subjects, took, limit, st.Bytes)
		}
		runtime.KeepAlive(c)
	}
}

func TestAClosedCacheTakesInNothing(t *testing.T) {
	c := New(1 << 20)
	fill(c, object(1), 1, "alice")
	under, _ := c.Begin(object(2), 1)
	c.Close()
	var b Builder
	c.Fill(under, &b)
	fill(c, object(3), 1, "alice")
	if st := c.Stats(); st.Entries != 0 || st.Bytes != 0 || cached(c, object(1)) {
		t.Errorf("it holds %+v", st)
	}
}

// TestReadersAndChangesAtOnce has a writer number the states of few tuplesets,
// and readers that must never find a number below one that was ended.
func TestReadersAndChangesAtOnce(t *testing.T) {
	c := New(8 << 10)
	var announced [40]atomic.Uint64
	var published atomic.Uint64
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for published.Load() < 20_000 {
				read(t, c, &announced, published.Load())
			}
		})
	}
	for revision := uint64(1); revision <= 20_000; revision++ {
		i := int(revision * 7 % 40)
		announced[i].Store(revision)
		c.End(object(i), 1, users)
		published.Store(revision)
	}
	wg.Wait()
}

func read(t *testing.T, c *Cache, announced *[40]atomic.Uint64, revision uint64) {
	for i := range announced {
		least := announced[i].Load()
		e, load := c.Look(object(i), 1, 1<<60)
		if e != nil && revision >= least && e.Set().Newest() < least {
			t.Errorf("%d at %d: found %d, which %d ended", i, revision, e.Set().Newest(), least)
			return
		}
		if !load {
			continue
		}
		if e, _ = c.Begin(object(i), 1); e != nil {
			var b Builder
			b.Reset(announced[i].Load())
			c.Fill(e, &b)
		}
	}
}

func TestLookingAllocatesNothing(t *testing.T) {
	c := New(1 << 20)
	o := object(1)
	fill(c, o, 1, "alice")
	if n := testing.AllocsPerRun(100, func() { cached(c, o) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkLook is a hit, by how many goroutines there are for each processor.
func BenchmarkLook(b *testing.B) {
	c := New(64 << 20)
	for i := range 100_000 {
		fill(c, object(i), 1, "alice")
	}
	b.ReportAllocs()
	b.RunParallel(func(p *testing.PB) {
		o := object(7)
		for p.Next() {
			if !cached(c, o) {
				b.Error("missed")
			}
		}
	})
}

// BenchmarkLookAmongMany is a hit in a cache that is too large for the processor's.
func BenchmarkLookAmongMany(b *testing.B) {
	const entries = 1 << 18
	c := New(1 << 30)
	for i := range entries {
		e, _ := c.Begin(object(i), 1)
		c.Fill(e, &Builder{})
	}
	objects := make([]tuple.Object, entries)
	for i := range objects {
		objects[i] = object(i * 7919 % entries)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if e, _ := c.Look(objects[i%entries], 1, 1); e == nil {
			b.Fatal("it is not there")
		}
	}
}
