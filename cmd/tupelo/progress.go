package main

import (
	"fmt"
	"sync"
	"time"
)

// progressEvery is how often a person is shown how far an import has come.
const progressEvery = 200 * time.Millisecond

// showProgress keeps a line about the import up to date, on a terminal only,
// until the returned function is called.
func (i *importer) showProgress() (stop func()) {
	t := i.terminal
	if !t.interactive() {
		return func() {}
	}
	done := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		started := time.Now()
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				fmt.Fprint(t.diag, "\r\x1b[K")
				return
			case <-ticker.C:
				fmt.Fprint(t.diag, "\r\x1b[K"+progressText(i.imported.Load(), time.Since(started)))
			}
		}
	})
	return func() {
		close(done)
		shown.Wait()
	}
}

func progressText(imported int64, elapsed time.Duration) string {
	rate := float64(imported) / max(elapsed.Seconds(), 0.001)
	return fmt.Sprintf("%d tuples imported, %.0f tuples/s", imported, rate)
}
