package sim

import (
	"slices"
	"testing"

	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

// mutations break one promise each. bias makes what it is about more frequent
// than the seeds do, so that few are enough.
var mutations = []struct {
	promise broken.Promise
	bias    func(*plan)
	rules   []string // one of them must object
}{
	{broken.ZookieWait, nil, []string{history.RuleZookie}},
	{broken.SchemaOfRevision, nil, []string{history.RuleAnswer}},
	{broken.OwnProof, leaderOfThePast, []string{history.RuleOrder, history.RuleLinearizable}},
	{broken.SyncBeforeAcknowledging, powerLoss, []string{history.RuleAcknowledged, history.RuleAnswer, history.RuleLinearizable, history.RuleFailure}},
	{broken.OwnDiskCounted, powerLossWhileSyncing, []string{history.RuleAcknowledged, history.RuleAnswer, history.RuleLinearizable, history.RuleState, history.RuleFailure}},
	{broken.LateSnapshotRefused, snapshotsTwice, []string{history.RuleAcknowledged, history.RuleAnswer, history.RuleState, history.RuleFailure}},
	{broken.DepartureIsEnded, leadersDepart, []string{history.RuleFailure}},
	{broken.AppliedIndex, aheadOfSnapshots, []string{history.RuleAcknowledged, history.RuleState, history.RuleFailure}},
	{broken.WakeAfterApply, nil, []string{history.RuleZookie, history.RuleOrder}},
	{broken.UnknownIsSaid, nil, []string{history.RuleInvented}},
	{broken.OncePerKey, answersLost, []string{history.RuleInvented, history.RuleAnswer, history.RuleLinearizable}},
}

// leaderOfThePast has more who do not vote than voters, and a leader that is slow
// to notice that only they are left.
func leaderOfThePast(p *plan) {
	p.founders, p.readers = []string{"n1", "n2", "n3"}, []string{"n4", "n5", "n6", "n7"}
	p.spares = p.readers
	p.slow, p.troubles = "n1", 16
	p.brew = []trouble{{2, (*adversary).transfer}, {3, (*adversary).cut}}
}

// powerLoss has many nodes lose at once what they have not synced.
func powerLoss(p *plan) {
	p.brew = []trouble{{3, (*adversary).crashAll}, {1, (*adversary).crash}}
}

// powerLossWhileSyncing has it come while entries are on some disks only.
func powerLossWhileSyncing(p *plan) {
	p.slowDisks()
	p.clients, p.brew = 8, []trouble{{1, (*adversary).crashAll}}
}

// snapshotsTwice has many snapshots sent, and come twice.
func snapshotsTwice(p *plan) {
	p.founders, p.readers, p.spares = []string{"n1", "n2", "n3"}, nil, []string{"n4", "n5"}
	p.snapshotEntries, p.troubles, p.clients, p.slowSyncs = 20, 16, 8, 0
	p.brew = []trouble{{3, (*adversary).echo}, {1, (*adversary).crash}, {4, (*adversary).changeMembers}}
}

// leadersDepart has leaders of two voters be let go while they are cut off.
func leadersDepart(p *plan) {
	p.founders, p.readers, p.spares = []string{"n1", "n2"}, nil, []string{"n3"}
	p.brew = []trouble{{1, (*adversary).cut}, {2, (*adversary).depart}}
}

// aheadOfSnapshots has states come back that hold more than a snapshot does.
func aheadOfSnapshots(p *plan) {
	p.snapshotEntries, p.troubles, p.slowSyncs = 60, 12, 0
	p.brew = []trouble{{1, (*adversary).crash}, {2, (*adversary).flushAndCrash}}
}

// answersLost has calls end without an answer, and many of them at once.
func answersLost(p *plan) {
	p.clients = 8
	p.brew = []trouble{{2, (*adversary).storm}, {2, (*adversary).crash}, {1, (*adversary).cut}}
}

// mutationSeeds is how many seeds there are for a broken promise to be noticed.
const mutationSeeds = 60

func TestEachBrokenPromiseIsNoticed(t *testing.T) {
	for _, m := range mutations {
		t.Run(m.promise.String(), func(t *testing.T) {
			for seed := range uint64(mutationSeeds) {
				p := planOf(1000 + seed)
				if m.bias != nil {
					m.bias(&p)
				}
				problems := history.Check(run(t, p, m.promise))
				if i := slices.IndexFunc(problems, func(p history.Problem) bool { return slices.Contains(m.rules, p.Rule) }); i >= 0 {
					t.Logf("by the %d. seed: %v", seed+1, problems[i])
					return
				}
			}
			t.Errorf("in %d seeds nothing was noticed", mutationSeeds)
		})
	}
}

// What favours the finding must not be what is found.
func TestWithoutABrokenPromiseTheSamePlansPass(t *testing.T) {
	for _, m := range mutations {
		if m.bias == nil {
			continue
		}
		p := planOf(1000)
		m.bias(&p)
		if problems := history.Check(run(t, p)); len(problems) > 0 {
			t.Errorf("%s: %v", m.promise, problems)
		}
	}
}
