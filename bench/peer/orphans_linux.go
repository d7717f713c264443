package peer

import "syscall"

// endWithUs has the kernel kill a process when this one is gone, however that came:
// by a second Ctrl-C, or by kill -9. (It goes by the thread that started it, and Go
// ends no threads but those that goroutines have locked.)
func endWithUs(attributes *syscall.SysProcAttr) { attributes.Pdeathsig = syscall.SIGKILL }
