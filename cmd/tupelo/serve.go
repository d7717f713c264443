package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/authzed"
	"github.com/tupelodb/tupelo/replica"
	"github.com/tupelodb/tupelo/rewrite"
)

// serveOptions are the settings of serve.
type serveOptions struct {
	data, listen, httpAddr, metricsAddr string
	otlpEndpoint                        string
	memory                              bool
	tokens                              []string
	tlsCert, tlsKey                     string
	logLevel, logFormat                 choice
	cache, tuplesetCache, maxRequest    byteSize
	gcWindow, drain, wait               time.Duration
	maxDepth, maxSubProblems, maxSteps  int
	recordChecks, maxCalls              int
	member                              memberOptions
}

func newServeCommand(t *terminal) *cobra.Command {
	var o serveOptions
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: `Run the server, with its tuples and schema in one directory, or in memory.

It stops in order on the first SIGINT or SIGTERM, and at once on a second
that comes more than half a second later. What it has acknowledged survives any
end, SIGKILL and power loss among them.

Tokens are needed as soon as other machines can reach the listener. Traces are
sent if --otlp-endpoint or OTEL_EXPORTER_OTLP_ENDPOINT says where to; the other
OTEL_ variables count too. Certificates and keys are read again when they change.

With --raft-addr the node is one of several that hold the same. Any of them takes
any call. A new cluster is made by nodes that are told the same --join and
--bootstrap-expect, or grows from one node by others that --join it. Between
machines that needs certificates; see tupelo cert. Told to stop, a node hands
over what it leads.`,
		Example: `  tupelo serve --data ./data
  tupelo serve --memory
  tupelo serve --data /var/lib/tupelo --listen :50051 --token "$TOKEN" \
    --tls-cert server.crt --tls-key server.key --metrics-addr :9090
  tupelo serve --data ./data --node-id b --raft-addr 127.0.0.1:7002 --listen 127.0.0.1:50052 \
    --bootstrap-expect 3 --join 127.0.0.1:7001,127.0.0.1:7002,127.0.0.1:7003
  TUPELO_DATA=./data TUPELO_LOG_FORMAT=json tupelo serve`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return serve(cmd.Context(), t, &o) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *serveOptions) register(flags *pflag.FlagSet) {
	o.logLevel = choice{value: "info", among: slices.Sorted(maps.Keys(logLevels))}
	o.logFormat = choice{value: "text", among: []string{"text", "json"}}
	o.cache, o.tuplesetCache, o.maxRequest = defaultCache, defaultTuplesetCache(memoryLimit()), 4<<20
	flags.StringVar(&o.data, "data", "", "`directory` of the tuples and the log; made if absent")
	flags.BoolVar(&o.memory, "memory", false, "keep all in memory, and nothing after the end")
	flags.StringVar(&o.listen, "listen", defaultAddr, "address to answer on, as host:port")
	flags.StringSliceVar(&o.tokens, "token", nil, "bearer token to let in; repeatable, or a list with commas")
	flags.StringVar(&o.tlsCert, "tls-cert", "", "PEM `file` of the certificate to speak TLS with")
	flags.StringVar(&o.tlsKey, "tls-key", "", "PEM `file` of its key")
	flags.StringVar(&o.httpAddr, "http-addr", "", "address for authzed.api.v1 over HTTP, as host:port")
	flags.StringVar(&o.metricsAddr, "metrics-addr", "", "address for /metrics and /healthz over HTTP, as host:port")
	flags.Var(&o.logLevel, "log-level", "least level to log")
	flags.Var(&o.logFormat, "log-format", "form of the log")
	flags.StringVar(&o.otlpEndpoint, "otlp-endpoint", "", "`URL` to send traces to, such as http://localhost:4317")
	flags.Var(&o.cache, "cache", "memory for blocks read from disk")
	flags.Var(&o.tuplesetCache, "tupleset-cache", "memory for decoded tuplesets, which answer checks without the blocks; 0 for none; an eighth of the machine's, 1GiB at most, if not given")
	flags.DurationVar(&o.gcWindow, "gc-window", 24*time.Hour, "how far back exact snapshots can be read")
	flags.IntVar(&o.maxDepth, "max-depth", 0, "how many objects away an answer may depend on; 0 for the default")
	flags.IntVar(&o.maxSubProblems, "max-sub-problems", 0, "how many sub-problems one question may have; 0 for the default")
	flags.IntVar(&o.maxSteps, "max-steps", 0, "how many steps one question may take; 0 for the default")
	flags.IntVar(&o.recordChecks, "record-checks", 0, "how many checks to keep, of those answered, for schema impact; a random sample, in memory")
	flags.Var(&o.maxRequest, "max-request-size", "largest request to take")
	flags.IntVar(&o.maxCalls, "max-calls", 4096, "how many calls may be under way at once, watches and imports not counted; others are refused, and sooner while the processor is overloaded")
	flags.DurationVar(&o.wait, "wait-limit", 10*time.Second, "longest time that any call waits for a revision or for its write, whatever its deadline")
	flags.DurationVar(&o.drain, "drain-limit", 10*time.Second, "how long calls may go on once the server is told to stop")
	markSettings(flags, "data", "memory", "listen", "token", "tls-cert", "tls-key", "http-addr", "metrics-addr",
		"log-level", "log-format", "otlp-endpoint", "cache", "tupleset-cache", "gc-window", "max-depth", "max-sub-problems",
		"max-steps", "record-checks", "max-request-size", "max-calls", "wait-limit", "drain-limit")
	o.member.register(flags)
}

