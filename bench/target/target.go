package target

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/bench/load"
)

// Options say how a target is reached.
type Options struct {
	// Addr is the server's, as host:port; for permify it can be a URL.
	Addr string
	// WriteAddr is where keto takes writes.
	WriteAddr string
	// Token is shown with each call, as a bearer's.
	Token string
	// Connections is how many there are. Default 1. To permify there are as many as
	// calls in flight.
	Connections int
	// Dial are options of the connections. Default: no TLS.
	Dial []grpc.DialOption

	// Dir is where in-process keeps its data; it is made if absent. The sizes of the
	// caches are as in replica.Options.
	Dir                            string
	CacheBytes, TuplesetCacheBytes int64
}

var openers = map[string]func(Options) (load.Target, error){
	"native":     openNative,
	"in-process": openInProcess,
	"authzed":    openAuthzed,
	"openfga":    openOpenFGA,
	"keto":       openKeto,
	"permify":    openPermify,
	"echo":       openEcho,
}

// Names returns the names of the targets.
func Names() []string { return slices.Sorted(maps.Keys(openers)) }

// Open returns the target of a name. Connections are made with the first calls.
func Open(name string, o Options) (load.Target, error) {
	open, ok := openers[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q is none of %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	if o.Connections < 1 {
		o.Connections = 1
	}
	return open(o)
}

// maxAnswerBytes bounds what is taken of a server in one message: all members of a
// wide document come in one from some.
const maxAnswerBytes = 64 << 20

// connections are several to one server.
type connections []*grpc.ClientConn

// dial makes the connections of a gRPC target.
func (o Options) dial() (connections, error) {
	if o.Addr == "" {
		return nil, fmt.Errorf("%w: there is no address to reach the server at", ErrOption)
	}
	options := o.Dial
	if len(options) == 0 {
		options = []grpc.DialOption{grpc.WithTransportCredentials(insecure.NewCredentials())}
	}
	options = append(slices.Clone(options), grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)))
	if o.Token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(o.Token)))
	}
	var all connections
	for range o.Connections {
		c, err := grpc.NewClient("dns:///"+o.Addr, options...)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrOption, o.Addr, err)
		}
		all = append(all, c)
	}
	return all, nil
}

func (c connections) close() (err error) {
	for _, one := range c {
		if failed := one.Close(); failed != nil {
			err = failed
		}
	}
	return err
}

// bearer shows a token with every call. Whether it may cross the network is for
// who gives Options.Dial to decide.
type bearer string

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity returns false.
func (b bearer) RequireTransportSecurity() bool { return false }
