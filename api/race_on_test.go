//go:build race

package api

// raceDetector says that the race detector is on: sync.Pool drops things at random,
// and allocations are counted that there are not otherwise.
const raceDetector = true
