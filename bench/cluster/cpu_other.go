//go:build !unix

package main

import "time"

// cpuTime is not known on this system.
func cpuTime() (time.Duration, error) { return 0, nil }
