package load

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// tick is the unit of times in /proc, which the kernel has fixed for programs.
const tick = time.Second / 100

// processes returns what processes have spent, with all that descend from them if
// wanted. Those that have ended count with who waited for them.
func processes(pids []int, descendants bool) (all spent, err error) {
	family := make(map[int]bool)
	for _, pid := range pids {
		family[pid] = true
	}
	stats, err := readStats()
	if err != nil {
		return all, err
	}
	for grown := descendants; grown; {
		grown = false
		for pid, s := range stats {
			if family[s.parent] && !family[pid] {
				family[pid], grown = true, true
			}
		}
	}
	for pid := range family {
		s, ok := stats[pid]
		if !ok {
			return all, fmt.Errorf("there is no process %d: %w", pid, os.ErrNotExist)
		}
		all.cpu += s.cpu
		all.rss += resident(pid, s)
	}
	return all, nil
}

// stat is a process's line in /proc.
type stat struct {
	parent int
	cpu    time.Duration
	rss    int64
}

func readStats() (map[int]stat, error) {
	files, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	all := make(map[int]stat)
	for _, file := range files {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		line, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended since
		}
		if all[pid], err = parseStat(line); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	return all, nil
}

// Numbers of fields of /proc/PID/stat, by proc(5), which counts from one.
const (
	statParent = 4
	statUser   = 14
	statSystem = 15
	statUserOf = 16 // of children that have ended and were waited for
	statSysOf  = 17
	statRSS    = 24
)

// parseStat reads a line of /proc/PID/stat. The name in it may have anything in it,
// brackets and spaces too.
func parseStat(line []byte) (s stat, err error) {
	end := bytes.LastIndexByte(line, ')')
	fields := bytes.Fields(line[end+1:])
	const first = 3 // the number of the field after the name
	if end < 0 || len(fields) <= statRSS-first {
		return s, errors.New("the line is not as proc(5) has it")
	}
	number := func(field int) int64 {
		n, failed := strconv.ParseInt(string(fields[field-first]), 10, 64)
		if failed != nil {
			err = failed
		}
		return n
	}
	s.parent = int(number(statParent))
	s.cpu = tick * time.Duration(number(statUser)+number(statSystem)+number(statUserOf)+number(statSysOf))
	s.rss = number(statRSS) * int64(os.Getpagesize())
	return s, err
}

// resident returns a process's memory: its share of what it has in common with
// others, if that may be read.
func resident(pid int, s stat) int64 {
	rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return s.rss
	}
	for line := range bytes.Lines(rollup) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "Pss:" {
			if kilobytes, err := strconv.ParseInt(string(fields[1]), 10, 64); err == nil {
				return kilobytes << 10
			}
		}
	}
	return s.rss
}
