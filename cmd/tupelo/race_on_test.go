//go:build race

package main

// raceDetector says that this binary runs some ten times slower.
const raceDetector = true
