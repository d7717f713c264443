package store

import (
	"fmt"
	"math/bits"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/store/tuple"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// teams lists the teams that a subject is in, going up by what a snapshot reads.
func (h *history) teams(n *Snapshot, who string) (teams []string) {
	h.t.Helper()
	member := h.tuple("team:a#member@team:a#member")
	queue := []tuple.Subject{h.tuple("team:a#member@" + who).Subject}
	var page tuple.Page
	for ; len(queue) > 0; queue = queue[1:] {
		if err := n.Objects(queue[0], member.Object.Type, member.Relation, nil, 1000, &page); err != nil {
			h.t.Fatal(err)
		}
		for i := range page.Len() {
			if team := string(page.ID(i)); !slices.Contains(teams, team) {
				teams = append(teams, team)
				queue = append(queue, tuple.Subject{Type: member.Object.Type, Relation: member.Relation, ID: []byte(team)})
			}
		}
	}
	slices.Sort(teams)
	return teams
}

// view looks at groups through a snapshot, as one who evaluates by its schema does.
func (h *history) view(n *Snapshot) *tupleset.GroupView {
	h.t.Helper()
	text, err := n.Schema()
	if err != nil {
		h.t.Fatal(err)
	}
	v := &tupleset.GroupView{}
	v.Open(n.Groups(text.Revision))
	return v
}

// loadTeams keeps what a subject is in, and calls reached between the parts of that.
func (h *history) loadTeams(n *Snapshot, who string, reached func()) {
	h.t.Helper()
	subject := h.tuple("team:a#member@" + who).Subject
	l, ok := h.view(n).Begin(subject, h.members())
	reached()
	if !ok {
		return
	}
	teams := h.teams(n, who)
	reached()
	var b tupleset.Builder
	b.Reset(l.Newest)
	b.Begin(h.members())
	for _, team := range teams {
		b.Add([]byte(team), tuple.Traits{})
	}
	l.Fill(&b)
}

func (h *history) members() tuple.Kind { return h.tuple("team:a#member@team:a#member").Subject.Kind() }

// known returns what is kept of a subject.
func (h *history) known(n *Snapshot, who string) (teams []string, known bool) {
	h.t.Helper()
	set := h.view(n).Look(h.tuple("team:a#member@"+who).Subject, h.members())
	if set == nil {
		return nil, false
	}
	section, _ := set.Section(h.members())
	for i := range section.Len() {
		teams = append(teams, string(section.ID(i)))
	}
	return teams, true
}

func (h *history) snapshot(revision uint64) *Snapshot {
	h.t.Helper()
	n, err := h.store.Snapshot(revision)
	if err != nil {
		h.t.Fatal(err)
	}
	return n
}

// groupMeeting has a load of what alice is in and an apply meet in one order of their
// steps, and looks after each of them at what is kept.
type groupMeeting struct {
	h     *history
	wrong []string
	used  int
}

func (m *groupMeeting) look(who string, n *Snapshot, user string) {
	got, known := m.h.known(n, user)
	if !known {
		return
	}
	m.used++
	if want := m.h.teams(n, user); !slices.Equal(got, want) {
		m.wrong = append(m.wrong, fmt.Sprintf("%s, at %d: %s is in %v, want %v", who, n.Revision(), user, got, want))
	}
}

func (m *groupMeeting) meet(order uint, id string, change Write) {
	h, user := m.h, "user:alice"+id
	before := h.snapshot(0)
	defer before.Close()
	load := &actor{}
	apply := newActor(func() { h.must(change) })
	load = newActor(func() {
		n := h.snapshot(0)
		defer n.Close()
		load.hold()
		h.loadTeams(n, user, load.hold)
		m.look("the load", n, user)
	})
	h.store.at = func(s step) {
		if s < loadBegun {
			apply.hold()
		}
	}
	for i := range loadParts + applyParts {
		if order&(1<<i) != 0 {
			load.advance()
		} else {
			apply.advance()
		}
		n := h.snapshot(0)
		m.look("a bystander", n, user)
		n.Close()
	}
	for !apply.done || !load.done {
		apply.advance()
		load.advance()
	}
	h.store.at = nil
	n := h.snapshot(0)
	defer n.Close()
	m.look("who comes after", n, user)
	m.look("who came before", before, user)
}

// groupMeetings plays all orders, for some changes.
func groupMeetings(t *testing.T, promises ...broken.Promise) *groupMeeting {
	h := newCached(t, 8<<20)
	h.store.Break(promises...)
	h.must(gitclub())
	m := &groupMeeting{h: h}
	parts := loadParts + applyParts
	for order := range uint(1 << parts) {
		if bits.OnesCount(order) != loadParts {
			continue
		}
		for kind, change := range []struct {
			op   Op
			text string
		}{
			{Delete, "team:core%[1]s#member@user:alice%[1]s"},
			{Touch, "team:other%[1]s#member@user:alice%[1]s"},
			{Delete, "team:infra%[1]s#member@team:core%[1]s#member"},
			{Touch, "team:other%[1]s#member@team:infra%[1]s#member"},
		} {
			id := fmt.Sprintf("-%09b-%d", order, kind)
			h.must(h.write(Touch, "team:core"+id+"#member@user:alice"+id, "team:infra"+id+"#member@team:core"+id+"#member"))
			m.meet(order, id, h.write(change.op, fmt.Sprintf(change.text, id)))
		}
	}
	return m
}

func TestGroupsThatMeetAnApplyAreRightInAnyOrder(t *testing.T) {
	m := groupMeetings(t)
	for i, w := range m.wrong {
		if i < 10 {
			t.Error(w)
		}
	}
	t.Logf("%d entries were used", m.used)
	if m.used < 100 {
		t.Errorf("only %d entries were used", m.used)
	}
}

func TestBrokenOrdersOfTheApplyAreNoticedByGroups(t *testing.T) {
	for _, p := range []broken.Promise{broken.EndedFirst, broken.GroupStepsEnded, broken.GroupEdgesSeen, broken.GroupsNotBehind} {
		m := groupMeetings(t, p)
		if len(m.wrong) == 0 {
			t.Errorf("%v: broken, and nobody noticed", p)
			continue
		}
		t.Logf("%v: %d wrong answers, such as %s", p, len(m.wrong), m.wrong[0])
	}
}

// TestASchemaEndsAllThatIsKeptOfGroups changes what a group may be.
func TestASchemaEndsAllThatIsKeptOfGroups(t *testing.T) {
	h := newHistory(t)
	first := h.must(gitclub())
	h.must(h.write(Touch, "team:core#member@user:alice"))
	old := h.snapshot(0)
	defer old.Close()
	h.loadTeams(old, "user:alice", func() {})
	if _, known := h.known(old, "user:alice"); !known {
		t.Fatal("it was just loaded")
	}
	wide := gitclub()
	wide.Text = "wide"
	wide.Definitions = append(wide.Definitions, Definition{Type: "job"})
	h.must(wide)
	n := h.snapshot(0)
	defer n.Close()
	if kept, _ := n.Groups(first); kept != nil {
		t.Error("what is kept is lent to who evaluates by the schema before")
	}
	for who, n := range map[string]*Snapshot{"the newest": n, "the old": old} {
		if _, known := h.known(n, "user:alice"); known {
			t.Errorf("%s snapshot sees what was kept for the schema before", who)
		}
	}
	if _, ok := h.view(old).Begin(h.tuple("team:a#member@user:alice").Subject, h.members()); ok {
		t.Error("a load began below the revision of the schema")
	}
	h.loadTeams(n, "user:alice", func() {})
	if got, _ := h.known(n, "user:alice"); !slices.Equal(got, []string{"core"}) {
		t.Errorf("after it was loaded again: %v", got)
	}
}

// TestARestoreLeavesNothingOfGroups goes back to where alice was in a team.
func TestARestoreLeavesNothingOfGroups(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	h.must(h.write(Touch, "team:core#member@user:alice"))
	if err := h.store.Checkpoint(t.Context(), "/checkpoint", h.revision); err != nil {
		t.Fatal(err)
	}
	h.must(h.write(Delete, "team:core#member@user:alice"))
	old := h.snapshot(0)
	defer old.Close()
	h.loadTeams(old, "user:alice", func() {})
	if err := h.store.Restore("/checkpoint"); err != nil {
		t.Fatal(err)
	}
	h.revision = h.store.Applied()
	n := h.snapshot(0)
	defer n.Close()
	for _, n := range []*Snapshot{n, old} {
		if got, known := h.known(n, "user:alice"); known {
			t.Errorf("at %d: %v is known", n.Revision(), got)
		}
	}
	h.loadTeams(n, "user:alice", func() {})
	if got, known := h.known(n, "user:alice"); !known || !slices.Equal(got, []string{"core"}) {
		t.Errorf("what is restored: %v, %v", got, known)
	}
}

// TestTheStepsOfGroupsAreNoFewerThanThereAre spells which relations lead to groups.
func TestTheStepsOfGroupsAreNoFewerThanThereAre(t *testing.T) {
	kind := func(typ, relation int) tuple.Kind {
		return tuple.Kind{Type: tuple.TypeID(typ), Relation: tuple.RelationID(relation)}
	}
	const user, team, guild, doc = 1, 2, 3, 4
	const member, lead, all, reader, owner = 2, 3, 4, 5, 6
	allowed := make(map[tuple.Shape]bool)
	for _, s := range []struct{ relation, subject tuple.Kind }{
		{kind(team, member), kind(user, 0)},
		{kind(team, lead), kind(user, 0)},
		{kind(guild, member), kind(team, all)}, // team#all is a permission
		{kind(guild, lead), kind(user, 1)},
		{kind(doc, reader), kind(guild, member)},
		{kind(doc, owner), kind(team, 0)},
	} {
		allowed[tuple.Shape{Type: s.relation.Type, Relation: s.relation.Relation, Subject: s.subject}] = true
	}
	want := groupSteps{
		kind(team, member):  {kind(team, all), kind(guild, member)},
		kind(team, lead):    {kind(team, all), kind(guild, member)},
		kind(guild, member): {kind(guild, member)},
	}
	if diff := cmp.Diff(want, newGroupSteps(allowed)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
