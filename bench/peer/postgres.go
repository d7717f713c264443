package peer

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/tupelodb/tupelo/internal/ports"
)

// database is a PostgreSQL of its own: empty, on this machine alone, with every
// setting as it comes.
type database struct {
	*process
	uri     string
	version string
}

// startPostgres makes a cluster of databases in a directory and starts its server.
func startPostgres(ctx context.Context, bin, dir string, patience patience) (*database, error) {
	as, err := unprivileged()
	if err != nil {
		return nil, err
	}
	data := filepath.Join(dir, "postgres")
	if err := os.Mkdir(data, 0o700); err != nil {
		return nil, err
	}
	if err := as.give(data); err != nil {
		return nil, err
	}
	tool := func(name string, args ...string) program {
		return program{name: name, path: filepath.Join(bin, name), args: args, owner: as, dir: dir}
	}
	if err := runToEnd(ctx, dir, tool("initdb", "-D", data, "-U", databaseUser, "--auth", "trust", "--encoding", "UTF8", "--locale", "C"), patience); err != nil {
		return nil, err
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	server, err := start(dir, tool("postgres", "-D", data, "-c", "listen_addresses="+host, "-c", "port="+port, "-c", "unix_socket_directories="), patience)
	if err != nil {
		return nil, err
	}
	ready := tool("pg_isready", "-q", "-h", host, "-p", port, "-U", databaseUser)
	if err := server.await(ctx, func(ctx context.Context) error {
		return exec.CommandContext(ctx, ready.path, ready.args...).Run()
	}); err != nil {
		return nil, orStop(err, server)
	}
	return &database{
		process: server,
		uri:     fmt.Sprintf("postgres://%s@%s/postgres?sslmode=disable", databaseUser, address),
		version: tool("postgres", "--version").firstLine(ctx),
	}, nil
}

const databaseUser = "bench"

// freeAddress returns an address of this machine for a server to listen at.
func freeAddress() (string, error) {
	addresses, err := ports.Take(1)
	if err != nil {
		return "", err
	}
	return addresses[0], nil
}
