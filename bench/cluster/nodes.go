package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/internal/ports"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/store/tuple"
)

// patience is how long anything may take that is not measured by itself.
const patience = time.Minute

// member is one node, with a client of it.
type member struct {
	*replica.Replica
	tupelov1.TupeloClient
	conn   *grpc.ClientConn
	served chan error // what serving came to
	stop   context.CancelFunc
}

// cluster is nodes that are one.
type cluster struct {
	dir     string
	disk    vfs.FS // holds dir
	members []*member
}

// openCluster has n new nodes make a cluster, with GitClub's schema.
func (s *session) openCluster(n int, disk vfs.FS) (_ *cluster, err error) {
	c := &cluster{dir: filepath.Join(s.dir, fmt.Sprintf("cluster-of-%d", n)), disk: disk, members: make([]*member, n)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	addresses, err := ports.Take(n)
	if err != nil {
		return nil, err
	}
	opened := make(chan error, n)
	for i := range n {
		go func() {
			var err error
			c.members[i], err = openMember(s.ctx, replica.Options{
				FS: disk, Dir: filepath.Join(c.dir, fmt.Sprintf("n%d", i+1)), NodeID: fmt.Sprintf("n%d", i+1),
				Peer: &peer.Options{Address: addresses[i]}, Join: addresses, BootstrapExpect: n,
				API: api.Options{WaitLimit: patience},
			})
			opened <- err
		}()
	}
	for range n {
		err = errors.Join(err, <-opened)
	}
	if err != nil {
		return nil, err
	}
	for _, m := range c.members {
		if err := m.awaitReady(s.ctx); err != nil {
			return nil, err
		}
	}
	_, err = c.leader().WriteSchema(s.ctx, &tupelov1.WriteSchemaRequest{Text: dataset.GitClubSchema})
	return c, err
}

func openMember(ctx context.Context, o replica.Options) (_ *member, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	r, err := replica.Open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", o.NodeID, err)
	}
	m := &member{Replica: r, served: make(chan error, 1), stop: func() {}}
	defer func() {
		if err != nil {
			err = errors.Join(err, m.close())
		}
	}()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.served <- nil
		return nil, err
	}
	serving, stop := context.WithCancel(context.Background())
	m.stop = stop
	go func() { m.served <- r.Server().Serve(serving, listener) }()
	m.conn, err = grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	m.TupeloClient = tupelov1.NewTupeloClient(m.conn)
	return m, nil
}

func (m *member) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	_, err := m.Ready(ctx)
	return err
}

func (m *member) close() (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if m.conn != nil {
		err = m.conn.Close()
	}
	m.stop()
	return errors.Join(err, <-m.served, m.Close(ctx))
}

// close closes the nodes and removes their disks.
func (c *cluster) close() (err error) {
	for _, m := range c.members {
		if m != nil {
			err = errors.Join(err, m.close())
		}
	}
	return errors.Join(err, os.RemoveAll(c.dir))
}

func leads(m *member) bool { return m.Log().Status().Serving }

// leader returns the node that leads; the first one while none does, whose calls
// then wait for one.
func (c *cluster) leader() *member {
	return c.members[max(0, slices.IndexFunc(c.members, leads))]
}

// follower returns a node that does not lead.
func (c *cluster) follower() *member {
	return c.members[slices.IndexFunc(c.members, func(m *member) bool { return !leads(m) })]
}

// addresses are where the nodes reach each other.
func (c *cluster) addresses() (list []string) {
	for _, m := range c.members {
		list = append(list, m.Address())
	}
	return list
}

// withTuples returns the cluster of three that holds the data set.
func (s *session) withTuples() (*cluster, error) {
	if s.loaded != nil {
		return s.loaded, nil
	}
	c, err := s.openCluster(3, vfs.Default)
	if err != nil {
		return nil, err
	}
	s.loaded = c
	begun := time.Now()
	count, err := c.load(s.ctx, s.tuples)
	if err != nil {
		return nil, fmt.Errorf("loading: %w", err)
	}
	return c, s.report.add(figure{
		Measure: "load", Case: fmt.Sprintf("%d tuples, 3 nodes, 1,000 to a write", count),
		Value: float64(count) / time.Since(begun).Seconds(), Unit: "tuples/s",
	})
}

const (
	// loadUpdates is what one write carries: the API's limit.
	loadUpdates = 1000
	// loadInFlight is how many writes a load has under way.
	loadInFlight = 8
)

// load writes GitClub's tuples, and returns how many once every node has them.
func (c *cluster) load(ctx context.Context, tuples int) (count int, err error) {
	batches := make(chan []*tupelov1.Update)
	written := make(chan error, loadInFlight)
	leader := c.leader()
	for range loadInFlight {
		go func() {
			var err error
			for batch := range batches {
				if err == nil {
					err = leader.touch(ctx, batch)
				}
			}
			written <- err
		}()
	}
	var batch []*tupelov1.Update
	count = dataset.GitClub(tuples, func(t tuple.Named) {
		batch = append(batch, touch(t))
		if len(batch) == loadUpdates {
			batches <- batch
			batch = nil
		}
	})
	if len(batch) > 0 {
		batches <- batch
	}
	close(batches)
	for range loadInFlight {
		err = errors.Join(err, <-written)
	}
	for _, m := range c.members {
		if err == nil {
			err = m.awaitReady(ctx)
		}
	}
	return count, err
}

// touchLimit is how long a batch is tried for. Nodes that share two processors with
// their load may change their leader in the middle.
const touchLimit = time.Minute

// touch writes a batch, again where it may not have been: it makes no difference.
func (m *member) touch(ctx context.Context, batch []*tupelov1.Update) error {
	for end := time.Now().Add(touchLimit); ; {
		_, err := m.Server().Write(ctx, &tupelov1.WriteRequest{Updates: batch})
		if err == nil || ctx.Err() != nil || time.Now().After(end) {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func touch(t tuple.Named) *tupelov1.Update {
	return &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}}
}
