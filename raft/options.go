package raft

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// StateMachine is what the log drives.
//
// Apply and Restore are never called concurrently with each other; Applied and
// Checkpoint may be called at any time.
type StateMachine interface {
	// Apply applies committed commands in order and returns one result for
	// each; indexes[i] is the log index of commands[i]. An error means that the
	// machine cannot go on (its disk failed): the node stops answering and
	// applies nothing more. The slices are the caller's again when it returns.
	Apply(indexes []uint64, commands [][]byte) (results []any, err error)
	// Applied is the index of the last applied command; 0 for none. It counts
	// commands only, not raft's own entries. It survives restarts as a prefix:
	// after a crash it may be behind what Apply had returned.
	Applied() uint64
	// Checkpoint writes a durable, self-contained copy of the state into dir,
	// which does not exist yet, with at least the commands up to atLeast
	// applied; it may be ahead. When it returns, the live state is durable up
	// to atLeast too.
	Checkpoint(ctx context.Context, dir string, atLeast uint64) error
	// Restore replaces the live state by the checkpoint in dir, atomically
	// across crashes, and durably. It leaves dir as it is. It fails, and
	// leaves the live state as it was, if the checkpoint cannot be read.
	Restore(dir string) error
}

// Options says what a node is made of. Numbers left zero take the default.
type Options struct {
	// FS is where Dir is. Default: the operating system's.
	FS vfs.FS
	// Dir is the node's directory for log and snapshots. Required. The state
	// machine's own directory must be another one.
	Dir string
	// StateMachine is what the log drives. Required.
	StateMachine StateMachine
	// NodeID names this node for all time. Required.
	NodeID string
	// Transport carries raft's messages, and is closed with the node. It must
	// know the pre-vote. Nil: none, for a lone voter.
	Transport hraft.Transport
	// Members is the membership a new log begins with, the same on every node
	// that begins it; this node is one of them, at its transport's address. It
	// is not looked at once there is a log. With a Transport and no Members a
	// new node waits until a leader has been told to add it.
	Members []Member
	// Peers asks other nodes what this package asks. Required with a Transport.
	Peers Peers
	// LeaderCommand makes the command that is proposed first in every term this
	// node leads. Its application is what proves that the node has caught up
	// with all earlier terms, so it must be a command the state machine takes
	// even if it changes nothing. Required.
	LeaderCommand func() []byte
	// Logger takes what raft and Pebble have to say. Default: slog.Default().
	Logger *slog.Logger

	// MaxCommandBytes bounds one command. Default 8 MiB.
	MaxCommandBytes int
	// MaxInFlight bounds the proposals whose outcome is not known yet; further
	// ones are refused at once with ErrOverloaded, because a queue behind a
	// queue only hides the wait. Default 1,000; at most 1,023.
	MaxInFlight int
	// MaxInFlightBytes bounds the bytes of those proposals. Default 64 MiB.
	MaxInFlightBytes int

	// SnapshotLogBytes is how much log is written before the next snapshot is
	// taken and the log truncated. It bounds the disk the log takes and the
	// replay after a power loss, not the restart after a clean stop. Default 64 MiB.
	SnapshotLogBytes int64
	// SnapshotLogEntries is the same bound in entries. Default 1,048,576.
	SnapshotLogEntries uint64
	// SnapshotRetry is the pause after a snapshot that failed. Default 10 s.
	SnapshotRetry time.Duration
	// SnapshotsKept is how many snapshots stay on disk. An older one is only of
	// use while the log still reaches back to it (TrailingLogs), and holds on
	// to disk space the live state has given back. Default 1.
	SnapshotsKept int
	// TrailingLogs is how many entries before the last one truncation leaves at
	// least. Default 0: a lone voter has no followers, and for those of others
	// the log reaches back further than that anyway; see Node.keepLogAfter.
	TrailingLogs uint64

	// HeartbeatTimeout is how long a follower hears nothing from a leader before
	// it stands for election, after one to three times as long. A lone voter does
	// not wait for it at the start. Default 600 ms, with which another leader
	// takes commands two seconds after the last one's death; on less, a busy
	// machine has elections without need.
	HeartbeatTimeout time.Duration
	// ElectionTimeout is how long a candidate waits for votes; at least
	// HeartbeatTimeout, which is the default.
	ElectionTimeout time.Duration
	// LeaderLease is how long a leader goes on without hearing from a quorum;
	// at most HeartbeatTimeout. No answer depends on it. Default 500 ms.
	LeaderLease time.Duration

	faults faults
}

