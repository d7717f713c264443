package api

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// admin returns the cluster service of a node, without a client between.
func (n *testNodes) admin(id string) *clusterService { return &clusterService{s: n.servers[id]} }

func TestTheStatusJoinsWhatMembersSayAndWhatTheLeaderSaysOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, nil)
		slices.Reverse(n.members)
		now := time.Now()
		n.status["a"] = NodeStatus{
			Role: "leader", Term: 3, AppliedIndex: 40, LastIndex: 41, LastContact: now, DiskBytes: 7, DiskFreeBytes: 8,
			Version: "v1", Format: 1, MaxFormat: 2,
			Followers: []FollowerStatus{
				{ID: "b", Known: true, Lag: 2, Behind: time.Second, Contact: now.Add(-time.Minute)},
				{ID: "c", Installing: true},
				{ID: "gone"},
			},
		}
		n.status["b"] = NodeStatus{Role: "follower", Term: 3, AppliedIndex: 38, LastIndex: 39, LastContact: now.Add(-time.Second), Format: 1, MaxFormat: 1}
		got, err := n.admin("b").ClusterStatus(t.Context(), &tupelov1.ClusterStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		want := &tupelov1.ClusterStatusResponse{NodeId: "b", LeaderId: "a", Members: []*tupelov1.MemberStatus{
			{
				Member: &tupelov1.Member{NodeId: "a", Address: "a:1", Voter: true}, Leader: true, Role: "leader", Term: 3,
				Applied: 40, LastIndex: 41, SinceLeader: durationpb.New(0), LagEntries: ptr(uint64(0)),
				DiskBytes: 7, DiskFreeBytes: 8, Version: "v1", Format: 1, MaxFormat: 2,
			},
			{
				Member: &tupelov1.Member{NodeId: "b", Address: "b:1", Voter: true}, Role: "follower", Term: 3,
				Applied: 38, LastIndex: 39, SinceLeader: durationpb.New(time.Second),
				LagEntries: ptr(uint64(2)), Lag: durationpb.New(time.Second), SinceContact: durationpb.New(time.Minute),
				Format: 1, MaxFormat: 1,
			},
			{
				Member: &tupelov1.Member{NodeId: "c", Address: "c:1"}, Error: logError("no-leader").Error(), Installing: true,
			},
		}}
		if !proto.Equal(got, want) {
			t.Errorf("%v\nis not\n%v", got, want)
		}
	})
}

// A transfer that was acknowledged a moment ago is not taken back by a node that has
// not heard of it, and what a leader of the past says does not count.
func TestTheStatusTellsWhoLeadsThoughTheNodeAskedHasNotHeardOfIt(t *testing.T) {
	for _, test := range []struct {
		name, known, want string
		a, b, c           NodeStatus
	}{
		{"it knows of none yet", "", "a", NodeStatus{Role: "leader", Term: 4}, NodeStatus{Role: "follower", Term: 4}, NodeStatus{Role: "follower", Term: 3}},
		{"it knows the one before", "c", "a", NodeStatus{Role: "leader", Term: 4}, NodeStatus{Role: "follower", Term: 3}, NodeStatus{Role: "follower", Term: 4}},
		{"the one before has not heard either", "c", "a", NodeStatus{Role: "leader", Term: 4}, NodeStatus{Role: "follower", Term: 3}, NodeStatus{Role: "leader", Term: 3}},
		{"only one of the past says that it leads", "", "", NodeStatus{Role: "leader", Term: 3}, NodeStatus{Role: "candidate", Term: 4}, NodeStatus{Role: "follower", Term: 3}},
		{"nobody says so", "c", "c", NodeStatus{Role: "follower", Term: 3}, NodeStatus{Role: "follower", Term: 3}, NodeStatus{Role: "follower", Term: 3}},
	} {
		n := newNodes(t, nil)
		n.status["a"], n.status["b"], n.status["c"] = test.a, test.b, test.c
		n.lead(test.known)
		got, err := n.admin("b").ClusterStatus(t.Context(), &tupelov1.ClusterStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if got.LeaderId != test.want {
			t.Errorf("%s: %q leads, want %q", test.name, got.LeaderId, test.want)
		}
		for _, m := range got.Members {
			if m.Leader != (m.Member.NodeId == test.want) {
				t.Errorf("%s: %v", test.name, m)
			}
		}
	}
}

// hungCluster has a member that does not answer.
type hungCluster struct {
	Cluster
	hangs string
}

func (c hungCluster) Status(ctx context.Context, m Member) (NodeStatus, error) {
	if m.ID == c.hangs {
		<-ctx.Done()
		return NodeStatus{}, ctx.Err()
	}
	return NodeStatus{Role: "follower"}, nil
}

func TestAMemberThatHangsDoesNotHoldUpTheStatus(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNodes(t, nil)
		n.servers["b"].cluster = hungCluster{n.servers["b"].cluster, "a"}
		begun := time.Now()
		got, err := n.admin("b").ClusterStatus(t.Context(), &tupelov1.ClusterStatusRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begun); took != statusLimit {
			t.Errorf("it took %s", took)
		}
		for _, m := range got.Members {
			if hangs := m.Member.NodeId == "a"; hangs != (m.Error != "") || hangs == (m.Role != "") || hangs && m.LagEntries != nil {
				t.Errorf("%v", m)
			}
		}
	})
}

