package raft

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	hraft "github.com/hashicorp/raft"
)

// A leader sends entries to its followers while its own disk syncs them, so that
// a write waits for one sync and not for two, one after the other. hashicorp/raft
// counts an entry as the leader's own as soon as StoreLogs returns, so:
//
//	StoreLogs ──▶ in the log, not synced ──▶ raft sends it ──▶ a follower has it
//	                    │ synced                                    │ says so
//	                    └──────────────▶ awaitSynced ◀──────────────┘
//	                                         │
//	                                         ▼
//	                              raft hears of it, and may commit
//
// No answer of a follower about an entry reaches raft before the entry is on this
// node's own disk. Where an entry needs at least one answer to be committed, what
// is committed is then on the disks of the majority that raft has counted. Where
// it needs none, or where it changes who is counted, StoreLogs waits for the sync.
//
// A leader that is one no longer has told nobody that it has those entries: who
// leads after it is in a later term, and a node that enters one syncs it to the same
// write-ahead log as its entries, behind them, before it answers.

// unsynced is the batches that are stored and on their way to the disk, oldest
// first. Proposals bound them: who made one waits until it is synced and applied.
type unsynced struct {
	mu      sync.Mutex
	batches []*unsyncedBatch
	waits   sync.WaitGroup // for Pebble, one a batch
}

type unsyncedBatch struct {
	first uint64        // its first entry
	done  chan struct{} // closed when it is synced, or when that has failed
}

// add lets a batch count as unsynced until wait returns.
func (u *unsynced) add(first uint64, wait func()) {
	b := &unsyncedBatch{first: first, done: make(chan struct{})}
	u.mu.Lock()
	u.batches = append(u.batches, b)
	u.mu.Unlock()
	u.waits.Go(func() {
		wait()
		u.mu.Lock()
		u.batches = slices.DeleteFunc(u.batches, func(other *unsyncedBatch) bool { return other == b })
		u.mu.Unlock()
		close(b.done)
	})
}

// before returns a batch with entries up to index; nil if there is none.
func (u *unsynced) before(index uint64) *unsyncedBatch {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, b := range u.batches {
		if b.first <= index {
			return b
		}
	}
	return nil
}

// awaitSynced returns once every entry up to index is on the disk. It reports
// false if that has failed, or if quit was closed before.
func (s *logStore) awaitSynced(index uint64, quit <-chan struct{}) bool {
	for {
		b := s.unsynced.before(index)
		if b == nil {
			return s.failed() == nil
		}
		select {
		case <-b.done:
		case <-quit:
			return false
		}
	}
}

// commitEarly writes a batch of entries and does not wait for the sync.
func (s *logStore) commitEarly(first uint64, fill func(*pebble.Batch) error) error {
	return s.write(fill, func(b *pebble.Batch) error {
		if err := s.db.ApplyNoSyncWait(b, s.writes); err != nil {
			return err
		}
		s.unsynced.add(first, func() {
			err := b.SyncWait()
			if err == nil {
				err = b.Close()
			}
			if err != nil {
				_ = s.fail(fmt.Errorf("write the raft log: %w", err))
			}
		})
		return nil
	})
}

// sendsEarly reports whether entries may be sent before they are synced: this node
// leads, and no majority is one without another node's answer.
//
// Raft calls StoreLogs in the goroutine that also ends its leadership, and there
// goes by the newest membership, so neither changes meanwhile.
func (n *Node) sendsEarly(logs []*hraft.Log) bool {
	if n.raft.State() != hraft.Leader || n.options.faults.ackBeforeSync {
		return false
	}
	for _, l := range logs {
		if l.Type == hraft.LogConfiguration {
			return false
		}
	}
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		if s.Suffrage == hraft.Voter && string(s.ID) != n.options.NodeID {
			return true
		}
	}
	return false
}
