package authzed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	"github.com/authzed/authzed-go/pkg/responsemeta"
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api"
)

// zed is SpiceDB's command line as a server sees it: for each command the calls that
// zed v1.2 makes, with the same fields, metadata and order, and from the answers no
// more than what zed takes of them. The command itself is driven by cmd/tupelo/zedtest,
// where there is one.
type zed struct {
	v1.PermissionsServiceClient
	v1.SchemaServiceClient
	v1.WatchServiceClient
	address string

	mu    sync.Mutex
	tries map[string]int // by the last part of a method's name
}

const zedToken = "preshared-key"

// newZed returns zed, with the token of a new node that has a port.
func newZed(t testing.TB, o api.Options) (z *zed, stop func()) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Tokens = []string{zedToken}
	stop = serveNode(t, o, listener)
	return dialZed(t, listener.Addr().String(), zedToken), stop
}

// dialZed connects as authzed.NewClient does with a bearer token and no TLS.
func dialZed(t testing.TB, address, token string) *zed {
	t.Helper()
	z := &zed{address: address, tries: make(map[string]int)}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithPerRPCCredentials(bearer(token)),
		grpc.WithChainUnaryInterceptor(z.retried, askVersion),
		grpc.WithChainStreamInterceptor(z.counted))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	z.PermissionsServiceClient = v1.NewPermissionsServiceClient(conn)
	z.SchemaServiceClient = v1.NewSchemaServiceClient(conn)
	z.WatchServiceClient = v1.NewWatchServiceClient(conn)
	return z
}

// bearer sends a token with each call.
type bearer string

func (b bearer) RequireTransportSecurity() bool { return false }

func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// askVersion has each unary call ask for the version, as zed does.
func askVersion(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	return invoke(requestmeta.AddRequestHeaders(ctx, requestmeta.RequestServerVersion), method, request, answer, conn, options...)
}

// retriedByZed are the codes for which zed makes a call again, ten times.
var retriedByZed = []codes.Code{codes.ResourceExhausted, codes.Unavailable, codes.Aborted, codes.Unknown, codes.Internal}

// retried counts a call and makes it again where zed would, once: a second time
// is as wrong as the tenth.
func (z *zed) retried(ctx context.Context, method string, request, answer any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	z.count(method)
	err := invoke(ctx, method, request, answer, conn, options...)
	for _, code := range retriedByZed {
		if status.Code(err) == code {
			z.count(method)
			return invoke(ctx, method, request, answer, conn, options...)
		}
	}
	return err
}

func (z *zed) counted(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
	z.count(method)
	return open(ctx, desc, conn, method, options...)
}

func (z *zed) count(method string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.tries[method[strings.LastIndex(method, "/")+1:]]++
}

// calls returns how many calls of a method there were since it was last asked.
func (z *zed) calls(method string) int {
	z.mu.Lock()
	defer z.mu.Unlock()
	n := z.tries[method]
	z.tries[method] = 0
	return n
}

// version is `zed version`.
func (z *zed) version(ctx context.Context) string {
	var header, trailer metadata.MD
	_, _ = z.ReadSchema(ctx, &v1.ReadSchemaRequest{}, grpc.Header(&header), grpc.Trailer(&trailer)) // no schema is no reason to have no version
	fromHeader, fromTrailer := header.Get(string(responsemeta.ServerVersion)), trailer.Get(string(responsemeta.ServerVersion))
	if len(fromHeader) == 1 && (len(fromTrailer) == 0 || fromTrailer[0] == fromHeader[0]) {
		return fromHeader[0]
	}
	return "(unknown)"
}

// schemaWrite is `zed schema write`, which looks first for a prefix in the schema
// that there is.
func (z *zed) schemaWrite(ctx context.Context, text string) error {
	_, _ = z.ReadSchema(ctx, &v1.ReadSchemaRequest{}) // there may be none
	_, err := z.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: text})
	return err
}

// write is `zed relationship create`, touch and delete, of one or of lines.
func (z *zed) write(ctx context.Context, operation v1.RelationshipUpdate_Operation, texts ...string) (token string, err error) {
	const batch = 100
	for len(texts) > 0 {
		n := min(batch, len(texts))
		r := &v1.WriteRelationshipsRequest{}
		for _, text := range texts[:n] {
			r.Updates = append(r.Updates, &v1.RelationshipUpdate{Operation: operation, Relationship: relationshipOf(text)})
		}
		answer, err := z.WriteRelationships(ctx, r)
		if err != nil {
			return "", err
		}
		token, texts = answer.WrittenAt.GetToken(), texts[n:]
	}
	return token, nil
}

