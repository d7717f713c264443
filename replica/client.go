package replica

import (
	"context"
	"sync"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Client returns a client whose calls this replica answers in this process. They
// mean what they mean to any server, and fail with the same statuses: code that
// is given a client need not know which it has.
//
// Reads are answered here, without a copy or a network between; a fully
// consistent one asks the leader once, and a zookie that is newer than what has
// come here is waited for. What writes goes to the leader.
//
// No token is asked for, and call options, which are about connections, mean
// nothing. A stream goes on until it is read to its end, its context ends, or the
// replica is closed.
func (r *Replica) Client() tupelov1.TupeloClient { return &client{r} }

// client calls the handlers of a replica's server. Requests and answers are handed
// over as they are, which the server allows: it keeps neither.
type client struct{ r *Replica }

// Check asks whether a subject has a relation or permission on an object.
func (c *client) Check(ctx context.Context, request *tupelov1.CheckRequest, _ ...grpc.CallOption) (*tupelov1.CheckResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_Check_FullMethodName, request, c.r.server.Check)
}

// BatchCheck asks many checks at one revision.
func (c *client) BatchCheck(ctx context.Context, request *tupelov1.BatchCheckRequest, _ ...grpc.CallOption) (*tupelov1.BatchCheckResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_BatchCheck_FullMethodName, request, c.r.server.BatchCheck)
}

// Expand asks why subjects have a relation or permission on an object.
func (c *client) Expand(ctx context.Context, request *tupelov1.ExpandRequest, _ ...grpc.CallOption) (*tupelov1.ExpandResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_Expand_FullMethodName, request, c.r.server.Expand)
}

// ListObjects asks for the objects that a subject has a relation or permission on.
func (c *client) ListObjects(ctx context.Context, request *tupelov1.ListObjectsRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.ListObjectsResponse], error) {
	return stream(ctx, c.r, tupelov1.Tupelo_ListObjects_FullMethodName, request, c.r.server.ListObjects)
}

// ListSubjects asks for the subjects that have a relation or permission on an object.
func (c *client) ListSubjects(ctx context.Context, request *tupelov1.ListSubjectsRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.ListSubjectsResponse], error) {
	return stream(ctx, c.r, tupelov1.Tupelo_ListSubjects_FullMethodName, request, c.r.server.ListSubjects)
}

// ListRelations asks for what a subject has on an object.
func (c *client) ListRelations(ctx context.Context, request *tupelov1.ListRelationsRequest, _ ...grpc.CallOption) (*tupelov1.ListRelationsResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_ListRelations_FullMethodName, request, c.r.server.ListRelations)
}

// Read asks for the tuples that a filter selects.
func (c *client) Read(ctx context.Context, request *tupelov1.ReadRequest, _ ...grpc.CallOption) (*tupelov1.ReadResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_Read_FullMethodName, request, c.r.server.Read)
}

// Write has the leader change tuples.
func (c *client) Write(ctx context.Context, request *tupelov1.WriteRequest, _ ...grpc.CallOption) (*tupelov1.WriteResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_Write_FullMethodName, request, c.r.server.Write)
}

// DeleteByFilter has the leader delete the tuples that a filter selects.
func (c *client) DeleteByFilter(ctx context.Context, request *tupelov1.DeleteByFilterRequest, _ ...grpc.CallOption) (*tupelov1.DeleteByFilterResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_DeleteByFilter_FullMethodName, request, c.r.server.DeleteByFilter)
}

// Import has the leader write many tuples. A message is the import's once it is
// sent, and must not be changed.
func (c *client) Import(ctx context.Context, _ ...grpc.CallOption) (grpc.ClientStreamingClient[tupelov1.ImportRequest, tupelov1.ImportResponse], error) {
	return upload(ctx, c.r, tupelov1.Tupelo_Import_FullMethodName, c.r.server.Import)
}

