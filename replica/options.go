package replica

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
	"github.com/tupelodb/tupelo/store"
)

// defaultNodeID names a node that was given no name: one that is alone.
const defaultNodeID = "node-1"

// maxNodeIDBytes bounds NodeID; other nodes refuse a longer one.
const maxNodeIDBytes = 256

// Options say what a replica is made of. Numbers left zero take the default.
type Options struct {
	// FS holds Dir, which the replica has for itself: LOCK, state/ and raft/.
	// Default: the operating system's.
	FS  vfs.FS
	Dir string
	// Memory takes the place of FS and Dir: the replica begins with nothing, and
	// keeps nothing. It is no place for a vote.
	Memory bool
	// CacheBytes bounds the store's cache of blocks.
	CacheBytes int64
	// TuplesetCacheBytes bounds the memory for decoded tuplesets, which answer
	// checks without the blocks; exact at every revision. 0 is none: what memory a
	// process can spare is for who runs it to say.
	TuplesetCacheBytes int64
	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Version is that of the program, for the status.
	Version string
	// API is what the server is told. What it has of this package's (Store, Log,
	// LogStatus, NodeID, Cluster) is set here.
	API api.Options

	// NodeID names the replica among the others, for all time. Default "node-1",
	// for one that is alone; a ReadReplica must have one.
	NodeID string
	// Peer is the port that other nodes reach this one by; its NodeID and Logger
	// are set here. Nil: there are no others.
	Peer *peer.Options
	// Join are addresses of other nodes' ports. A replica that is not yet what it
	// is to be in their cluster asks them for it until it is.
	Join []string
	// BootstrapExpect has the replica make a new cluster together with the nodes
	// at Join, which are told the same: that many voters, itself included. Once
	// it is in a cluster this means nothing.
	BootstrapExpect int
	// ReadReplica has the replica join without a vote.
	ReadReplica bool
	// LeaveOnClose has Close end the replica's membership, for one that will not
	// come back.
	LeaveOnClose bool
	// DeadAfter is how long a member answers nothing until it is removed: a read
	// replica in any case, a voter as long as MinVoters are left. Default 24 h;
	// negative: never.
	DeadAfter time.Duration
	// MinVoters is how many voters are left at least when dead ones are removed.
	// Default 3.
	MinVoters int

	// Wiring takes the place of Peer, for simulations.
	Wiring *Wiring
	// Tune changes the log's options before they are used; for tests.
	Tune func(*raft.Options)

	// stableAfter is how long a member that wants a vote must have been well until
	// it has it, and steerEvery how often the leader looks after the members.
	stableAfter, steerEvery time.Duration
	// maxFormat has the replica know formats up to it only, for tests of upgrades.
	maxFormat uint64
}

// Wiring is a network that somebody else makes, between replicas in one process.
// It has no discovery and no look after the members: changes are made by
// [Replica.Log].
type Wiring struct {
	// Transport carries the log's messages.
	Transport hraft.Transport
	// Peers asks other replicas what the log asks.
	Peers raft.Peers
	// Conn makes calls of another replica's server.
	Conn func(raft.Member) grpc.ClientConnInterface
	// Members is what a new log begins with; none has the replica wait to be added.
	Members []raft.Member
}

func (o *Options) setDefaults() error {
	if err := o.placeFiles(); err != nil {
		return err
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.NodeID == "" && !o.ReadReplica {
		o.NodeID = defaultNodeID
	}
	if o.MinVoters == 0 {
		o.MinVoters = 3
	}
	if o.maxFormat == 0 {
		o.maxFormat = store.MaxFormat
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&o.DeadAfter, 24 * time.Hour}, {&o.stableAfter, 2 * time.Second}, {&o.steerEvery, time.Second}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return o.validate()
}

// placeFiles decides where the replica has its files.
func (o *Options) placeFiles() error {
	switch {
	case o.Memory && (o.FS != nil || o.Dir != ""):
		return badOption("Memory takes the place of FS and Dir")
	case o.Memory && o.Peer != nil && !o.ReadReplica:
		return badOption("Memory loses what a voter has promised: of several nodes it is for a ReadReplica")
	case o.Memory:
		o.FS, o.Dir = vfs.NewMem(), "tupelo"
	case o.FS == nil:
		o.FS = vfs.Default
	}
	return nil
}

// validate looks for what can only be a mistake.
func (o *Options) validate() error {
	switch {
	case o.Dir == "":
		return badOption("Dir is required, or Memory")
	case o.NodeID == "":
		return badOption("a ReadReplica needs a NodeID of its own, by which the others know it")
	case len(o.NodeID) > maxNodeIDBytes:
		return badOption("NodeID has %d bytes, %d are allowed", len(o.NodeID), maxNodeIDBytes)
	case o.MinVoters < 0 || o.BootstrapExpect < 0:
		return badOption("MinVoters and BootstrapExpect must not be negative")
	case o.Wiring != nil && (o.Peer != nil || len(o.Join) > 0 || o.BootstrapExpect > 0 || o.LeaveOnClose):
		return badOption("Wiring takes the place of Peer, Join, BootstrapExpect and LeaveOnClose")
	case o.Peer == nil && o.Wiring == nil && (len(o.Join) > 0 || o.BootstrapExpect > 0 || o.ReadReplica || o.LeaveOnClose):
		return badOption("a cluster is joined or made by Peer, which is missing")
	case o.ReadReplica && o.BootstrapExpect > 0:
		return badOption("BootstrapExpect is for voters; a ReadReplica joins those that there are")
	case o.BootstrapExpect > len(o.Join)+1:
		return badOption("BootstrapExpect is %d, and Join has only %d addresses of others", o.BootstrapExpect, len(o.Join))
	}
	return nil
}

func badOption(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
}
