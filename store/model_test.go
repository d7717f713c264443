package store

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	seedFlag = flag.Uint64("store.seed", 0, "seed of the random histories; 0 runs the fixed ones")
	longFlag = flag.Bool("store.long", false, "run many more random histories")
)

// model is the naive store: every revision's tuples, kept whole.
type model struct {
	names     *tuple.Names
	schema    WriteSchema
	allowed   map[string]bool           // shape texts
	revisions []map[string]string       // identity to the text with traits
	counters  []map[string]tuple.Filter // those registered, by revision
	horizon   int
	format    uint64
	keys      []modelKey // in the order of remembering
}

func newModel() *model {
	return &model{names: &tuple.Names{}, revisions: []map[string]string{{}}, counters: []map[string]tuple.Filter{{}}, format: 1}
}

func (m *model) live() map[string]string { return m.revisions[len(m.revisions)-1] }

func shapeText(n tuple.Named) string {
	text := n.ObjectType + "#" + n.Relation + "@" + n.SubjectType
	switch {
	case n.SubjectID == "*":
		text += ":*"
	case n.SubjectRelation != "":
		text += "#" + n.SubjectRelation
	}
	return withTraits(text, n.Caveat, n.ExpiresNanos != 0)
}

func withTraits(shape, caveat string, expires bool) string {
	return fmt.Sprintf("%s caveat=%s expires=%v", shape, caveat, expires)
}

// identity is a tuple's text without its traits.
func identity(n tuple.Named) string {
	n.Caveat, n.Context, n.ExpiresNanos = "", "", 0
	return n.String()
}

// matches is the filter's meaning, spelled out on the text's parts.
func matches(f tuple.Filter, text string) bool {
	n, err := tuple.Parse(text)
	if err != nil {
		panic(err)
	}
	part := func(want, got string) bool { return want == "" || want == got }
	return part(f.ObjectType, n.ObjectType) && part(f.ObjectID, n.ObjectID) && part(f.Relation, n.Relation) &&
		strings.HasPrefix(n.ObjectID, f.ObjectIDPrefix) &&
		part(f.SubjectType, n.SubjectType) && part(f.SubjectID, n.SubjectID) &&
		(!f.MatchSubjectRelation || f.SubjectRelation == n.SubjectRelation)
}

func (m *model) selected(revision int, f tuple.Filter) []string {
	var texts []string
	for _, text := range m.revisions[revision] {
		if matches(f, text) {
			texts = append(texts, text)
		}
	}
	slices.Sort(texts)
	return texts
}

// apply does what the command's documentation says and reports the kind of error.
func (m *model) apply(c Command) (failed string, want Result) {
	if m.format < neededFormat(c) {
		return m.refuse("format")
	}
	if key := keyOf(c); len(key) > 0 {
		return m.once(string(key), c)
	}
	failed, deleted := m.do(c)
	return failed, m.result(deleted)
}

// neededFormat is what the documentation says of a command and formats.
func neededFormat(c Command) uint64 {
	var filters []tuple.Filter
	switch c := c.(type) {
	case Upgrade:
		return 1
	case RegisterCounter, UnregisterCounter:
		return 3
	case Write:
		for _, p := range c.Preconditions {
			filters = append(filters, p.Filter)
		}
	case DeleteByFilter:
		filters = append(filters, c.Filter)
		for _, p := range c.Preconditions {
			filters = append(filters, p.Filter)
		}
	}
	for _, f := range filters {
		if f.ObjectIDPrefix != "" {
			return 3
		}
	}
	if len(keyOf(c)) > 0 {
		return 2
	}
	return 1
}

// result is that of the command at the newest revision.
func (m *model) result(deleted int) Result {
	return Result{Revision: uint64(len(m.revisions) - 1), Deleted: deleted}
}

