package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

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
	flags.DurationVar(&c.timeout, "timeout", 10*time.Second, "longest time to wait for one answer; 0 for ever")
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
		options = append(options, grpc.WithUnaryInterceptor(c.bounded))
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
