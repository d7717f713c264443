package raft

import (
	"encoding/binary"
	"fmt"

	hraft "github.com/hashicorp/raft"
)

// hashicorp/raft takes up to maxBatch entries out of the log at a time, for a
// follower that lacks them or to apply them, whatever their size: gigabytes of
// commands that are large. So it is given large commands without their data
// (deferred), and the data is read as entries are sent or applied, as much as
// memory may hold at a time (R12).
//
// An entry without its data says so in its Extensions, which are kept in memory
// only: a byte, and how many bytes the data has. Raft itself looks into the data
// of memberships alone, and those are never deferred.

const (
	// deferBytes is how large a command is at most that comes with its data.
	deferBytes = 16 << 10
	// loadBytes bounds the data of one message, and of one apply, unless a single
	// command is larger. A follower is sent two messages at a time.
	loadBytes = 16 << 20

	deferredMark   = 'd'
	deferralLength = 1 + 8
)

// deferral is what stands for the data.
func deferral(size int) []byte {
	return binary.BigEndian.AppendUint64([]byte{deferredMark}, uint64(size))
}

// isDeferred reports whether an entry is without its data. A proposal's ticket is
// of another length.
func isDeferred(l *hraft.Log) bool {
	return len(l.Extensions) == deferralLength && l.Extensions[0] == deferredMark
}

// dataBytes is how many bytes the data of an entry has, wherever it is.
func dataBytes(l *hraft.Log) int {
	if isDeferred(l) {
		return int(binary.BigEndian.Uint64(l.Extensions[1:]))
	}
	return len(l.Data)
}

// load reads the data of the first entries, as many as memory may hold at a time
// and one at least, and returns how many they are.
func (s *logStore) load(logs []*hraft.Log) (int, error) {
	total := 0
	for i, l := range logs {
		total += dataBytes(l)
		if total > loadBytes && i > 0 {
			return i, nil
		}
		if !isDeferred(l) {
			continue
		}
		var whole hraft.Log
		if err := s.entry(l.Index, &whole); err != nil {
			return 0, err
		}
		if whole.Term != l.Term {
			return 0, fmt.Errorf("log entry %d of term %d: %w: another has overruled it", l.Index, l.Term, hraft.ErrLogNotFound)
		}
		*l = whole
	}
	return len(logs), nil
}

// unload lets go of what load has read; proposals keep what they came with.
func unload(logs []*hraft.Log) {
	for _, l := range logs {
		if len(l.Data) > deferBytes && len(l.Extensions) == 0 {
			l.Data = nil
		}
	}
}