// faults are ways to break the package's promises one at a time. Only tests set
// them, to see that the tests would notice.
type faults struct {
	ackBeforeSync        bool // R1: the log's batches are not synced
	countUnsynced        bool // R1: a leader commits what it has sent and not synced
	applyTwice           bool // R2: entries the state has are applied again
	declareBeforeDurable bool // R3: a snapshot is declared before the checkpoint exists
	trustSnapshotIndex   bool // R4: raft starts at the newest snapshot, whatever the state has
	unknownAsNotDone     bool // R5: lost leadership is reported as not done
	wakeBeforeApply      bool // R6: the watermark moves before the state machine has run
	applyOnAfterFailure  bool // R7: later batches are applied after one failed
	skipArchiveChecksums bool // R8: checksums of a received archive are not compared
	takeLateSnapshots    bool // R8: a snapshot of less than the node has is installed
	readIndexWithoutTerm bool // R6: ReadIndex answers before this term's command is applied
	skipProof            bool // R9: a leader takes itself for one
	trustVerifyLeader    bool // R9: hashicorp/raft's VerifyLeader is the proof
	refuseLatecomers     bool // R9: a proof stands for who comes to wait after it has begun
	shareLateRounds      bool // R9: a read joins a round that has begun
	keepGateShut         bool // R10: a transfer that fails leaves commands held
	neverStand           bool // R13: who has no vote in its newest membership does not stand
}

// maxBatch is the most entries that go into one batch of the log, one batch of
// the state machine and one message to a follower. hashicorp/raft allows no more.
const maxBatch = 1024

// withDefaults fills in what is left zero and checks the rest.
func (o Options) withDefaults() (Options, error) {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	orDefault(&o.MaxCommandBytes, 8<<20)
	orDefault(&o.MaxInFlight, 1000)
	orDefault(&o.MaxInFlightBytes, 64<<20)
	orDefault(&o.SnapshotLogBytes, 64<<20)
	orDefault(&o.SnapshotLogEntries, 1<<20)
	orDefault(&o.SnapshotRetry, 10*time.Second)
	orDefault(&o.SnapshotsKept, 1)
	orDefault(&o.HeartbeatTimeout, 600*time.Millisecond)
	orDefault(&o.ElectionTimeout, o.HeartbeatTimeout)
	orDefault(&o.LeaderLease, min(500*time.Millisecond, o.HeartbeatTimeout))
	return o, o.validate()
}

func orDefault[T int | int64 | uint64 | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

func (o *Options) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", ErrOptions, fmt.Sprintf(format, args...))
	}
	switch {
	case o.Dir == "":
		return bad("Dir is required")
	case o.StateMachine == nil:
		return bad("StateMachine is required")
	case o.NodeID == "":
		return bad("NodeID is required")
	case o.LeaderCommand == nil:
		return bad("LeaderCommand is required")
	case o.Transport != nil && o.Peers == nil:
		return bad("Peers is required with a Transport")
	case o.MaxInFlight < 0 || o.MaxInFlight >= maxBatch:
		// One place in raft's queue is kept for the leader command, so that
		// handing a proposal over never blocks.
		return bad("MaxInFlight is %d; it must be between 1 and %d", o.MaxInFlight, maxBatch-1)
	case o.MaxCommandBytes < 0 || o.MaxInFlightBytes < o.MaxCommandBytes:
		return bad("MaxInFlightBytes (%d) must be at least MaxCommandBytes (%d)", o.MaxInFlightBytes, o.MaxCommandBytes)
	case o.SnapshotLogBytes < 0 || o.SnapshotsKept < 0 || o.SnapshotRetry < 0:
		return bad("the snapshot options must not be negative")
	}
	if err := o.validateMembers(); err != nil {
		return bad("%v", err)
	}
	// What is left are the timeouts, and hashicorp/raft has rules for them.
	if err := hraft.ValidateConfig(o.raftConfig(nil)); err != nil {
		return bad("%v", err)
	}
	return nil
}
