//go:build unix

package peer

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// owner is a user of the system.
type owner struct {
	name     string
	uid, gid int
}

// standAlone gives a command a process group of its own, by whose id all that it
// starts can be signalled, and so that Ctrl-C reaches it through us alone.
func standAlone(command *exec.Cmd, as *owner) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithUs(command.SysProcAttr)
	if as != nil {
		command.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(as.uid), Gid: uint32(as.gid)}
	}
}

// Signals go to the whole group. Whoever is gone already needs none, so errors say nothing.
func askToEnd(p *os.Process) { _ = p.Signal(syscall.SIGTERM) }
func kill(p *os.Process)     { _ = syscall.Kill(-p.Pid, syscall.SIGKILL) }
func pause(p *os.Process)    { _ = syscall.Kill(-p.Pid, syscall.SIGSTOP) }
func resume(p *os.Process)   { _ = syscall.Kill(-p.Pid, syscall.SIGCONT) }

// unprivileged returns whom PostgreSQL is to run as: it refuses to be root. Nobody
// in particular (nil) if this process is not root.
func unprivileged() (*owner, error) {
	if os.Getuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(u.Uid)
		gid, gidErr := strconv.Atoi(u.Gid)
		if uidErr == nil && gidErr == nil {
			return &owner{name, uid, gid}, nil
		}
	}
	return nil, fmt.Errorf("PostgreSQL does not run as root, and there is neither a user postgres nor nobody")
}

// give makes a directory somebody's.
func (o *owner) give(dir string) error {
	if o == nil {
		return nil
	}
	return os.Chown(dir, o.uid, o.gid)
}
