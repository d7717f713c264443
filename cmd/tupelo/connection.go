package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

const (
	defaultAddr = "127.0.0.1:50051"
	// maxAnswerBytes bounds what a client takes: an Expand or a schema may
	// exceed gRPC's default of 4 MiB.
	maxAnswerBytes = 64 << 20
)

// connection says how to reach a server.
type connection struct {
	addr, token string
	timeout     time.Duration

	tls, insecure     bool
	caFile, tlsServer string
}

func (c *connection) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.addr, "addr", defaultAddr, "the server, as host:port")
	flags.StringVar(&c.token, "token", "", "bearer token to show to the server")
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "longest time to wait for one answer, or for the next part of a list; 0 for ever")
	flags.BoolVar(&c.tls, "tls", false, "use TLS; the default for all but loopback addresses")
	flags.StringVar(&c.caFile, "tls-ca", "", "PEM file of authorities to trust instead of the system's; implies --tls")
	flags.StringVar(&c.tlsServer, "tls-server-name", "", "name to expect in the server's certificate; implies --tls")
	flags.BoolVar(&c.insecure, "insecure", false, "use no TLS, even for an address that is not loopback")
	markSettings(flags, "addr", "token", "timeout", "tls", "tls-ca", "tls-server-name", "insecure")
}

// client calls one server.
type client struct {
	tupelov1.TupeloClient
	conn *grpc.ClientConn
}

// withClient completes a command that asks a server: it gets the flags of a
// connection, and run gets a client.
func withClient(cmd *cobra.Command, run func(ctx context.Context, c *client, args []string) error) *cobra.Command {
	var via connection
	via.register(cmd.Flags())
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := via.dial()
		if err != nil {
			return err
		}
		defer c.conn.Close()
		return run(cmd.Context(), c, args)
	}
	return cmd
}

// dial prepares a connection; it is made with the first call.
func (c *connection) dial() (*client, error) {
	transport, err := c.credentials()
	if err != nil {
		return nil, err
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxAnswerBytes)),
		grpc.WithUserAgent("tupelo/" + readBuild().Version),
	}
	if c.timeout > 0 {
		options = append(options, grpc.WithUnaryInterceptor(c.bounded), grpc.WithStreamInterceptor(c.patient))
	}
	if c.token != "" {
		options = append(options, grpc.WithPerRPCCredentials(bearer(c.token)))
	}
	conn, err := grpc.NewClient("dns:///"+c.addr, options...)
	if err != nil {
		return nil, fmt.Errorf("--addr %s: %w", c.addr, err)
	}
	return &client{tupelov1.NewTupeloClient(conn), conn}, nil
}

// bounded gives each call the time that one answer may take.
func (c *connection) bounded(ctx context.Context, method string, request, reply any,
	cc *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return invoke(ctx, method, request, reply, cc, options...)
}

// patient gives each message of a stream the time that one answer may take. How
// long it takes to print what came does not count, and a watch waits for ever.
func (c *connection) patient(ctx context.Context, desc *grpc.StreamDesc, cc *grpc.ClientConn, method string,
	open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	if method == tupelov1.Tupelo_Watch_FullMethodName {
		return open(ctx, desc, cc, method, options...)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	s := &patientStream{ctx: ctx, cancel: cancel, limit: c.timeout}
	err := s.within(func() (err error) {
		s.ClientStream, err = open(ctx, desc, cc, method, options...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// patientStream ends its call when nothing comes.
type patientStream struct {
	grpc.ClientStream
	ctx    context.Context
	cancel context.CancelCauseFunc
	limit  time.Duration
}

// RecvMsg receives a message within the limit.
func (s *patientStream) RecvMsg(message any) error {
	return s.within(func() error { return s.ClientStream.RecvMsg(message) })
}

func (s *patientStream) within(wait func() error) error {
	timer := time.AfterFunc(s.limit, func() { s.cancel(errSlow) })
	err := wait()
	timer.Stop()
	if err == nil {
		return nil
	}
	if errors.Is(context.Cause(s.ctx), errSlow) {
		err = status.Errorf(codes.DeadlineExceeded, "nothing came within %v, the --timeout", s.limit)
	}
	s.cancel(nil) // the stream has ended
	return err
}

// credentials decides about TLS: a token must not cross a network in the clear
// because a flag was forgotten.
func (c *connection) credentials() (credentials.TransportCredentials, error) {
	host, _, err := net.SplitHostPort(c.addr)
	if err != nil {
		return nil, usagef("--addr %q is not host:port", c.addr)
	}
	asked := c.tls || c.caFile != "" || c.tlsServer != ""
	switch {
	case asked && c.insecure:
		return nil, usagef("--insecure contradicts --tls, --tls-ca and --tls-server-name")
	case c.insecure || !asked && isLoopback(host):
		return insecure.NewCredentials(), nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.tlsServer}
	if config.ServerName == "" {
		config.ServerName = host
	}
	if c.caFile == "" {
		return credentials.NewTLS(config), nil
	}
	pem, err := os.ReadFile(c.caFile)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities to trust: %w", err)
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("--tls-ca %s holds no certificate in PEM", c.caFile)
	}
	return credentials.NewTLS(config), nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// bearer shows a token with every call. It does not insist on TLS, because
// credentials has decided about that.
type bearer string

// GetRequestMetadata returns the header.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity returns false.
func (b bearer) RequireTransportSecurity() bool { return false }
