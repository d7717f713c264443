package authzed

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/authzed/authzed-go/proto"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// Gateway returns the HTTP and JSON form of the protocol, /v1/..., by calls on a
// connection to its services. Streams are objects one a line, each a "result" or
// the "error" that ends them. Beside that it has /openapi.json, which describes it,
// and /healthz. No JSON value of a request may have more bytes than the limit.
func Gateway(conn grpc.ClientConnInterface, limitBytes int) (http.Handler, error) {
	calls := runtime.NewServeMux(
		runtime.WithMarshalerOption(runtime.MIMEWildcard, newBoundedJSON(limitBytes)),
		runtime.WithIncomingHeaderMatcher(passedOn),
		runtime.WithHealthzEndpoint(grpc_health_v1.NewHealthClient(conn)),
	)
	ctx := context.Background() // not kept: the connection is the caller's to close
	for _, err := range []error{
		v1.RegisterPermissionsServiceHandlerClient(ctx, calls, v1.NewPermissionsServiceClient(conn)),
		v1.RegisterSchemaServiceHandlerClient(ctx, calls, v1.NewSchemaServiceClient(conn)),
		v1.RegisterWatchServiceHandlerClient(ctx, calls, v1.NewWatchServiceClient(conn)),
		v1.RegisterExperimentalServiceHandlerClient(ctx, calls, v1.NewExperimentalServiceClient(conn)),
	} {
		if err != nil {
			return nil, fmt.Errorf("making the HTTP form of authzed.api.v1: %w", err)
		}
	}
	mux := http.NewServeMux()
	mux.Handle("/", calls)
	mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, proto.OpenAPISchema)
	})
	return mux, nil
}

// passedOn says what of a request's header goes with the call, and as what: the
// trace that it is part of, beside what goes with calls anyway.
func passedOn(header string) (string, bool) {
	switch name := strings.ToLower(header); name {
	case "traceparent", "tracestate":
		return name, true
	}
	return runtime.DefaultHeaderMatcher(header)
}

// boundedJSON is SpiceDB's JSON, with two differences: a field that this version does
// not know is refused (Z4), and so is a value of more bytes than a limit.
type boundedJSON struct {
	*runtime.HTTPBodyMarshaler
	limitBytes int
}

func newBoundedJSON(limitBytes int) *boundedJSON {
	return &boundedJSON{
		HTTPBodyMarshaler: &runtime.HTTPBodyMarshaler{Marshaler: &runtime.JSONPb{
			MarshalOptions: protojson.MarshalOptions{EmitUnpopulated: true},
		}},
		limitBytes: limitBytes,
	}
}

// NewDecoder implements runtime.Marshaler.
func (b *boundedJSON) NewDecoder(r io.Reader) runtime.Decoder {
	body := &allowance{reader: r, limit: b.limitBytes}
	values := b.HTTPBodyMarshaler.NewDecoder(body)
	return runtime.DecoderFunc(func(value any) error {
		body.left = b.limitBytes
		return values.Decode(value)
	})
}

// allowance is a reader of so many bytes at most, until it is given more.
type allowance struct {
	reader      io.Reader
	limit, left int
}

// Read implements io.Reader.
func (a *allowance) Read(p []byte) (int, error) {
	if a.left <= 0 {
		return 0, fmt.Errorf("%w: over %d", errLargeValue, a.limit)
	}
	n, err := a.reader.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}