// validate looks for what can only be a mistake.
func (o *serveOptions) validate() error {
	switch {
	case o.data == "" && !o.memory:
		return usagef("serve: give a directory with --data, or --memory")
	case o.data != "" && o.memory:
		return usagef("serve: --memory contradicts --data")
	case (o.tlsCert == "") != (o.tlsKey == ""):
		return usagef("serve: --tls-cert and --tls-key belong together")
	case o.gcWindow <= 0 || o.drain <= 0 || o.wait <= 0:
		return usagef("serve: --gc-window, --drain-limit and --wait-limit must be above zero")
	case o.maxDepth < 0 || o.maxSubProblems < 0 || o.maxSteps < 0:
		return usagef("serve: --max-depth, --max-sub-problems and --max-steps must not be negative")
	case o.recordChecks < 0 || o.recordChecks > maxRecordChecks:
		return usagef("serve: --record-checks must not be negative, and at most 1000000")
	case o.maxCalls < 1:
		return usagef("serve: --max-calls must be above zero")
	case o.maxRequest == 0 || o.maxRequest > maxRequestBytes:
		return usagef("serve: --max-request-size must be above zero and at most 1GiB")
	}
	return o.member.validate(o.memory)
}

// defaultCache is the memory for blocks if nobody says how much.
const defaultCache = 256 << 20

// maxRecordChecks bounds --record-checks: a comparison asks all of them in one call.
const maxRecordChecks = 1_000_000

// maxRequestBytes bounds --max-request-size: a message's length is an int32.
const maxRequestBytes = 1 << 30

// closeLimit bounds the end of the log once the server has drained: nothing is
// in flight any more, so it is a matter of milliseconds.
const closeLimit = 10 * time.Second

