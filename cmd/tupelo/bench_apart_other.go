//go:build !unix

package main

import "syscall"

// apart has a process start as any other: there are no groups here.
func apart() *syscall.SysProcAttr { return nil }