func (m *model) do(c Command) (failed string, deleted int) {
	next := maps.Clone(m.live())
	counters := maps.Clone(m.counters[len(m.counters)-1])
	switch c := c.(type) {
	case RegisterCounter:
		if _, taken := counters[c.Name]; taken {
			failed = "counter exists"
		} else {
			counters[c.Name] = c.Filter
		}
	case UnregisterCounter:
		if _, taken := counters[c.Name]; !taken {
			failed = "counter unknown"
		}
		delete(counters, c.Name)
	case Write:
		failed = m.write(next, c)
	case DeleteByFilter:
		failed, deleted = m.deleteByFilter(next, c)
	case WriteSchema:
		failed = m.writeSchema(c)
	case DeleteExpired:
		for _, t := range c.Tuples {
			text := identity(m.names.Named(t))
			if named, _ := tuple.Parse(next[text]); named.ExpiresNanos != 0 && named.ExpiresNanos <= c.UnixMillis*1e6 {
				delete(next, text)
			}
		}
	case AdvanceHorizon:
		m.horizon = max(m.horizon, min(int(c.Revision), len(m.revisions)))
		m.forget(c.UnixMillis, forgottenByHorizon)
	case Upgrade:
		m.format = max(m.format, c.Format)
	}
	if failed != "" {
		next = m.live()
	}
	m.keep(next, counters)
	return failed, deleted
}

// keep adds a revision.
func (m *model) keep(tuples map[string]string, counters map[string]tuple.Filter) {
	m.revisions, m.counters = append(m.revisions, tuples), append(m.counters, counters)
}

func (m *model) preconditions(list []Precondition) bool {
	for _, p := range list {
		if (len(m.selected(len(m.revisions)-1, p.Filter)) > 0) != p.MustMatch {
			return false
		}
	}
	return true
}

func (m *model) write(next map[string]string, c Write) string {
	if !m.preconditions(c.Preconditions) {
		return "precondition"
	}
	seen := make(map[string]bool)
	for _, u := range c.Updates {
		named := m.names.Named(u.Tuple)
		text := identity(named)
		switch {
		case u.Op != Delete && !m.allowed[shapeText(named)]:
			return "not allowed"
		case seen[text]:
			return "duplicate"
		case u.Op == Create && next[text] != "":
			return "exists"
		case u.Op == Delete:
			delete(next, text)
		default:
			next[text] = named.String()
		}
		seen[text] = true
	}
	return ""
}

func (m *model) deleteByFilter(next map[string]string, c DeleteByFilter) (failed string, deleted int) {
	if int(c.ReadAt) < m.horizon {
		return "horizon", 0
	}
	if !m.preconditions(c.Preconditions) {
		return "precondition", 0
	}
	all := m.selected(len(m.revisions)-1, c.Filter)
	if len(all) > c.Limit {
		return "too many", 0
	}
	for _, text := range all {
		named, _ := tuple.Parse(text)
		delete(next, identity(named))
	}
	return "", len(all)
}

func (m *model) writeSchema(c WriteSchema) string {
	allowed := make(map[string]bool)
	for _, d := range c.Definitions {
		for _, a := range d.Allowed {
			text := d.Type + "#" + a.Relation + "@" + a.SubjectType
			if a.Wildcard {
				text += ":*"
			} else if a.SubjectRelation != "" {
				text += "#" + a.SubjectRelation
			}
			allowed[withTraits(text, a.Caveat, a.Expires)] = true
		}
	}
	for _, text := range m.live() {
		if named, _ := tuple.Parse(text); !allowed[shapeText(named)] {
			return "stranded"
		}
	}
	m.allowed, m.schema = allowed, c
	return ""
}

func errorKind(err error) string {
	switch err {
	case ErrCounterExists:
		return "counter exists"
	case ErrCounterUnknown:
		return "counter unknown"
	}
	switch err.(type) {
	case nil:
		return ""
	case *PreconditionError:
		return "precondition"
	case *NotAllowedError:
		return "not allowed"
	case *DuplicateUpdateError:
		return "duplicate"
	case *TupleExistsError:
		return "exists"
	case *HorizonError:
		return "horizon"
	case *TooManyError:
		return "too many"
	case *StrandedError:
		return "stranded"
	case *FormatError:
		return "format"
	case *KeyReusedError:
		return "key reused"
	}
	return err.Error()
}

