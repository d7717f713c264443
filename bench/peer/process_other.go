//go:build !unix

package peer

import (
	"os"
	"os/exec"
)

// owner is a user of the system; on this one programs run as whoever starts them.
type owner struct{ name string }

func standAlone(*exec.Cmd, *owner) {}

// This system knows no signals: a process is killed, and not what it started.
func askToEnd(p *os.Process) { _ = p.Kill() }
func kill(p *os.Process)     { _ = p.Kill() }
func pause(*os.Process)      {}
func resume(*os.Process)     {}

func unprivileged() (*owner, error) { return nil, nil }

func (o *owner) give(string) error { return nil }
