package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// product is one way to run one program.
type product struct {
	id, name, protocol string
	why                string // see Peer
	needs              func(Options) map[string]string
	start              func(context.Context, *Peer, Options) error
}

// Settings that are not the peers' own.
const (
	quietSpiceDB  = "no telemetry, no look-up of releases, no metrics, warnings only in the log: less work than it comes with"
	quietOpenFGA  = "no playground, no HTTP, no metrics, warnings only in the log: less work than it comes with"
	cachedOpenFGA = quietOpenFGA + "; its caches of checks and iterators on, which then answer up to 10 s late"
)

// products are all peers.
var products = []product{
	{"tupelo", "Tupelo", Native, "", needsTupelo, startTupelo},
	{"tupelo-authzed", "Tupelo, by SpiceDB's API", Authzed, "", needsTupelo, startTupelo},
	{"spicedb-memory", "SpiceDB, memory", Authzed, quietSpiceDB, needsSpiceDB, func(ctx context.Context, p *Peer, o Options) error {
		return startSpiceDB(ctx, p, o, "--datastore-engine", "memory")
	}},
	{"spicedb-postgres", "SpiceDB, PostgreSQL", Authzed, quietSpiceDB, and(needsSpiceDB, needsPostgres), startSpiceDBOnPostgres},
	{"openfga-memory", "OpenFGA, memory", OpenFGA, quietOpenFGA, needsOpenFGA, func(ctx context.Context, p *Peer, o Options) error {
		return startOpenFGA(ctx, p, o, "--datastore-engine", "memory")
	}},
	{"openfga-sqlite", "OpenFGA, SQLite", OpenFGA, quietOpenFGA, needsOpenFGA, startOpenFGAOnSQLite},
	{"openfga-postgres", "OpenFGA, PostgreSQL", OpenFGA, quietOpenFGA, and(needsOpenFGA, needsPostgres), func(ctx context.Context, p *Peer, o Options) error {
		return startOpenFGAOnPostgres(ctx, p, o)
	}},
	{"openfga-postgres-cached", "OpenFGA, PostgreSQL, caches on", OpenFGA, cachedOpenFGA, and(needsOpenFGA, needsPostgres), func(ctx context.Context, p *Peer, o Options) error {
		return startOpenFGAOnPostgres(ctx, p, o, "--check-query-cache-enabled", "--check-iterator-cache-enabled", "--list-objects-iterator-cache-enabled")
	}},
	{"keto-memory", "Keto, memory", Keto, quietKeto, needsKeto, startKetoInMemory},
	{"keto-postgres", "Keto, PostgreSQL", Keto, quietKeto, and(needsKeto, needsPostgres), startKetoOnPostgres},
	{"permify-memory", "Permify, memory", Permify, quietPermify, needsPermify, func(ctx context.Context, p *Peer, o Options) error {
		return startPermify(ctx, p, o, "--database-engine", "memory")
	}},
	{"permify-postgres", "Permify, PostgreSQL", Permify, quietPermify, and(needsPermify, needsPostgres), startPermifyOnPostgres},
	{"echo", "Echo, the limit", Echo, "", needsTupelo, startEcho},
}

func needsTupelo(o Options) map[string]string  { return map[string]string{"tupelo": o.Tupelo} }
func needsSpiceDB(o Options) map[string]string { return map[string]string{"spicedb": o.SpiceDB} }
func needsOpenFGA(o Options) map[string]string { return map[string]string{"openfga": o.OpenFGA} }
func needsKeto(o Options) map[string]string    { return map[string]string{"keto": o.Keto} }
func needsPermify(o Options) map[string]string { return map[string]string{"permify": o.Permify} }
func needsPostgres(o Options) map[string]string {
	return map[string]string{"PostgreSQL's folder of programs": o.Postgres}
}

func and(a, b func(Options) map[string]string) func(Options) map[string]string {
	return func(o Options) map[string]string {
		both := a(o)
		for name, path := range b(o) {
			both[name] = path
		}
		return both
	}
}

