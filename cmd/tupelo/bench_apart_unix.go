//go:build unix

package main

import "syscall"

// apart has a process start in a group of its own, so that Ctrl-C reaches bench and
// not the server under it, which bench stops when it has measured.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
