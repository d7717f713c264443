package replica

import (
	"context"

	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/raft"
)

// node is what this node answers others. Until the log is open it is in term 0,
// which no leader takes for agreement.
func (r *Replica) node() peer.Node {
	return peer.Node{
		Term: func() uint64 {
			if log := r.late.now(); log != nil {
				return log.Term()
			}
			return 0
		},
		ReadIndex: func(ctx context.Context) (uint64, error) {
			log, err := r.leads()
			if err != nil {
				return 0, err
			}
			return log.LeaderReadIndex(ctx)
		},
		Leader: func() (raft.Member, bool) {
			if log := r.late.now(); log != nil {
				return log.Leader()
			}
			return raft.Member{}, false
		},
		Status: r.status,
		Join:   r.admit,
		Leave:  r.dismiss,
	}
}

// status says how this node is. One that looks for those it is to begin with has
// no log, and names them as the members; any other has none until its log is open,
// since an empty one would be taken for that.
func (r *Replica) status(context.Context) (peer.Status, error) {
	s := peer.Status{
		Address: r.self().Address, Version: r.options.Version,
		Format: r.store.Format(), MaxFormat: r.options.maxFormat,
	}
	log, looking := r.late.now(), r.founding.Load()
	switch {
	case log != nil:
		s.Status = log.Status()
	case looking != nil:
		s.NodeID, s.Role, s.Members = r.options.NodeID, "follower", looking.get()
	default:
		return peer.Status{}, noLeader("this node is starting")
	}
	s.DiskBytes = r.store.Metrics().DiskBytes + uint64(max(0, s.LogBytes))
	if usage, err := r.options.FS.GetDiskUsage(r.options.Dir); err == nil {
		s.DiskFreeBytes = usage.AvailBytes
	}
	return s, nil
}
