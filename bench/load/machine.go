package load

import (
	"os"
	"runtime"
	"strings"
)

// Machine is where a run was measured, and by which build.
type Machine struct {
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	CPU   string `json:"cpu,omitempty"` // its name, where the system tells (Linux)
	Cores int    `json:"cores"`
	Go    string `json:"go"`
	// Commit is that of the program that measured, which in process and native
	// without an address is the server too.
	Commit string `json:"commit,omitempty"`
}

func describeMachine(commit string) Machine {
	m := Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), Go: runtime.Version(), Commit: commit}
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return m
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}
