package store

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestTheApplyGoesOnWhileACheckpointWaitsForTheDisk stops the disk where a
// checkpoint flushes, and then where it copies.
func TestTheApplyGoesOnWhileACheckpointWaitsForTheDisk(t *testing.T) {
	for place, waitsAt := range map[string]string{"the flush": ".sst", "the copy": "/snapshot"} {
		t.Run(place, func(t *testing.T) {
			var armed atomic.Bool
			reached, released := make(chan struct{}), make(chan struct{})
			fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
				if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && strings.Contains(op.Path, waitsAt) {
					if armed.CompareAndSwap(true, false) {
						close(reached)
					}
					<-released
				}
				return nil
			}))
			h := &history{t: t, store: openTest(t, fs)}
			h.must(gitclub())
			at := h.revision
			armed.Store(true)
			done := make(chan error, 1)
			go func() { done <- h.store.Checkpoint(t.Context(), "/snapshot", at) }()
			<-reached
			applied := make(chan struct{})
			go func() {
				defer close(applied)
				for i := range 100 {
					h.must(h.write(Touch, fmt.Sprintf("repository:r%d#reader@user:a", i)))
				}
			}()
			select {
			case <-applied:
			case <-time.After(time.Minute):
				t.Error("the apply waits for the checkpoint")
			}
			close(released)
			if err := <-done; err != nil {
				t.Error(err)
			}
			<-applied
			if err := h.store.Restore("/snapshot"); err != nil || h.store.Applied() < at {
				t.Errorf("the checkpoint has revision %d, %v; want at least %d", h.store.Applied(), err, at)
			}
		})
	}
}

func TestACheckpointAheadOfTheStateIsRefused(t *testing.T) {
	h := newHistory(t)
	h.must(gitclub())
	var ahead *NotAppliedError
	if err := h.store.Checkpoint(t.Context(), "/snapshot", h.revision+1); !errors.As(err, &ahead) || ahead.Applied != h.revision {
		t.Errorf("got %v", err)
	}
	if _, err := h.store.options.FS.Stat("/snapshot"); err == nil {
		t.Error("it left something behind")
	}
}
