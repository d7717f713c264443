//go:build race

package rewrite_test

// raceDetector says that the race detector is on: everything is slow, and
// sync.Pool drops things at random, so that allocations cannot be counted.
const raceDetector = true
