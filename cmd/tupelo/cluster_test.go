package main

import (
	"bufio"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// onTerminal runs what prints for people, and returns both outputs.
func onTerminal(t *testing.T, print func(*terminal) error) (out, diag string, err error) {
	t.Helper()
	var o, d bytes.Buffer
	term := &terminal{out: bufio.NewWriter(&o), diag: &d}
	err = print(term)
	if flushErr := term.out.Flush(); flushErr != nil {
		t.Fatal(flushErr)
	}
	return o.String(), d.String(), err
}

func voter(id string) *tupelov1.Member {
	return &tupelov1.Member{NodeId: id, Address: id + ":1", Voter: true}
}

func TestTheStatusShowsWhatIsKnownAndADashForTheRest(t *testing.T) {
	entries := func(n uint64) *uint64 { return &n }
	response := &tupelov1.ClusterStatusResponse{NodeId: "n1", LeaderId: "n1", Members: []*tupelov1.MemberStatus{
		{
			Member: voter("n1"), Leader: true, Role: "leader", Term: 3, Applied: 1042,
			DiskBytes: 5 << 19, DiskFreeBytes: 3 << 30, Version: "v1.2.3", Format: 1, MaxFormat: 2,
		}, {
			Member: voter("n2"), Role: "follower", Term: 3, Applied: 1040, LagEntries: entries(2), Lag: durationpb.New(15 * time.Millisecond),
			SinceContact: durationpb.New(12 * time.Millisecond), SinceLeader: durationpb.New(time.Hour),
			DiskBytes: 100, Version: "v1.2.3", Format: 2, MaxFormat: 2,
		}, {
			Member: voter("n3"), Error: "connection refused", LagEntries: entries(900), Lag: durationpb.New(90 * time.Second),
		}, {
			Member: &tupelov1.Member{NodeId: "r1", Address: "r1:1"}, Role: "follower", Term: 3, Installing: true,
			SinceLeader: durationpb.New(12345 * time.Millisecond), Format: 2, MaxFormat: 2,
		}, {
			Member: &tupelov1.Member{NodeId: "r2", Address: "r2:1"}, Error: "no",
		},
	}}
	out, diag, err := onTerminal(t, func(term *terminal) error { return printStatus(term, response) })
	if err != nil {
		t.Fatal(err)
	}
	const want = `NODE  ROLE                 TERM  APPLIED  LAG                  CONTACT  DISK                   FORMAT  VERSION  ADDRESS
n1    leader               3     1042     -                    -        2.5 MiB, 3.0 GiB free  1+      v1.2.3   n1:1
n2    follower             3     1040     2, 15 ms             12 ms    100 B, 0 B free        2       v1.2.3   n2:1
n3    down                 -     -        900, 1m30s           -        -                      -       -        n3:1
r1    read replica         3     0        receives a snapshot  12s      0 B, 0 B free          2       -        r1:1
r2    down (read replica)  -     -        -                    -        -                      -       -        r2:1
`
	if diff := cmp.Diff(want, out); diff != "" {
		t.Error(diff)
	}
	if want := "n3 does not answer: connection refused\nr2 does not answer: no\n"; diag != want {
		t.Errorf("diagnostics: %q", diag)
	}
}

func TestAClusterIsWellIfItHasALeaderAndEachMemberAnswers(t *testing.T) {
	members := []*tupelov1.MemberStatus{{Member: voter("n1")}, {Member: voter("n2")}}
	if !isWell(&tupelov1.ClusterStatusResponse{LeaderId: "n1", Members: members}) {
		t.Error("it is not well though all is")
	}
	if isWell(&tupelov1.ClusterStatusResponse{Members: members}) {
		t.Error("it is well without a leader")
	}
	members[1].Error = "down"
	if isWell(&tupelov1.ClusterStatusResponse{LeaderId: "n1", Members: members}) {
		t.Error("it is well without n2")
	}
}

func TestAComparisonSaysNoOnlyOfReplicasThatDiffer(t *testing.T) {
	state := func(id, checksum, failure string) *tupelov1.ReplicaState {
		return &tupelov1.ReplicaState{Member: voter(id), Checksum: []byte(checksum), Tuples: 62, Error: failure}
	}
	for name, c := range map[string]struct {
		equal    bool
		replicas []*tupelov1.ReplicaState
		err      string // "" for none
		printed  string
	}{
		"the same":               {true, []*tupelov1.ReplicaState{state("n1", "a", ""), state("n2", "a", "")}, "", "2 replicas, all the same"},
		"different":              {false, []*tupelov1.ReplicaState{state("n1", "a", ""), state("n2", "b", "")}, "no", "the replicas DIFFER"},
		"different, one silent":  {false, []*tupelov1.ReplicaState{state("n0", "", "down"), state("n1", "a", ""), state("n2", "b", "")}, "no", "the replicas DIFFER"},
		"one silent":             {false, []*tupelov1.ReplicaState{state("n1", "a", ""), state("n2", "", "down")}, "no answer from n2 (down)", "n2    -       -"},
		"unequal without a why":  {false, []*tupelov1.ReplicaState{state("n1", "a", "")}, "no", "DIFFER"},
		"nobody answers":         {false, []*tupelov1.ReplicaState{state("n1", "", "down")}, "no answer from n1", "n1    -"},
		"one, of many, alone is": {true, []*tupelov1.ReplicaState{state("n1", "a", "")}, "", "1 replica, all the same"},
	} {
		out, _, err := onTerminal(t, func(term *terminal) error {
			return printComparison(term, &tupelov1.VerifyReplicasResponse{Equal: c.equal, Zookie: "Z", Replicas: c.replicas})
		})
		switch {
		case (err == nil) != (c.err == ""), err != nil && !strings.Contains(err.Error(), c.err):
			t.Errorf("%s: error %v", name, err)
		case errors.Is(err, errNo) != (c.err == "no"):
			t.Errorf("%s: error %v", name, err)
		case !strings.Contains(out, c.printed):
			t.Errorf("%s: printed\n%s", name, out)
		}
	}
}

func TestSizesArePrintedForPeople(t *testing.T) {
	for bytes, want := range map[uint64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 5 << 19: "2.5 MiB", 3 << 40: "3072.0 GiB"} {
		if got := sizeText(bytes); got != want {
			t.Errorf("%d: %s", bytes, got)
		}
	}
}
