package peer

import (
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/tupelodb/tupelo/api/cert"
)

// Options say what a port is. Numbers left zero take the default.
type Options struct {
	// NodeID is the name of this node. Required.
	NodeID string
	// Address is where to listen, as host:port; port 0 takes any that is free.
	// Required.
	Address string
	// Advertise is where other nodes reach this one, as host:port. Default: where
	// it listens, which must then be one address and not all of the machine's.
	Advertise string
	// Certificates are shown to the other nodes, and say whose are trusted. Nil:
	// none, and only addresses of this machine can be listened on and dialled.
	Certificates *cert.Source

	// Logger takes what an operator should know; nil discards it.
	Logger *slog.Logger
	// TracerProvider has every call traced, on both sides; nil traces none, and
	// hands on the trace that a forwarded call came with.
	TracerProvider trace.TracerProvider

	// GreetingLimit is how long a connection may take, on either side, until it
	// is known what it carries. Default 5 s.
	GreetingLimit time.Duration
	// MaxConnections bounds those that others have opened. A node opens one for
	// calls, one for terms, one for read indexes and a few for raft, to each other
	// node. Default 1,024.
	MaxConnections int
	// MaxGreeting bounds those of them of which nothing is known yet, and who
	// opened them neither. Default 128.
	MaxGreeting int
	// MaxMessageBytes bounds one message of a call. It is meant to be above what
	// the public API takes, so that forwarding refuses nothing. Default 16 MiB.
	MaxMessageBytes int

	unusedLimit time.Duration // see the constant; tests shorten it
	// withoutLines has the port know no lines, as older versions do; for tests of upgrades.
	withoutLines bool
}

func (o Options) withDefaults() (Options, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	orDefault(&o.GreetingLimit, 5*time.Second)
	orDefault(&o.MaxConnections, 1024)
	orDefault(&o.MaxGreeting, 128)
	orDefault(&o.MaxMessageBytes, 16<<20)
	orDefault(&o.unusedLimit, unusedLimit)
	switch {
	case o.NodeID == "":
		return o, fmt.Errorf("%w: NodeID is required", ErrOptions)
	case o.Address == "":
		return o, fmt.Errorf("%w: Address is required", ErrOptions)
	case o.GreetingLimit < 0 || o.MaxConnections < 0 || o.MaxGreeting < 0 || o.MaxMessageBytes < 0:
		return o, fmt.Errorf("%w: limits must not be negative", ErrOptions)
	}
	if o.Advertise != "" {
		if err := checkAddress(o.Advertise); err != nil {
			return o, fmt.Errorf("%w: Advertise: %w", ErrOptions, err)
		}
	}
	return o, nil
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v == 0 {
		*v = d
	}
}

// checkAddress refuses what other nodes could not dial.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return err
	}
	if number, err := strconv.ParseUint(port, 10, 16); err != nil || number == 0 {
		return fmt.Errorf("address %q: the port must be a number from 1 to 65535", address)
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		return fmt.Errorf("address %q: it names no host that others could dial", address)
	}
	return nil
}
