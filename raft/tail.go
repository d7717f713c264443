package raft

import (
	"sync"

	hraft "github.com/hashicorp/raft"
)

const (
	// tailEntries is how many of the newest entries are kept as they came.
	tailEntries = 1024
	// tailDataBytes is how large one may be for that. So a tail holds 2 MiB at most.
	tailDataBytes = 2 << 10
)

// tail is the newest entries of the log. Each is asked for once by each follower that
// it goes to, and once more where it is applied, and all that soon after it was stored.
//
// What is in the place of an index may be an entry of another index, or one that was
// overruled: but an entry is put in its place before the log holds its index.
type tail struct {
	mu      sync.Mutex
	entries [tailEntries]hraft.Log
}

func (t *tail) put(logs []*hraft.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, l := range logs {
		place := &t.entries[l.Index%tailEntries]
		*place = hraft.Log{}
		if len(l.Data) <= tailDataBytes {
			*place = *l
			place.Extensions = nil // as where it is read from the disk, see entry.go
			place.AppendedAt = l.AppendedAt.Round(0)
			if len(l.Data) == 0 {
				place.Data = nil
			}
		}
	}
}

// get returns whether it has an entry that the log holds.
func (t *tail) get(index uint64, l *hraft.Log) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if place := &t.entries[index%tailEntries]; place.Index == index {
		*l = *place
		return true
	}
	return false
}
