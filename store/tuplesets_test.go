package store

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/store/tuple"
)

// actor is a goroutine that goes from one step to the next when it is told to.
type actor struct {
	resume, arrived chan struct{}
	done            bool
}

func newActor(act func()) *actor {
	a := &actor{resume: make(chan struct{}), arrived: make(chan struct{})}
	go func() {
		<-a.resume
		act()
		close(a.arrived)
	}()
	return a
}

// advance lets the actor go on to its next step, if it has not ended.
func (a *actor) advance() {
	if a.done {
		return
	}
	a.resume <- struct{}{}
	_, more := <-a.arrived
	a.done = !more
}

func (a *actor) hold() {
	a.arrived <- struct{}{}
	<-a.resume
}

// meeting has a load and an apply meet on one tupleset in one order of their
// steps. A bystander reads after some step; it finds what the two have left.
type meeting struct {
	h        *history
	object   string
	reverse  bool   // reads begin with what subjects are in
	changed  uint64 // the revision that takes alice out and bob in
	wrong    []string
	watching bool // the bystander is at work: nobody holds it
	load     *actor
	apply    *actor
}

const (
	loadParts  = 4 // the steps of the first load, and the rest
	applyParts = 5
)

// meet runs one order: bit i says whether the i-th part is the load's.
func (m *meeting) meet(order uint, bystanderAfter int, primed bool) {
	h := m.h
	alice, bob, red := m.tuples()
	h.must(h.write(Touch, alice, red))
	m.changed = h.revision + 1
	old, err := h.store.Snapshot(0)
	if err != nil {
		h.t.Fatal(err)
	}
	defer old.Close()
	if primed {
		m.read("the first", nil)
	}
	m.load = newActor(func() { m.read("the load", nil) })
	m.apply = newActor(func() {
		h.must(Write{Updates: []Update{
			{Delete, h.tuple(alice)}, {Create, h.tuple(bob)}, {Delete, h.tuple(red)},
		}})
	})
	h.store.at = func(s step) {
		switch {
		case m.watching:
		case s >= loadBegun:
			m.load.hold()
		default:
			m.apply.hold()
		}
	}
	for i := range loadParts + applyParts {
		if order&(1<<i) != 0 {
			m.load.advance()
		} else {
			m.apply.advance()
		}
		if i == bystanderAfter {
			m.watching = true
			m.read("a bystander", nil)
			m.watching = false
		}
	}
	// A load that was ended is begun again by the reader's next question.
	for !m.apply.done || !m.load.done {
		m.apply.advance()
		m.load.advance()
	}
	h.store.at = nil
	m.read("who comes after", nil)
	m.read("who came before", old)
}

// tuples are those of the meeting: nobody else in it has been in another.
func (m *meeting) tuples() (alice, bob, red string) {
	_, name, _ := strings.Cut(m.object, ":")
	return m.object + "#reader@user:alice-" + name, m.object + "#reader@user:bob-" + name, m.object + "#reader@team:red-" + name + "#member"
}

// read reads the tupleset, and what those are in who were in it, at the newest revision, or through a snapshot, and
// notes what is not so.
func (m *meeting) read(who string, n *Snapshot) {
	if n == nil {
		var err error
		if n, err = m.h.store.Snapshot(0); err != nil {
			m.h.t.Error(err)
			return
		}
		defer n.Close()
	}
	before := n.Revision() < m.changed
	alice, bob, red := m.tuples()
	for text, want := range map[string]bool{alice: before, bob: !before, red: before} {
		named, _ := tuple.Parse(text)
		tp, _ := n.Names().Tuple(named)
		var within tuple.Page
		var err error
		if m.reverse {
			err = n.Objects(tp.Subject, tp.Object.Type, tp.Relation, nil, 10, &within)
		}
		_, found, err2 := n.Find(tp.Object, tp.Relation, tp.Subject)
		var page tuple.Page
		err3 := n.Subjects(tp.Object, tp.Relation, tp.Subject.Kind(), nil, 10, &page)
		if !m.reverse {
			err = n.Objects(tp.Subject, tp.Object.Type, tp.Relation, nil, 10, &within)
		}
		if err := errors.Join(err, err2, err3); err != nil {
			m.h.t.Error(err)
		}
		listed := page.Len() == 1 && string(page.ID(0)) == named.SubjectID
		has := within.Len() == 1 && string(within.ID(0)) == named.ObjectID
		if found != want || listed != want || has != want {
			m.wrong = append(m.wrong, fmt.Sprintf("%s, at %d of %d: %s is %v, %v and %v, want %v",
				who, n.Revision(), m.changed, text, found, listed, has, want))
		}
	}
}

// meetings runs all orders of the steps, with a bystander after each of them and
// without, and returns what was wrong.
func meetings(t *testing.T, promises ...broken.Promise) (wrong []string) {
	h := newCached(t, 8<<20)
	h.store.Break(promises...)
	h.must(gitclub())
	parts := loadParts + applyParts
	for order := range uint(1 << parts) {
		if bits.OnesCount(order) != loadParts {
			continue
		}
		for after := -1; after < parts; after++ {
			for i := range 4 {
				primed, reverse := i%2 == 1, i > 1
				m := &meeting{h: h, reverse: reverse, object: fmt.Sprintf("repository:%09b-%d-%d", order, after, i)}
				m.meet(order, after, primed)
				for _, w := range m.wrong {
					wrong = append(wrong, fmt.Sprintf("order %09b, bystander after %d, primed %v, reverse %v: %s", order, after, primed, reverse, w))
				}
			}
		}
	}
	return wrong
}

