package main

import (
	"fmt"
	"sync"
	"time"
)

// progressEvery is how often a person is shown how far an import has come.
const progressEvery = 200 * time.Millisecond

// showProgress keeps a line about what is done up to date, on a terminal only,
// until the returned function is called.
func (i *importer) showProgress(done string) (stop func()) {
	return i.terminal.showProgress(func(elapsed time.Duration) string {
		return progressText(done, i.imported.Load(), elapsed)
	})
}

// showProgress keeps a line up to date, on a terminal only, until the returned
// function is called.
func (t *terminal) showProgress(text func(elapsed time.Duration) string) (stop func()) {
	if !t.interactive() {
		return func() {}
	}
	stopped := make(chan struct{})
	var shown sync.WaitGroup
	shown.Go(func() {
		started := time.Now()
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-stopped:
				fmt.Fprint(t.diag, "\r\x1b[K")
				return
			case <-ticker.C:
				fmt.Fprint(t.diag, "\r\x1b[K"+text(time.Since(started)))
			}
		}
	})
	return func() {
		close(stopped)
		shown.Wait()
	}
}

func progressText(done string, tuples int64, elapsed time.Duration) string {
	rate := float64(tuples) / max(elapsed.Seconds(), 0.001)
	return fmt.Sprintf("%d tuples %s, %.0f tuples/s", tuples, done, rate)
}
