package peer

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const quietKeto = "no telemetry, errors only in the log: less work than it comes with; its strict mode on, which is experimental and asks " +
	"less of the database; limits on depth, width and the size of batches as high as these questions need; asked for batches by its HTTP form"

// What Keto must be allowed: the deepest questions are about teams that are 16 deep in
// each other, the widest about 10,000 of them, and batches are of 50.
const (
	ketoDepth = 100
	ketoWidth = 65535
	ketoBatch = 100
)

func startKetoInMemory(ctx context.Context, p *Peer, o Options) error {
	config, err := p.configureKeto(o, "memory")
	if err != nil {
		return err
	}
	return p.startKeto(ctx, o, config)
}

func startKetoOnPostgres(ctx context.Context, p *Peer, o Options) error {
	db, err := p.addPostgres(ctx, o)
	if err != nil {
		return err
	}
	// As many connections as others keep; left alone, it has two for each processor.
	config, err := p.configureKeto(o, db.uri+"&max_conns=20&max_idle_conns=20")
	if err != nil {
		return err
	}
	migrate := program{name: "keto-migrate", path: o.Keto, args: []string{"migrate", "up", "--yes", "--config", config}}
	if err := runToEnd(ctx, p.dir, migrate, o.patience); err != nil {
		return err
	}
	p.tell(migrate)
	return p.startKeto(ctx, o, config)
}

func (p *Peer) startKeto(ctx context.Context, o Options, config string) error {
	return p.startServer(ctx, o, program{name: "keto", path: o.Keto, args: []string{"serve", "all", "--sqa-opt-out", "--config", config}}, p.Addr)
}

// configureKeto writes the files that Keto reads, which takes neither settings nor a
// schema in another way, and returns the path of the one that names the other.
func (p *Peer) configureKeto(o Options, dsn string) (config string, err error) {
	if o.Namespaces.Text == "" {
		return "", errors.New("it reads its schema when it starts, and there is none")
	}
	namespaces := filepath.Join(p.dir, "namespaces.keto.ts")
	serve, err := p.ketoEndpoints()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{
		"dsn": dsn, "serve": serve, "log": map[string]string{"level": "error"},
		"namespaces": map[string]any{"location": "file://" + namespaces, "experimental_strict_mode": true},
		"limit":      map[string]int{"max_read_depth": ketoDepth, "max_read_width": ketoWidth, "max_batch_check_size": ketoBatch},
	})
	if err != nil {
		return "", err
	}
	config = filepath.Join(p.dir, "keto.json")
	for _, command := range []string{
		o.Namespaces.By + " > " + namespaces, "echo " + quoted(string(text)) + " > " + config,
	} {
		p.Commands = append(p.Commands, strings.ReplaceAll(command, p.dir, "$DIR"))
	}
	return config, errors.Join(os.WriteFile(namespaces, []byte(o.Namespaces.Text), 0o600), os.WriteFile(config, text, 0o600))
}

// ketoEndpoints says where Keto listens: at four ports, whether one needs them or not.
func (p *Peer) ketoEndpoints() (map[string]any, error) {
	serve := make(map[string]any)
	for _, name := range []string{"read", "write", "metrics", "opl"} {
		address, err := freeAddress()
		if err != nil {
			return nil, err
		}
		host, text, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			return nil, err
		}
		serve[name] = map[string]any{"host": host, "port": port}
		switch name {
		case "read":
			p.Addr = address
		case "write":
			p.WriteAddr = address
		}
	}
	return serve, nil
}
