//go:build unix && !linux

package peer

import "syscall"

// endWithUs is nothing that this system can do.
func endWithUs(*syscall.SysProcAttr) {}
