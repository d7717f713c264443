package main

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// Bounds of the memory for tuplesets where nobody says how much.
const (
	leastTuplesetCache = 64 << 20
	mostTuplesetCache  = 1 << 30
	tuplesetShare      = 8
)

// defaultTuplesetCache is a share of the memory that a process has, rounded down
// to whole MiB; the least if that is not known.
func defaultTuplesetCache(memory int64, known bool) byteSize {
	if !known {
		return leastTuplesetCache
	}
	share := memory / tuplesetShare &^ (1<<20 - 1)
	return byteSize(min(max(share, leastTuplesetCache), mostTuplesetCache))
}

// memoryLimit is the memory that the process may take: the least of the machine's,
// its control group's and the one that Go was told (GOMEMLIMIT).
func memoryLimit() (limit int64, known bool) {
	limit = debug.SetMemoryLimit(-1)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		limit = min(limit, totalMemory(text))
	}
	if text, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		limit = min(limit, groupLimit(string(text)))
	}
	return limit, limit < math.MaxInt64
}

// totalMemory reads Linux's /proc/meminfo; without the figure there is no limit.
func totalMemory(text []byte) int64 {
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		rest, ok := strings.CutPrefix(lines.Text(), "MemTotal:")
		if !ok {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
		if err != nil || kib <= 0 || kib > math.MaxInt64>>10 {
			break
		}
		return kib << 10
	}
	return math.MaxInt64
}

// groupLimit reads a control group's memory.max, which may be the word max.
func groupLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return math.MaxInt64
	}
	return n
}
