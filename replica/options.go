package replica

import (
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/raft"
)

// defaultNodeID names a node that was given no name: one that is alone.
const defaultNodeID = "node-1"

// Options say what a replica is made of.
type Options struct {
	// FS holds Dir, which the replica has for itself: LOCK, state/ and raft/.
	// Default: the operating system's.
	FS  vfs.FS
	Dir string
	// CacheBytes bounds the store's cache of blocks.
	CacheBytes int64
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// NodeID names the replica among the others, for all time. Default "node-1",
	// for one that is alone.
	NodeID string
	// API is what the server is told; Store, Log and LogStatus are set here.
	API api.Options
	// Tune changes the log's options before they are used; for tests.
	Tune func(*raft.Options)
}

func (o *Options) setDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.NodeID == "" {
		o.NodeID = defaultNodeID
	}
}