// Export asks for all the tuples that a filter selects.
func (c *client) Export(ctx context.Context, request *tupelov1.ExportRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.ExportResponse], error) {
	return stream(ctx, c.r, tupelov1.Tupelo_Export_FullMethodName, request, c.r.server.Export)
}

// RegisterCounter has the leader give a filter a name.
func (c *client) RegisterCounter(ctx context.Context, request *tupelov1.RegisterCounterRequest, _ ...grpc.CallOption) (*tupelov1.RegisterCounterResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_RegisterCounter_FullMethodName, request, c.r.server.RegisterCounter)
}

// UnregisterCounter has the leader take the name of a counter away.
func (c *client) UnregisterCounter(ctx context.Context, request *tupelov1.UnregisterCounterRequest, _ ...grpc.CallOption) (*tupelov1.UnregisterCounterResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_UnregisterCounter_FullMethodName, request, c.r.server.UnregisterCounter)
}

// ReadCounter asks how many tuples a counter's filter selects.
func (c *client) ReadCounter(ctx context.Context, request *tupelov1.ReadCounterRequest, _ ...grpc.CallOption) (*tupelov1.ReadCounterResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_ReadCounter_FullMethodName, request, c.r.server.ReadCounter)
}

// ReadSchema asks for the schema.
func (c *client) ReadSchema(ctx context.Context, request *tupelov1.ReadSchemaRequest, _ ...grpc.CallOption) (*tupelov1.ReadSchemaResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_ReadSchema_FullMethodName, request, c.r.server.ReadSchema)
}

// WriteSchema has the leader replace the schema.
func (c *client) WriteSchema(ctx context.Context, request *tupelov1.WriteSchemaRequest, _ ...grpc.CallOption) (*tupelov1.WriteSchemaResponse, error) {
	return unary(ctx, c.r, tupelov1.Tupelo_WriteSchema_FullMethodName, request, c.r.server.WriteSchema)
}

// CompareSchema asks what another schema would change.
func (c *client) CompareSchema(ctx context.Context, request *tupelov1.CompareSchemaRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.CompareSchemaResponse], error) {
	return stream(ctx, c.r, tupelov1.Tupelo_CompareSchema_FullMethodName, request, c.r.server.CompareSchema)
}

// Watch asks for what changes, from now on or since a zookie.
func (c *client) Watch(ctx context.Context, request *tupelov1.WatchRequest, _ ...grpc.CallOption) (grpc.ServerStreamingClient[tupelov1.WatchResponse], error) {
	return stream(ctx, c.r, tupelov1.Tupelo_Watch_FullMethodName, request, c.r.server.Watch)
}

// unary makes a call of which the answer is one message. The server stands around
// it: counted, its error made into a status, and let in without a token.
func unary[Q, A any](ctx context.Context, r *Replica, method string, request *Q, handle func(context.Context, *Q) (*A, error)) (*A, error) {
	if request == nil {
		request = new(Q) // as a message without fields would arrive
	}
	answer, err := r.server.InProcess(ctx, request, &grpc.UnaryServerInfo{Server: r.server, FullMethod: method},
		func(ctx context.Context, _ any) (any, error) {
			if !r.calls.begin() {
				return nil, errClosed
			}
			defer r.calls.end()
			return handle(ctx, request)
		})
	if err != nil {
		return nil, err
	}
	return answer.(*A), nil
}

// calls are those that are made in this process. They must be over before what
// they read is closed.
type calls struct {
	mu      sync.RWMutex
	closed  bool
	running sync.WaitGroup
}

// begin reports false if there are to be no more calls. Whoever is told true must
// call end.
func (c *calls) begin() bool {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return false
	}
	c.running.Add(1)
	return true
}

func (c *calls) end() { c.running.Done() }

// close lets no more calls begin. What it returns is closed when the last one has
// ended.
func (c *calls) close() <-chan struct{} {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	over := make(chan struct{})
	go func() {
		c.running.Wait()
		close(over)
	}()
	return over
}