// serve runs a node until ctx ends or the node fails.
func serve(ctx context.Context, t *terminal, o *serveOptions) (err error) {
	started := time.Now()
	if err := o.validate(); err != nil {
		return err
	}
	logger := newLogger(t.diag, o)
	traces, err := startTraces(ctx, o.otlpEndpoint, logger)
	if err != nil {
		return err
	}
	defer traces.close()
	l, err := o.openListeners()
	if err != nil {
		return err
	}
	for _, listener := range l.ofClients() {
		if o.tlsCert == "" && !isLoopbackAddr(listener.Addr()) {
			logger.Warn("tokens cross the network in the clear: the listener speaks no TLS; see --tls-cert", "address", listener.Addr())
		}
	}
	registry := newRegistry()
	n, err := o.openNode(ctx, logger, traces, registry)
	if err != nil {
		return errors.Join(err, l.close())
	}
	if n == nil {
		return l.close()
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeLimit)
		defer cancel()
		err = errors.Join(err, n.Close(closing))
		logger.Info("stopped")
	}()
	defer tellAtEnd(ctx, func() { logger.Info("stopping") })()
	return o.runNode(ctx, n, l, registry, func(revision uint64) {
		announce(t, logger, ready{
			Address: l.calls.Addr().String(), HTTP: addressOf(l.http), Metrics: addressOf(l.metrics), Data: o.data,
			Revision: revision, ReadyIn: time.Since(started), NodeID: o.member.nodeID, Peers: n.Address(),
		})
	})
}

// tellAtEnd has tell called when ctx ends. The function that it returns waits until
// that has been, if ctx has ended, and else has it never be: what is told after it
// comes after.
func tellAtEnd(ctx context.Context, tell func()) (wait func()) {
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(told)
		tell()
	})
	return func() {
		if !forget() {
			<-told
		}
	}
}

// openNode opens the node, or returns nothing if ctx ended while it waited for
// those that it is to make a cluster with.
func (o *serveOptions) openNode(ctx context.Context, logger *slog.Logger, traces *traces, registry *prometheus.Registry) (*replica.Replica, error) {
	options := o.node(logger, traces, registry)
	if err := o.member.apply(&options, logger); err != nil {
		return nil, err
	}
	n, err := replica.Open(ctx, options)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		logger.Info("stopped before the node was open")
		return nil, nil
	}
	return n, o.member.explain(err)
}

// node returns what the settings make of a node.
func (o *serveOptions) node(logger *slog.Logger, traces *traces, registry *prometheus.Registry) replica.Options {
	n := replica.Options{
		FS: vfs.Default, Dir: o.data, CacheBytes: int64(o.cache), TuplesetCacheBytes: int64(o.tuplesetCache), Logger: logger, Version: readBuild().Version,
		API: api.Options{
			Tokens: o.tokens, CertFile: o.tlsCert, KeyFile: o.tlsKey,
			Logger: logger, Registry: registry, TracerProvider: traces.provider(),
			Limits:    rewrite.Limits{Depth: o.maxDepth, SubProblems: o.maxSubProblems, Steps: o.maxSteps},
			WaitLimit: o.wait, DrainLimit: o.drain, HistoryWindow: o.gcWindow, MaxRequestBytes: int(o.maxRequest),
			MaxCalls: o.maxCalls, RecordChecks: o.recordChecks, Adapters: []api.Adapter{authzed.Register},
		},
	}
	if o.memory {
		n.FS, n.Dir = vfs.NewMem(), "tupelo"
	}
	return n
}

// runNode answers calls until ctx ends, which is no error, or something fails.
func (o *serveOptions) runNode(ctx context.Context, n *replica.Replica, l listeners, registry *prometheus.Registry, whenReady func(revision uint64)) error {
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error {
		err := n.Server().Serve(running, l.calls)
		if errors.Is(err, grpc.ErrServerStopped) && running.Err() != nil {
			return nil // it was told to stop before it had begun
		}
		return err
	})
	if l.http != nil {
		group.Go(func() error { return serveHTTP(running, n.Server(), l.http, int(o.maxRequest)) })
	}
	if l.metrics != nil {
		group.Go(func() error { return serveMetrics(running, l.metrics, n.Server().MetricsHandler(registry)) })
	}
	group.Go(func() error {
		select {
		case <-n.Failed():
			return fmt.Errorf("the node has failed: %w", n.Err())
		case <-running.Done():
			return nil
		}
	})
	group.Go(func() error {
		revision, err := n.Ready(running)
		if running.Err() != nil {
			return nil // it is ending before it began; the others know why
		}
		if err == nil {
			whenReady(revision)
		}
		return err
	})
	return group.Wait()
}

func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return registry
}