// TestStoreAgreesWithTheModel runs random histories through a store that is
// reopened, restored and collected now and then, and through a second one that
// applies the same log in batches of other sizes. Every revision that is kept
// reads as in the model, and both databases are equal to the byte.
func TestStoreAgreesWithTheModel(t *testing.T) {
	seeds := []uint64{1, 2, 3, 4, 5, 6}
	if *longFlag {
		for i := range uint64(200) {
			seeds = append(seeds, 100+i)
		}
	}
	if *seedFlag != 0 {
		seeds = []uint64{*seedFlag}
	}
	for _, seed := range seeds {
		// Without a cache of tuplesets, with one that has room for a few of them,
		// and one that has for all.
		cache := []int64{0, 1 << 10, 8 << 20}[seed%3]
		t.Run(fmt.Sprintf("seed=%d/cache=%d", seed, cache), func(t *testing.T) { testHistory(t, seed, 250, cache) })
	}
}

// startRandom begins a random history of a new store with the whole schema.
func startRandom(t *testing.T, seed uint64, tuplesets int64) (*history, *randomHistory) {
	h := newCached(t, tuplesets)
	r := &randomHistory{rng: rand.New(rand.NewPCG(seed, seed)), model: newModel(), full: gitclub()}
	r.start(h)
	return h, r
}

func (r *randomHistory) start(h *history) {
	h.must(r.full)
	r.model.names = h.store.current.Load().names
	r.model.apply(r.full)
}

func testHistory(t *testing.T, seed uint64, commands int, tuplesets int64) {
	h, r := startRandom(t, seed, tuplesets)
	rng := r.rng
	for range commands {
		c := r.command()
		result := h.apply(c)
		failed, want := r.model.apply(c)
		want.Err, want.Complete = result.Err, result.Complete
		if got := errorKind(result.Err); got != failed || result != want {
			t.Fatalf("revision %d, %+v: got %q and %+v, want %q and %+v", h.revision, c, got, result, failed, want)
		}
		h.disturb(rng)
		if rng.IntN(5) == 0 {
			h.compare(r)
		}
	}
	h.compare(r)
	h.compareKeys(r.model)
	h.compareCounters(r.model)
	h.compareBatches(rng)
}

// disturb reopens the store, or restores it from a checkpoint of itself, or
// flushes it.
func (h *history) disturb(rng *rand.Rand) {
	h.t.Helper()
	fs := h.store.options.FS
	switch rng.IntN(60) {
	case 0:
		dir := fmt.Sprintf("/checkpoint-%d", h.revision)
		if err := h.store.Checkpoint(context.Background(), dir, h.revision); err != nil {
			h.t.Fatal(err)
		}
		if err := h.store.Restore(dir); err != nil {
			h.t.Fatal(err)
		}
	case 1:
		if err := h.store.current.Load().db.Flush(); err != nil {
			h.t.Fatal(err)
		}
	case 2:
		if err := h.store.current.Load().db.Flush(); err != nil {
			h.t.Fatal(err)
		}
		if err := h.store.Close(); err != nil {
			h.t.Fatal(err)
		}
		h.store = openCached(h.t, fs, h.tuplesets)
	}
	if got := h.store.Applied(); got != h.revision {
		h.t.Fatalf("applied %d, want %d", got, h.revision)
	}
}

// compare reads with random filters at random revisions that are kept.
func (h *history) compare(r *randomHistory) {
	h.t.Helper()
	for range 8 {
		revision := r.model.horizon + r.rng.IntN(len(r.model.revisions)-r.model.horizon)
		if revision == 0 {
			continue
		}
		f := r.filter()
		got := h.read(uint64(revision), f, 1+r.rng.IntN(6))
		slices.Sort(got)
		if diff := cmp.Diff(r.model.selected(revision, f), got); diff != "" {
			h.t.Fatalf("revision %d at %d, filter %+v (-want +got):\n%s", h.revision, revision, f, diff)
		}
		h.compareTuplesets(r.model, revision)
		h.compareRegistered(r.model, revision, f)
	}
}