// changes are the calls that change the cluster, with what they come to.
func changes() map[string]struct {
	call func(context.Context, *clusterService) error
	want Change
} {
	type change = struct {
		call func(context.Context, *clusterService) error
		want Change
	}
	return map[string]change{
		"AddMember": {func(ctx context.Context, c *clusterService) error {
			_, err := c.AddMember(ctx, &tupelov1.AddMemberRequest{Member: &tupelov1.Member{NodeId: "d", Address: "d:1", Voter: true}})
			return err
		}, Change{AddMember, Member{ID: "d", Address: "d:1", Voter: true}}},
		"RemoveMember": {func(ctx context.Context, c *clusterService) error {
			_, err := c.RemoveMember(ctx, &tupelov1.RemoveMemberRequest{NodeId: "c"})
			return err
		}, Change{RemoveMember, Member{ID: "c"}}},
		"PromoteMember": {func(ctx context.Context, c *clusterService) error {
			_, err := c.PromoteMember(ctx, &tupelov1.PromoteMemberRequest{NodeId: "c"})
			return err
		}, Change{PromoteMember, Member{ID: "c"}}},
		"DemoteMember": {func(ctx context.Context, c *clusterService) error {
			_, err := c.DemoteMember(ctx, &tupelov1.DemoteMemberRequest{NodeId: "b"})
			return err
		}, Change{DemoteMember, Member{ID: "b"}}},
		"TransferLeadership": {func(ctx context.Context, c *clusterService) error {
			r, err := c.TransferLeadership(ctx, &tupelov1.TransferLeadershipRequest{NodeId: "b"})
			if err == nil && r.LeaderId != "a" {
				err = fmt.Errorf("the leader is said to be %q", r.LeaderId)
			}
			return err
		}, Change{TransferLeadership, Member{ID: "b"}}},
	}
}

func TestChangesOfTheClusterAreMadeByTheLeaderWhicheverNodeIsAsked(t *testing.T) {
	for name, c := range changes() {
		t.Run(name, func(t *testing.T) {
			for _, asked := range []string{"a", "b"} {
				n := newNodes(t, nil)
				if err := c.call(t.Context(), n.admin(asked)); err != nil {
					t.Fatalf("%s is asked: %v", asked, err)
				}
				if len(n.changes) != 1 || n.changes[0] != c.want {
					t.Errorf("%s is asked: %+v, want %+v", asked, n.changes, c.want)
				}
				want := 0.0
				if asked != "a" {
					want = 1
				}
				if got := testutil.ToFloat64(n.servers[asked].metrics.forwarded.WithLabelValues(name)); got != want {
					t.Errorf("%s is asked: handed on %v times", asked, got)
				}
				n.fail = fmt.Errorf("%w: there is no such member", ErrMembership)
				got := seen(t, statusOf(c.call(t.Context(), n.admin(asked))).Err())
				if got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_MEMBERSHIP" || !strings.Contains(got.message, "no such member") {
					t.Errorf("%s is asked: %+v", asked, got)
				}
			}
		})
	}
}

// A change is not made again when its outcome is unknown: the operator looks.
func TestAChangeOfTheClusterIsMadeOnce(t *testing.T) {
	for name, c := range changes() {
		n := newNodes(t, nil)
		n.lose = func(_, _ string, handled bool) error {
			if handled {
				return logError("outcome-unknown")
			}
			return nil
		}
		got := seen(t, statusOf(c.call(t.Context(), n.admin("b"))).Err())
		if got.reason != "ERROR_REASON_OUTCOME_UNKNOWN" || len(n.changes) != 1 {
			t.Errorf("%s: %+v, made %d times", name, got, len(n.changes))
		}
	}
}

