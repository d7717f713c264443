package api

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/test/bufconn"

	"github.com/tupelodb/tupelo/api/cert"
	"github.com/tupelodb/tupelo/api/codec"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store"
)

// Options say what a server serves, and how. Store and Log are needed; numbers
// left zero take the default.
type Options struct {
	// Store holds the tuples; Log has its commands applied.
	Store *store.Store
	Log   Log
	// LogStatus returns the state of the log. Nil counts as a leader of which
	// nothing is known.
	LogStatus func() LogStatus
	// Cluster is the other nodes, by which calls that write get to the leader, and
	// NodeID is what this one is called among them. Nil for a node without others.
	Cluster Cluster
	NodeID  string

	// Tokens are the bearer tokens that are let in; none lets everybody in, and
	// only addresses of this machine can be served then.
	Tokens []string
	// CertFile and KeyFile, in PEM, have the listener speak TLS. They are read
	// again when they change.
	CertFile, KeyFile string

	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// Registry takes the metrics; nil keeps them to nobody.
	Registry prometheus.Registerer
	// TracerProvider has every call traced; nil traces none.
	TracerProvider trace.TracerProvider

	// Now is the clock that commands carry; nil is time.Now.
	Now func() time.Time
	// Limits bound the work of one question.
	Limits rewrite.Limits
	// MaxStaleness is how long ago the replica may have heard from a leader for
	// answers that minimize latency; it refuses them afterwards. Default 5 s.
	MaxStaleness time.Duration
	// WaitLimit is how long a call without a shorter deadline waits for a
	// revision, or for its write. Default 10 s.
	WaitLimit time.Duration
	// DrainLimit is how long calls may go on once the server is told to stop.
	// Default 10 s.
	DrainLimit time.Duration
	// HistoryWindow is how far back exact snapshots can be read. Default 24 h.
	HistoryWindow time.Duration
	// CollectEvery is the pause between two looks for tuples that have expired
	// and for history to forget.
	// Default one minute.
	CollectEvery time.Duration
	// RecordChecks is how many checks to keep, of those answered, for CompareSchema:
	// a random sample, in memory. 0 keeps none.
	RecordChecks int
	// MaxCalls is how many calls may be under way at once, watches and imports not
	// counted; others are refused. When the processor is overloaded, fewer. Default 4096.
	MaxCalls int
	// MaxRequestBytes bounds a request. Default 4 MiB: 1,000 updates with the
	// longest ids are some 2.3 MB.
	MaxRequestBytes int
	// Adapters offer what this server does under other protocols. Their methods are
	// let in, counted and logged as its own are.
	Adapters []Adapter
}

// Adapter registers the services of another protocol, which call the handlers of
// server. What they return as an error is made into a status as the handlers'
// own errors are, unless it is one; see [Described].
type Adapter func(server *Server, registrar grpc.ServiceRegistrar)

// AddMessages adds fast paths for the messages of an adapter, which does so while it
// registers its services.
func (s *Server) AddMessages(f codec.Fast) { s.codec.Add(f) }

// Server answers tupelo.v1. Its methods named after the service's calls are the
// handlers: what reaches them is let in, and their errors, made into statuses
// by the table of this package, are for clients to see.
type Server struct {
	tupelov1.UnsafeTupeloServer // so that a call without a method here does not compile

	store     *store.Store
	log       Log
	logStatus func() LogStatus
	cluster   Cluster // nil if there are no others
	nodeID    string
	tokens    tokens
	logger    *slog.Logger
	metrics   *metrics
	models    *models
	recorder  *recorder // nil if no checks are kept
	admission *admission
	now       func() time.Time
	freshness *freshness

	waitLimit, drainLimit, window, collectEvery time.Duration

	codec        *codec.Codec
	grpc         *grpc.Server
	local        *bufconn.Listener // of Dial
	certificates *cert.Source      // nil without TLS
	health       *health.Server
	draining     context.Context // ends when the server is told to stop
	drain        context.CancelFunc

	fingerprint atomic.Pointer[fingerprint]
	minted      atomic.Pointer[minted]
	caughtUp    atomic.Bool // since the start

	// ignoreZookies answers at any revision although a zookie asks for a newer
	// one. Only tests set it, to see that they would notice.
	ignoreZookies bool
}

// New returns a server; Serve has it answer. It fails if a token is unusable,
// the TLS files cannot be read, or the registry has such metrics already.
func New(o Options) (*Server, error) {
	o.setDefaults()
	tokens, err := newTokens(o.Tokens)
	if err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registry)
	if err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	admission := newAdmission(o.MaxCalls)
	if err := o.Registry.Register(&gauges{o.Store, o.Log, o.LogStatus, admission}); err != nil {
		return nil, fmt.Errorf("registering metrics: %w", err)
	}
	s := &Server{
		store: o.Store, log: o.Log, logStatus: o.LogStatus, cluster: o.Cluster, nodeID: o.NodeID,
		tokens: tokens, logger: o.Logger, metrics: m,
		models:    &models{limits: o.Limits, compiled: m.compilations.Inc},
		recorder:  newRecorder(o.RecordChecks, maxRecordedBytes, rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))),
		admission: admission,
		now:       o.Now,
		freshness: &freshness{log: o.Log, bound: o.MaxStaleness, begun: time.Now()},
		local:     bufconn.Listen(localBytes),
		codec:     codec.New(),
		waitLimit: o.WaitLimit, drainLimit: o.DrainLimit, window: o.HistoryWindow, collectEvery: o.CollectEvery,
	}
	s.draining, s.drain = context.WithCancel(context.Background())
	return s, s.buildGRPC(&o)
}

func (o *Options) setDefaults() {
	if o.LogStatus == nil {
		o.LogStatus = func() LogStatus { return LogStatus{Leader: true} }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Registry == nil {
		o.Registry = prometheus.NewRegistry()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxCalls == 0 {
		o.MaxCalls = 4096
	}
	if o.MaxRequestBytes == 0 {
		o.MaxRequestBytes = 4 << 20
	}
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&o.MaxStaleness, 5 * time.Second},
		{&o.WaitLimit, 10 * time.Second},
		{&o.DrainLimit, 10 * time.Second},
		{&o.HistoryWindow, 24 * time.Hour},
		{&o.CollectEvery, time.Minute},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
}
