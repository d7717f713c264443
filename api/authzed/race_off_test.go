//go:build !race

package authzed

// raceDetector says that the race detector is on: sync.Pool drops things at random,
// so that allocations cannot be counted.
const raceDetector = false