// read is `zed relationship read`, which reads page by page.
func (z *zed) read(ctx context.Context, f *v1.RelationshipFilter, page uint32) (lines []string, err error) {
	r := &v1.ReadRelationshipsRequest{Consistency: minimizedLatency(), RelationshipFilter: f, OptionalLimit: page}
	for {
		stream, err := z.ReadRelationships(ctx, r)
		if err != nil {
			return nil, err
		}
		n := uint32(0)
		err = eachOf(stream, func(m *v1.ReadRelationshipsResponse) {
			n++
			r.OptionalCursor = m.AfterResultCursor
			lines = append(lines, textOf(m.Relationship))
		})
		switch {
		case err != nil:
			return nil, err
		case page > 0 && n > page:
			return nil, fmt.Errorf("a page of %d has %d", page, n)
		case page == 0 || n < page:
			return lines, nil
		}
	}
}

// bulkDelete is `zed relationship bulk-delete`; with force it goes on until nothing
// is left. What zed tells of too many is its error.
func (z *zed) bulkDelete(ctx context.Context, f *v1.RelationshipFilter, limit uint32, force bool) (token string, err error) {
	for {
		answer, err := z.DeleteRelationships(ctx, &v1.DeleteRelationshipsRequest{
			RelationshipFilter: f, OptionalLimit: limit, OptionalAllowPartialDeletions: force,
		})
		if info := errorInfo(err); info.GetReason() == v1.ErrorReason_ERROR_REASON_TOO_MANY_RELATIONSHIPS_FOR_TRANSACTIONAL_DELETE.String() {
			return "", fmt.Errorf("could not delete %s, as more than %s relationships were found",
				info.Metadata["filter_resource_type"], info.Metadata["limit"])
		}
		if err != nil {
			return "", err
		}
		if answer.DeletionProgress == v1.DeleteRelationshipsResponse_DELETION_PROGRESS_COMPLETE {
			return answer.DeletedAt.GetToken(), nil
		}
	}
}

func errorInfo(err error) *errdetails.ErrorInfo {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok {
			return info
		}
	}
	return nil
}

// touchAll writes relationships by batches, as `zed import` does.
func (z *zed) touchAll(ctx context.Context, rels []*v1.Relationship, batch int) error {
	for first := 0; first < len(rels); first += batch {
		r := &v1.WriteRelationshipsRequest{}
		for _, rel := range rels[first:min(first+batch, len(rels))] {
			r.Updates = append(r.Updates, &v1.RelationshipUpdate{Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: rel})
		}
		limited, cancel := context.WithTimeout(ctx, 30*time.Second)
		_, err := z.WriteRelationships(limited, r)
		cancel()
		if err != nil {
			return err
		}
	}
	return nil
}

// eachOf receives until the end of a stream.
func eachOf[T any](stream grpc.ServerStreamingClient[T], take func(*T)) error {
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		take(m)
	}
}

func minimizedLatency() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_MinimizeLatency{MinimizeLatency: true}}
}

// relationshipOf parses resource:id#relation@subject:id#relation.
func relationshipOf(text string) *v1.Relationship {
	resource, user, _ := strings.Cut(text, "@")
	resource, relation, _ := strings.Cut(resource, "#")
	user, userRelation, _ := strings.Cut(user, "#")
	return &v1.Relationship{
		Resource: objectOf(resource), Relation: relation,
		Subject: &v1.SubjectReference{Object: objectOf(user), OptionalRelation: userRelation},
	}
}

func objectOf(text string) *v1.ObjectReference {
	typ, id, _ := strings.Cut(text, ":")
	return &v1.ObjectReference{ObjectType: typ, ObjectId: id}
}

// textOf writes a relationship as relationshipOf reads it.
func textOf(r *v1.Relationship) string {
	text := fmt.Sprintf("%s:%s#%s@%s:%s", r.Resource.ObjectType, r.Resource.ObjectId, r.Relation, r.Subject.Object.ObjectType, r.Subject.Object.ObjectId)
	if r.Subject.OptionalRelation != "" {
		text += "#" + r.Subject.OptionalRelation
	}
	return text
}
