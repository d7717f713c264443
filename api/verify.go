package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// VerifyReplicas compares what the replicas hold at one revision: all that was
// acknowledged before the call.
func (c *clusterService) VerifyReplicas(ctx context.Context, r *tupelov1.VerifyReplicasRequest) (*tupelov1.VerifyReplicasResponse, error) {
	if err := cmp.Or(c.open(), knownFieldsOnly(r)); err != nil {
		return nil, err
	}
	f, err := c.s.identify(ctx)
	if err != nil {
		return nil, err
	}
	index, err := c.s.readIndex(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.s.await(ctx, index); err != nil {
		return nil, err
	}
	// Not the index itself: it may be of an entry that is no command.
	response := &tupelov1.VerifyReplicasResponse{Zookie: f.zookie(c.s.store.Applied())}
	members := c.members()
	answers := make([]*tupelov1.ReplicaChecksumResponse, len(members))
	errs := askAll(ctx, adminLimit, members, func(ctx context.Context, i int) (err error) {
		answers[i], err = c.checksumOf(ctx, members[i], &tupelov1.ReplicaChecksumRequest{AtExactSnapshot: response.Zookie})
		return err
	})
	response.Equal = len(members) > 0
	for i, m := range members {
		state := &tupelov1.ReplicaState{
			Member: memberMessage(m), Checksum: answers[i].GetChecksum(), Tuples: answers[i].GetTuples(),
		}
		if errs[i] != nil {
			state.Error = errs[i].Error()
		}
		if errs[i] != nil || !bytes.Equal(state.Checksum, answers[0].GetChecksum()) {
			response.Equal = false
		}
		response.Replicas = append(response.Replicas, state)
	}
	return response, nil
}

func (c *clusterService) checksumOf(ctx context.Context, m Member, r *tupelov1.ReplicaChecksumRequest) (*tupelov1.ReplicaChecksumResponse, error) {
	if m.ID == c.s.nodeID {
		return c.ReplicaChecksum(ctx, r)
	}
	return tupelov1.NewClusterServiceClient(c.s.cluster.Conn(m)).ReplicaChecksum(ctx, r)
}

// ReplicaChecksum returns the hash of what this replica holds at a revision.
func (c *clusterService) ReplicaChecksum(ctx context.Context, r *tupelov1.ReplicaChecksumRequest) (*tupelov1.ReplicaChecksumResponse, error) {
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	f, err := c.s.identify(ctx)
	if err != nil {
		return nil, err
	}
	revision, err := readZookie(f, "at_exact_snapshot", r.AtExactSnapshot)
	if err != nil {
		return nil, err
	}
	snapshot, err := c.s.snapshotAt(ctx, f, requirement{atLeast: revision, exact: true})
	if err != nil {
		return nil, err
	}
	defer snapshot.Close()
	sum, tuples, err := checksum(ctx, snapshot)
	if err != nil {
		return nil, c.s.expired(f, err)
	}
	return &tupelov1.ReplicaChecksumResponse{Checksum: sum, Tuples: tuples}, nil
}

// checksum hashes the schema, the numbers of its names, and every tuple with what
// it carries, once in each direction, as a snapshot shows them. Replicas that
// hold the same at its revision have the same sum, wherever each has come since,
// and whatever it has forgotten of the past: so it is none of the bytes on disk,
// which [store.Store.Checksum] is.
func checksum(ctx context.Context, snapshot *store.Snapshot) (sum []byte, tuples uint64, err error) {
	h := stateHash{Hash: sha256.New()}
	stored, err := snapshot.Schema()
	if errors.Is(err, store.ErrNoSchema) {
		return h.Sum(nil), 0, nil // and so no tuples either
	}
	if err != nil {
		return nil, 0, err
	}
	tree, err := schema.Load("", stored.Text)
	if err != nil {
		return nil, 0, err
	}
	h.number(stored.Revision)
	h.text([]byte(stored.Text))
	h.names(snapshot.Names(), tree)
	if tuples, err = h.tuples(ctx, snapshot, tuple.Filter{}); err != nil {
		return nil, 0, err
	}
	for _, d := range tree.Definitions {
		// A filter by the subject's side alone is read from the reverse keys.
		if _, err := h.tuples(ctx, snapshot, tuple.Filter{SubjectType: d.Name}); err != nil {
			return nil, 0, err
		}
	}
	return h.Sum(nil), tuples, nil
}

// stateHash is a hash with the parts of a state in it, so that no two states are
// spelled the same.
type stateHash struct {
	hash.Hash
	buf []byte
}

func (h *stateHash) number(n uint64) {
	h.buf = binary.BigEndian.AppendUint64(h.buf[:0], n)
	h.Write(h.buf)
}

func (h *stateHash) text(text []byte) {
	h.number(uint64(len(text)))
	h.Write(text)
}

// names adds the numbers of a schema's names.
func (h *stateHash) names(names *tuple.Names, tree *schema.Schema) {
	for _, d := range definitionsOf(tree) {
		t, _ := names.Type(d.Type)
		h.number(uint64(t))
		for _, name := range d.Relations {
			relation, _ := names.Relation(t, name)
			h.number(uint64(relation))
		}
	}
	for _, name := range caveatsOf(tree) {
		caveat, _ := names.Caveat(name)
		h.number(uint64(caveat))
	}
}

// checksumPage is how many tuples are read at a time.
const checksumPage = 1000

// tuples adds the tuples that a filter selects, and their number.
func (h *stateHash) tuples(ctx context.Context, snapshot *store.Snapshot, filter tuple.Filter) (count uint64, err error) {
	var next []byte
	for {
		if err := ctx.Err(); err != nil { // a page is too short for Read to look
			return 0, err
		}
		var page []tuple.Tuple
		if page, next, err = snapshot.Read(ctx, filter, next, checksumPage); err != nil {
			return 0, err
		}
		for i := range page {
			h.tuple(&page[i])
		}
		count += uint64(len(page))
		if next == nil {
			h.number(count)
			return count, nil
		}
	}
}

func (h *stateHash) tuple(t *tuple.Tuple) {
	b := binary.BigEndian.AppendUint16(h.buf[:0], uint16(t.Object.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(t.Relation))
	b = binary.BigEndian.AppendUint16(b, uint16(t.Subject.Type))
	b = binary.BigEndian.AppendUint16(b, uint16(t.Subject.Relation))
	b = binary.BigEndian.AppendUint16(b, uint16(t.Traits.Caveat))
	b = binary.BigEndian.AppendUint64(b, uint64(t.Traits.ExpiresNanos))
	for _, text := range [][]byte{t.Object.ID, t.Subject.ID, t.Traits.Context} {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...)
	}
	h.buf = b
	h.Write(b)
}
