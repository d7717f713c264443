package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// build is what the Go toolchain noted in the binary.
type build struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

func readBuild() build {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return build{Version: "unknown"}
	}
	b := build{Version: info.Main.Version, Go: info.GoVersion}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Commit = s.Value
		case "vcs.time":
			b.Time = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

// text spells a build for people.
func (b build) text() string {
	text := b.Version
	if b.Commit != "" {
		text += fmt.Sprintf(", commit %s of %s", b.Commit, b.Time)
	}
	if b.Modified {
		text += ", with changes"
	}
	return text + ", " + b.Go
}

func newVersionCommand(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which build this is",
		Example: "  tupelo version\n  tupelo version --json",
		Args:    arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			b := readBuild()
			if t.json {
				return t.object(b)
			}
			t.printf("tupelo %s\n", b.text())
			return nil
		},
	}
}