// missing names what the product needs and the options do not have.
func (p product) missing(o Options) string {
	var names []string
	for name, path := range p.needs(o) {
		if path == "" {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// startTupelo starts a server in a directory of its own, with its settings as they come.
func startTupelo(ctx context.Context, p *Peer, o Options) error {
	return p.startOwn(ctx, o, "serve", "--json", "--listen", "127.0.0.1:0", "--data", filepath.Join(p.dir, "data"))
}

// startEcho starts the server that does nothing.
func startEcho(ctx context.Context, p *Peer, o Options) error {
	return p.startOwn(ctx, o, "bench", "echo", "--json", "--listen", "127.0.0.1:0")
}

// startOwn starts a server of ours, which says by itself where it listens: the first
// line of JSON that it prints has its address.
func (p *Peer) startOwn(ctx context.Context, o Options, args ...string) error {
	s, err := start(p.dir, program{name: p.ID, path: o.Tupelo, args: args}, o.patience)
	if err != nil {
		return err
	}
	p.add(s)
	p.Version = o.Version
	return s.await(ctx, func(context.Context) error {
		p.Addr, err = announced(s.log.Name())
		return err
	})
}

// announced reads from what a server printed where it listens.
func announced(log string) (string, error) {
	text, err := os.ReadFile(log)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		var ready struct {
			Address string `json:"address"`
			Level   string `json:"level"` // of a line of its log
		}
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &ready) == nil && ready.Address != "" && ready.Level == "" {
			return ready.Address, nil
		}
	}
	return "", errors.New("it has not said where it listens")
}

// startSpiceDB starts a server on a datastore that is there.
func startSpiceDB(ctx context.Context, p *Peer, o Options, datastore ...string) (err error) {
	if p.Addr, err = freeAddress(); err != nil {
		return err
	}
	p.Token = "bench"
	args := append([]string{"serve", "--grpc-addr", p.Addr, "--grpc-preshared-key", p.Token, "--telemetry-endpoint", "",
		"--skip-release-check", "--metrics-enabled=false", "--log-level", "warn"}, datastore...)
	return p.startServer(ctx, o, program{name: "spicedb", path: o.SpiceDB, args: args}, p.Addr)
}

func startSpiceDBOnPostgres(ctx context.Context, p *Peer, o Options) error {
	db, err := p.addPostgres(ctx, o)
	if err != nil {
		return err
	}
	datastore := []string{"--datastore-engine", "postgres", "--datastore-conn-uri", db.uri}
	migrate := program{name: "spicedb-migrate", path: o.SpiceDB, args: append([]string{"datastore", "migrate", "head", "--skip-release-check"}, datastore...)}
	if err := runToEnd(ctx, p.dir, migrate, o.patience); err != nil {
		return err
	}
	p.tell(migrate)
	return startSpiceDB(ctx, p, o, datastore...)
}

// startOpenFGA starts a server on a datastore that is there.
func startOpenFGA(ctx context.Context, p *Peer, o Options, settings ...string) (err error) {
	if p.Addr, err = freeAddress(); err != nil {
		return err
	}
	args := append([]string{"run", "--grpc-addr", p.Addr, "--http-enabled=false", "--playground-enabled=false", "--metrics-enabled=false",
		"--log-level", "warn"}, settings...)
	return p.startServer(ctx, o, program{name: "openfga", path: o.OpenFGA, args: args}, p.Addr)
}

func startOpenFGAOnSQLite(ctx context.Context, p *Peer, o Options) error {
	return migratedOpenFGA(ctx, p, o, []string{"--datastore-engine", "sqlite", "--datastore-uri", "file:" + filepath.Join(p.dir, "openfga.db")})
}

func startOpenFGAOnPostgres(ctx context.Context, p *Peer, o Options, settings ...string) error {
	db, err := p.addPostgres(ctx, o)
	if err != nil {
		return err
	}
	return migratedOpenFGA(ctx, p, o, []string{"--datastore-engine", "postgres", "--datastore-uri", db.uri}, settings...)
}

func migratedOpenFGA(ctx context.Context, p *Peer, o Options, datastore []string, settings ...string) error {
	migrate := program{name: "openfga-migrate", path: o.OpenFGA, args: append([]string{"migrate"}, datastore...)}
	if err := runToEnd(ctx, p.dir, migrate, o.patience); err != nil {
		return err
	}
	p.tell(migrate)
	return startOpenFGA(ctx, p, o, append(datastore, settings...)...)
}

// addPostgres starts a database that is the peer's alone.
func (p *Peer) addPostgres(ctx context.Context, o Options) (*database, error) {
	db, err := startPostgres(ctx, o.Postgres, p.dir, o.patience)
	if err != nil {
		return nil, err
	}
	p.add(db.process)
	p.Version = db.version
	return db, nil
}

// startServer starts a server of another product and waits until it says, by gRPC at
// an address, that it is healthy.
func (p *Peer) startServer(ctx context.Context, o Options, what program, addr string) error {
	s, err := start(p.dir, what, o.patience)
	if err != nil {
		return err
	}
	p.add(s)
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	if err := errors.Join(s.await(ctx, healthy(conn)), conn.Close()); err != nil {
		return err
	}
	version := what.name + " " + versionOf(ctx, program{path: what.path, args: []string{"version"}})
	if p.Version != "" {
		version += "; " + p.Version
	}
	p.Version = version
	return nil
}

// healthy asks by gRPC's protocol for health whether a server serves.
func healthy(conn *grpc.ClientConn) func(context.Context) error {
	return func(ctx context.Context) error {
		answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true))
		switch {
		case err != nil:
			return err
		case answer.Status != grpc_health_v1.HealthCheckResponse_SERVING:
			return fmt.Errorf("its health is %v", answer.Status)
		}
		return nil
	}
}