func TestAServerWithoutOthersSaysSo(t *testing.T) {
	c := &clusterService{s: newWorld(t, gitclub).server}
	calls := []func() error{
		func() error {
			_, err := c.ClusterStatus(t.Context(), &tupelov1.ClusterStatusRequest{})
			return err
		},
		func() error {
			_, err := c.VerifyReplicas(t.Context(), &tupelov1.VerifyReplicasRequest{})
			return err
		},
	}
	for _, change := range changes() {
		calls = append(calls, func() error { return change.call(t.Context(), c) })
	}
	for i, call := range calls {
		if got := seen(t, statusOf(call()).Err()); got.code != "FailedPrecondition" || got.reason != "ERROR_REASON_NO_CLUSTER" {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func TestCallsOfTheClusterNeedAToken(t *testing.T) {
	w := newWorld(t, gitclub)
	client := tupelov1.NewClusterServiceClient(w.conn)
	_, err := client.ClusterStatus(t.Context(), &tupelov1.ClusterStatusRequest{})
	if got := seen(t, err); got.code != "Unauthenticated" {
		t.Errorf("without: %+v", got)
	}
	_, err = client.ClusterStatus(w.ctx, &tupelov1.ClusterStatusRequest{})
	if got := seen(t, err); got.reason != "ERROR_REASON_NO_CLUSTER" {
		t.Errorf("with one: %+v", got)
	}
}

func TestBadCallsOfTheClusterNameTheField(t *testing.T) {
	n := newNodes(t, nil)
	c := n.admin("a")
	long := strings.Repeat("n", maxNodeIDBytes+1)
	add := func(id, address string) *tupelov1.AddMemberRequest {
		return &tupelov1.AddMemberRequest{Member: &tupelov1.Member{NodeId: id, Address: address}}
	}
	tomorrow := add("d", "d:1")
	withUnknownField(tomorrow.Member)
	for _, in := range []struct {
		name          string
		request       proto.Message
		reason, field string
	}{
		{"no member", &tupelov1.AddMemberRequest{}, "MISSING_FIELD", "member"},
		{"no id", add("", "d:1"), "MISSING_FIELD", "member.node_id"},
		{"long id", add(long, "d:1"), "OUT_OF_BOUNDS", "member.node_id"},
		{"no address", add("d", ""), "MISSING_FIELD", "member.address"},
		{"no port", add("d", "host"), "OUT_OF_BOUNDS", "member.address"},
		{"no host", add("d", ":1"), "OUT_OF_BOUNDS", "member.address"},
		{"any port", add("d", "host:0"), "OUT_OF_BOUNDS", "member.address"},
		{"unknown field in a member", tomorrow, "UNKNOWN_FIELD", "member"},
		{"remove nobody", &tupelov1.RemoveMemberRequest{}, "MISSING_FIELD", "node_id"},
		{"promote nobody", &tupelov1.PromoteMemberRequest{}, "MISSING_FIELD", "node_id"},
		{"demote nobody", &tupelov1.DemoteMemberRequest{}, "MISSING_FIELD", "node_id"},
		{"long successor", &tupelov1.TransferLeadershipRequest{NodeId: long}, "OUT_OF_BOUNDS", "node_id"},
		{"unknown field", withUnknownField(&tupelov1.RemoveMemberRequest{NodeId: "c"}), "UNKNOWN_FIELD", ""},
		{"unknown field of a transfer", withUnknownField(&tupelov1.TransferLeadershipRequest{}), "UNKNOWN_FIELD", ""},
		{"no revision", &tupelov1.ReplicaChecksumRequest{}, "MISSING_FIELD", "at_exact_snapshot"},
		{"no zookie", &tupelov1.ReplicaChecksumRequest{AtExactSnapshot: "x"}, "DAMAGED_ZOOKIE", "at_exact_snapshot"},
	} {
		got := seen(t, statusOf(callCluster(t.Context(), c, in.request)).Err())
		if got.code != "InvalidArgument" || got.reason != "ERROR_REASON_"+in.reason || got.field != in.field {
			t.Errorf("%s: %+v", in.name, got)
		}
	}
	if len(n.changes) != 0 {
		t.Errorf("%+v", n.changes)
	}
}

func callCluster(ctx context.Context, c *clusterService, request proto.Message) (err error) {
	switch r := request.(type) {
	case *tupelov1.AddMemberRequest:
		_, err = c.AddMember(ctx, r)
	case *tupelov1.RemoveMemberRequest:
		_, err = c.RemoveMember(ctx, r)
	case *tupelov1.PromoteMemberRequest:
		_, err = c.PromoteMember(ctx, r)
	case *tupelov1.DemoteMemberRequest:
		_, err = c.DemoteMember(ctx, r)
	case *tupelov1.TransferLeadershipRequest:
		_, err = c.TransferLeadership(ctx, r)
	case *tupelov1.ReplicaChecksumRequest:
		_, err = c.ReplicaChecksum(ctx, r)
	default:
		return errors.New("no such call")
	}
	return err
}
