package peer

import (
	"context"
	"net"
	"time"

	hraft "github.com/hashicorp/raft"
)

// Stream carries raft's messages over the port; it is what a network transport
// of hashicorp/raft is made of. Closing it leaves the port to its other uses.
type Stream struct {
	*intake
	port *Port
}

// Raft returns the stream.
func (p *Port) Raft() *Stream { return &Stream{intake: p.raft, port: p} }

// Dial opens a connection for raft to another node.
func (s *Stream) Dial(address hraft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	ctx := context.Background()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	return s.port.dial(ctx, string(address), carriesRaft)
}
