//go:build !race

package replica

// raceDetector says that this binary runs some ten times slower.
const raceDetector = false
