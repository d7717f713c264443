package raft

import "github.com/tupelodb/tupelo/internal/broken"

// Break has the node break promises, so that a test can see whether it would be
// noticed. Nobody outside this module can name one.
func (o *Options) Break(promises ...broken.Promise) {
	for _, p := range promises {
		switch p {
		case broken.SyncBeforeAcknowledging:
			o.faults.ackBeforeSync = true
		case broken.OwnDiskCounted:
			o.faults.countUnsynced = true
		case broken.LateSnapshotRefused:
			o.faults.takeLateSnapshots = true
		case broken.DepartureIsEnded:
			o.faults.neverStand = true
		case broken.OwnProof:
			o.faults.trustVerifyLeader = true
		case broken.WakeAfterApply:
			o.faults.wakeBeforeApply = true
		case broken.UnknownIsSaid:
			o.faults.unknownAsNotDone = true
		case broken.AppliedIndex:
			o.faults.trustSnapshotIndex, o.faults.applyTwice = true, true
		}
	}
}