func TestALoadThatMeetsAnApplyLeavesNoWrongEntryInAnyOrder(t *testing.T) {
	for i, w := range meetings(t) {
		if i < 10 {
			t.Error(w)
		}
	}
}

func TestBrokenOrdersOfTheApplyAreNoticed(t *testing.T) {
	for _, p := range []broken.Promise{broken.EndedFirst, broken.LoadsEnded} {
		wrong := meetings(t, p)
		if len(wrong) == 0 {
			t.Errorf("%v: broken, and nobody noticed", p)
			continue
		}
		t.Logf("%v: %d wrong answers, such as %s", p, len(wrong), wrong[0])
	}
}

// TestEntriesDoNotSpeakOfRevisionsBelowTheHorizon has the horizon take away the
// tombstone that would say how new the tupleset is.
func TestEntriesDoNotSpeakOfRevisionsBelowTheHorizon(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	alice := h.tuple("repository:a#reader@user:alice")
	h.must(Write{Updates: []Update{{Touch, alice}}})
	old, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	h.must(Write{Updates: []Update{{Delete, alice}}})
	h.must(AdvanceHorizon{Revision: h.revision})
	if h.contains(0, "repository:a#reader@user:alice") {
		t.Error("the newest revision has what was deleted")
	}
	_, found, err := old.Find(alice.Object, alice.Relation, alice.Subject)
	var horizon *HorizonError
	if !found && !errors.As(err, &horizon) {
		t.Errorf("at %d, below the horizon: %v, %v; want it found, or the horizon's error", old.Revision(), found, err)
	}
}

func TestARestoreLeavesNothingOfTheCache(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	const text = "repository:a#reader@user:alice"
	h.must(h.write(Touch, text))
	dir := "/checkpoint"
	if err := h.store.Checkpoint(t.Context(), dir, h.revision); err != nil {
		t.Fatal(err)
	}
	h.must(h.write(Delete, text))
	if h.contains(0, text) {
		t.Fatal("it was deleted")
	}
	old, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := h.store.Restore(dir); err != nil {
		t.Fatal(err)
	}
	h.revision = h.store.Applied()
	if !h.contains(0, text) {
		t.Error("the restored state has it")
	}
	tp := h.tuple(text)
	if _, found, err := old.Find(tp.Object, tp.Relation, tp.Subject); found || err != nil {
		t.Errorf("a snapshot of the state before: %v, %v; want it deleted", found, err)
	}
	if got := old.view.db.tuplesets.Stats(); got.Entries != 0 || got.Bytes != 0 {
		t.Errorf("the cache of the state before holds %+v", got)
	}
}

// TestLargeTuplesetsAreHeldButForTheirPlainMembers has a team with more members
// than a set holds, some nested teams, and changes of both.
func TestLargeTuplesetsAreHeldButForTheirPlainMembers(t *testing.T) {
	h := newCached(t, 64<<20)
	h.must(gitclub())
	member := func(i int) string { return fmt.Sprintf("team:large#member@user:u%06d", i) }
	for i := 0; i < 3*maxPlain; i += 1000 {
		var texts []string
		for j := range 1000 {
			texts = append(texts, member(i+j))
		}
		h.must(h.write(Touch, texts...))
	}
	const nested, other = "team:large#member@team:small#member", "team:large#member@team:other#member"
	h.must(h.write(Touch, nested))
	for range len(budgets) {
		if !h.contains(0, nested) || h.contains(0, other) {
			t.Fatal("wrong before it is held")
		}
	}
	stats := func() (hits, endings int64) {
		st := h.store.current.Load().db.tuplesets.Stats()
		return st.Hits, st.Endings
	}
	hits, endings := stats()
	if !h.contains(0, nested) || h.contains(0, other) || !h.contains(0, member(7)) || h.contains(0, member(999_999)) {
		t.Error("wrong while it is held")
	}
	if now, _ := stats(); now != hits+2 {
		t.Errorf("%d hits, want the 2 for usersets", now-hits)
	}
	h.must(h.write(Delete, member(7)))
	if _, now := stats(); now != endings {
		t.Error("a plain member ended a set that holds none")
	}
	if h.contains(0, member(7)) || !h.contains(0, nested) {
		t.Error("wrong after a plain member went")
	}
	h.must(h.write(Delete, nested))
	if _, now := stats(); now != endings+1 {
		t.Error("a userset ended nothing")
	}
	if h.contains(0, nested) || !h.contains(h.revision-1, nested) {
		t.Error("wrong after a userset went")
	}
}

func TestAHitAllocatesNothing(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(h.write(Touch, "repository:a#reader@user:alice", "repository:a#reader@team:red#member",
		`repository:a#reader@user:bob[office_hours:{"from":9}]`))
	n, err := h.store.Snapshot(0)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	there, absent := h.tuple("repository:a#reader@user:bob"), h.tuple("repository:b#reader@user:bob")
	red := h.tuple("repository:a#reader@team:red#member")
	var page tuple.Page
	got := testing.AllocsPerRun(100, func() {
		n.forward.entry = nil // as if it were another snapshot
		_, found, err := n.Find(there.Object, there.Relation, there.Subject)
		_, foundAbsent, err2 := n.Find(absent.Object, absent.Relation, absent.Subject)
		err3 := n.Subjects(red.Object, red.Relation, red.Subject.Kind(), nil, 10, &page)
		if err := errors.Join(err, err2, err3); err != nil || !found || foundAbsent || page.Len() != 1 {
			t.Fatal(found, foundAbsent, page.Len(), err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations", got)
	}
}