// compareTuplesets asks what the evaluator asks, through one snapshot, so that
// its iterator's standing position is used.
func (h *history) compareTuplesets(m *model, revision int) {
	h.t.Helper()
	n, err := h.store.Snapshot(uint64(revision))
	if err != nil {
		h.t.Fatal(err)
	}
	defer n.Close()
	var page tuple.Page
	for _, object := range []string{"repository:x#reader", "repository:xy#maintainer", "team:t#member"} {
		for _, subject := range []string{"user:a", "user:ab", "user:b", "user:*", "team:t#member", "team:u#member"} {
			text := object + "@" + subject
			named, _ := tuple.Parse(text)
			tp, _ := n.Names().Tuple(named)
			_, got, err := n.Find(tp.Object, tp.Relation, tp.Subject)
			if err != nil || got != (m.revisions[revision][text] != "") {
				h.t.Fatalf("at %d, %s: %v, %v", revision, text, got, err)
			}
			if err := n.Subjects(tp.Object, tp.Relation, tp.Subject.Kind(), nil, 100, &page); err != nil {
				h.t.Fatal(err)
			}
			f := tuple.Filter{ObjectType: named.ObjectType, ObjectID: named.ObjectID, Relation: named.Relation,
				SubjectType: named.SubjectType, SubjectRelation: named.SubjectRelation, MatchSubjectRelation: true}
			want := slices.DeleteFunc(m.selected(revision, f), func(text string) bool {
				n, _ := tuple.Parse(text)
				return (n.SubjectID == "*") != (named.SubjectID == "*")
			})
			h.comparePage(n, &page, want, text, func(named tuple.Named) string { return named.SubjectID })
			if err := n.Objects(tp.Subject, tp.Object.Type, tp.Relation, nil, 100, &page); err != nil {
				h.t.Fatal(err)
			}
			f = tuple.Filter{ObjectType: named.ObjectType, Relation: named.Relation, SubjectType: named.SubjectType,
				SubjectID: named.SubjectID, SubjectRelation: named.SubjectRelation, MatchSubjectRelation: true}
			h.comparePage(n, &page, m.selected(revision, f), text, func(named tuple.Named) string { return named.ObjectID })
		}
	}
}

// comparePage compares ids and traits with the wanted tuples, which are in no order.
func (h *history) comparePage(n *Snapshot, page *tuple.Page, want []string, asked string, id func(tuple.Named) string) {
	h.t.Helper()
	wanted := make(map[string]tuple.Traits)
	for _, text := range want {
		named, _ := tuple.Parse(text)
		tp, _ := n.Names().Tuple(named)
		wanted[id(named)] = tp.Traits
	}
	if page.Len() != len(wanted) || page.More {
		h.t.Fatalf("at %d, beside %s: %d, want %v", n.Revision(), asked, page.Len(), want)
	}
	for i := range page.Len() {
		if traits, ok := wanted[string(page.ID(i))]; !ok || !traits.Equal(page.Traits(i)) {
			h.t.Fatalf("at %d, beside %s: %s %+v, want %v", n.Revision(), asked, page.ID(i), page.Traits(i), want)
		}
	}
}

func (h *history) compareCounters(m *model) {
	h.t.Helper()
	want := make(map[string]uint64)
	for _, text := range m.live() {
		named, _ := tuple.Parse(text)
		want[shapeText(named)]++
	}
	got := make(map[string]uint64)
	counters, names := h.store.Counters()
	for shape, n := range counters {
		if n > 0 {
			bare := names.ShapeText(shape.Bare())
			got[withTraits(bare, names.CaveatName(shape.Caveat), shape.Expires)] = n
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("counters (-want +got):\n%s", diff)
	}
}

// compareBatches applies the log again, in batches of random sizes (S2).
func (h *history) compareBatches(rng *rand.Rand) {
	h.t.Helper()
	other := openTest(h.t, vfs.NewMem())
	for from := 0; from < len(h.log); {
		to := min(from+1+rng.IntN(20), len(h.log))
		if _, err := other.Apply(h.indexes[from:to], h.log[from:to]); err != nil {
			h.t.Fatal(err)
		}
		from = to
	}
	r1, sum1, err1 := h.store.Checksum()
	r2, sum2, err2 := other.Checksum()
	if err := errors.Join(err1, err2); err != nil || r1 != r2 {
		h.t.Fatal(err, r1, r2)
	}
	if !bytes.Equal(sum1[:], sum2[:]) {
		h.t.Error("the same log in other batches gives another state")
	}
}
