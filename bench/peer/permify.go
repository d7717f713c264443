package peer

import (
	"context"
	"net"
)

const quietPermify = "no metrics sent to its makers, errors only in the log: less work than it comes with; asked by its HTTP form"

// startPermify starts a server on a database, which it migrates itself. Its ports
// but that for HTTP are open to the network: it has no setting against that.
func startPermify(ctx context.Context, p *Peer, o Options, database ...string) error {
	var addresses, ports [3]string // by HTTP, by gRPC, and between servers of a cluster that it is none of
	for i := range addresses {
		address, err := freeAddress()
		if err != nil {
			return err
		}
		if _, ports[i], err = net.SplitHostPort(address); err != nil {
			return err
		}
		addresses[i] = address
	}
	p.Addr = addresses[0]
	args := append([]string{"serve", "--server-host", "127.0.0.1", "--http-port", ports[0], "--grpc-port", ports[1], "--distributed-port", ports[2],
		"--meter-enabled=false", "--log-level", "error"}, database...)
	return p.startServer(ctx, o, program{name: "permify", path: o.Permify, args: args}, addresses[1])
}

func startPermifyOnPostgres(ctx context.Context, p *Peer, o Options) error {
	db, err := p.addPostgres(ctx, o)
	if err != nil {
		return err
	}
	return startPermify(ctx, p, o, "--database-engine", "postgres", "--database-uri", db.uri)
}
