//go:build race

package caveat

// raceDetector says whether the race detector is on.
const raceDetector = true
