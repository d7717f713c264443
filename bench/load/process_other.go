//go:build !linux

package load

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// processes returns what processes have spent, with all that descend from them if
// wanted, by ps, which rounds to hundredths of a second or to seconds.
func processes(pids []int, descendants bool) (all spent, err error) {
	if len(pids) == 0 {
		return all, nil
	}
	output, err := exec.Command("ps", "-A", "-o", "pid=,ppid=,time=,rss=").Output()
	if err != nil {
		return all, fmt.Errorf("ps: %w", err)
	}
	type process struct {
		parent int
		spent
	}
	known := make(map[int]process)
	for lines := bufio.NewScanner(bytes.NewReader(output)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != 4 {
			continue
		}
		pid, err1 := strconv.Atoi(fields[0])
		parent, err2 := strconv.Atoi(fields[1])
		kilobytes, err3 := strconv.ParseInt(fields[3], 10, 64)
		if cpu, err4 := psTime(fields[2]); err1 == nil && err2 == nil && err3 == nil && err4 == nil {
			known[pid] = process{parent, spent{cpu, kilobytes << 10}}
		}
	}
	family := make(map[int]bool)
	for _, pid := range pids {
		if _, ok := known[pid]; !ok {
			return all, fmt.Errorf("there is no process %d: %w", pid, os.ErrNotExist)
		}
		family[pid] = true
	}
	for grown := descendants; grown; {
		grown = false
		for pid, p := range known {
			if family[p.parent] && !family[pid] {
				family[pid], grown = true, true
			}
		}
	}
	for pid := range family {
		all.cpu += known[pid].cpu
		all.rss += known[pid].rss
	}
	return all, nil
}

// psTime reads [[days-]hours:]minutes:seconds[.hundredths].
func psTime(text string) (time.Duration, error) {
	days, clock, ok := strings.Cut(text, "-")
	if !ok {
		days, clock = "0", text
	}
	total, err := strconv.ParseFloat(days, 64)
	if err != nil {
		return 0, err
	}
	parts := strings.Split(clock, ":")
	for len(parts) < 3 {
		parts = append([]string{"0"}, parts...)
	}
	for i, base := range []float64{24, 60, 60} {
		n, err := strconv.ParseFloat(parts[i], 64)
		if err != nil {
			return 0, err
		}
		total = total*base + n
	}
	return time.Duration(total * float64(time.Second)), nil
}
