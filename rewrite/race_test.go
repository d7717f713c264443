//go:build race

package rewrite_test

// raceDetector says that sync.Pool drops what it is given at random, so that
// allocations cannot be counted.
const raceDetector = true
