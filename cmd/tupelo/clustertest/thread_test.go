package clustertest

import "runtime"

// thread is a thread of the operating system that does what it is asked, one
// thing after the other, and ends with this process. Its children end with it, and
// have its namespaces.
type thread chan func()

// newThread returns a thread that has done what prepares it.
func newThread(prepare func() error) (thread, error) {
	t := make(thread)
	go func() {
		runtime.LockOSThread()
		for f := range t {
			f()
		}
	}()
	return t, t.do(prepare)
}

// do has the thread do something, and waits for it.
func (t thread) do(f func() error) error {
	done := make(chan error)
	t <- func() { done <- f() }
	return <-done
}
