package broken

// Promise is something the product promises.
type Promise struct{ text string }

// String says what is promised.
func (p Promise) String() string { return p.text }

// The promises that can be broken.
var (
	// SyncBeforeAcknowledging (raft): a write is acknowledged only once it is on
	// the disks of a majority.
	SyncBeforeAcknowledging = Promise{"acknowledged is synced"}
	// OwnDiskCounted (raft): a leader counts itself among those who have an entry
	// only once it is on its own disk. Broken, it does as soon as it has sent it.
	OwnDiskCounted = Promise{"a leader is counted with its disk"}
	// LateSnapshotRefused (raft): a snapshot that comes when the node has more
	// already is not installed.
	LateSnapshotRefused = Promise{"a late snapshot takes nothing away"}
	// DepartureIsEnded (raft): a leader without a vote in its newest membership can
	// be elected until that is committed.
	DepartureIsEnded = Promise{"a departure is brought to its end"}
	// OwnProof (raft): a leader asks the voters, after the question came, whether
	// it still leads. Broken, it trusts hashicorp/raft's VerifyLeader.
	OwnProof = Promise{"a leader proves that it leads"}
	// WakeAfterApply (raft): who waits for a revision is woken when the state has it.
	WakeAfterApply = Promise{"a wait ends after the apply"}
	// UnknownIsSaid (raft): a command that may be done is not called not done.
	UnknownIsSaid = Promise{"an unknown outcome is said to be one"}
	// AppliedIndex (raft, store): after a restart commands go on where the state
	// is. Broken, they go on where the newest snapshot is, and what the state has
	// already is not looked at.
	AppliedIndex = Promise{"what is applied is not applied again, nor skipped"}
	// ZookieWait (api): an answer waits for the revision of the zookie.
	ZookieWait = Promise{"an answer waits for its zookie"}
	// SchemaOfRevision (api): an answer is by the schema of its own revision.
	// Broken, the first after a change of the schema is by the one before.
	SchemaOfRevision = Promise{"the schema is that of the answer's revision"}
	// OncePerKey (store): a command is done once under its idempotency key.
	OncePerKey = Promise{"an idempotency key is good for once"}
	// EndedFirst (store): what a cache has of changed tuplesets is ended before
	// readers get the revision.
	EndedFirst = Promise{"a tupleset is ended before its change is seen"}
	// LoadsEnded (store): so are tuplesets that are being loaded.
	LoadsEnded = Promise{"a load that a change overtakes is ended"}
	// GroupStepsEnded (store): what is kept of the groups of a subject is ended when
	// its own memberships change.
	GroupStepsEnded = Promise{"what is kept of groups is ended by a change of memberships"}
	// GroupEdgesSeen (store): who looks it up sees what changed between groups.
	GroupEdgesSeen = Promise{"a change between groups is seen by who looks up what follows"}
	// GroupsNotBehind (store): nothing is kept of groups that was read before a
	// change which is applied already.
	GroupsNotBehind = Promise{"what is kept of groups was read after the last change"}
)
