//go:build !linux

package clustertest

import (
	"errors"
	"os/exec"
	"syscall"
)

var errNotLinux = errors.New("this needs Linux")

func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func startInside(*exec.Cmd) error { return errNotLinux }

func mountSmallDisk(string, int) error { return errNotLinux }

func unmount(string) error { return errNotLinux }

type room struct {
	thread
	name, address string
}

func newRoom(_, _ string, _ bool) (*room, error) { return nil, errNotLinux }

func connect(_, _ *room) error { return errNotLinux }

func (r *room) cut(*room) error { return errNotLinux }

func (r *room) cutOneWay(*room) error { return errNotLinux }

func (r *room) mend(*room) error { return errNotLinux }
