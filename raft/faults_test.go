package raft

import "testing"

// kept plays a scene that reports whether a promise was broken in it: the node as
// it is must keep it, and each way to break it must be noticed, or the scene shows
// nothing.
func kept(t *testing.T, broken func(*testing.T, faults) bool, ways ...faults) {
	t.Helper()
	if broken(t, faults{}) {
		t.Error("the promise was broken")
	}
	for _, f := range ways {
		if !broken(t, f) {
			t.Errorf("broken on purpose, it was not noticed: %+v", f)
		}
	}
}
