package store

import (
	"github.com/tupelodb/tupelo/internal/broken"
	"github.com/tupelodb/tupelo/store/tupleset"
)

// faults are ways to break the package's promises. Only tests set them, to see
// that they would notice.
type faults struct {
	applyAgain bool // S2: what is applied already is applied again
	forgetKeys bool // outcomes of idempotency keys are not looked up
	endLate    bool // S10: tuplesets are ended after the revision is published
	endHeld    bool // S10: loads under way are not ended
	groups     tupleset.GroupFaults
}

// Break has the store, which nothing may have been applied to since it was
// opened, break promises, so that a test can see whether it would be noticed.
// Nobody outside this module can name one.
func (s *Store) Break(promises ...broken.Promise) {
	for _, p := range promises {
		switch p {
		case broken.AppliedIndex:
			s.faults.applyAgain = true
		case broken.OncePerKey:
			s.faults.forgetKeys = true
		case broken.EndedFirst:
			s.faults.endLate = true
		case broken.LoadsEnded:
			s.faults.endHeld = true
		case broken.GroupStepsEnded:
			s.faults.groups.Keep = true
		case broken.GroupEdgesSeen:
			s.faults.groups.Trust = true
		case broken.GroupsNotBehind:
			s.faults.groups.Behind = true
		}
	}
	if groups := s.current.Load().db.groups; groups != nil {
		groups.Break(s.faults.groups)
	}
}
