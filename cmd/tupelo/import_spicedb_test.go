package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/authzed"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// movingSchema and movingTuples have one of everything that a relationship may carry.
const movingSchema = `use expiration

caveat on_day(day string, allowed list<string>) {
	day in allowed
}

definition user {}

definition team {
	relation member: user | team#member
}

definition document {
	relation reader: user | user:* | team#member | user with on_day | user with expiration | user with on_day and expiration
	permission read = reader
}
`

const movingTuples = `team:core#member@user:alice
team:all#member@team:core#member
document:a/b#reader@user:*
document:plan#reader@team:core#member
document:plan#reader@user:bob[on_day:{"allowed":["mon","tue"]}]
document:plan#reader@user:carol[on_day]
document:plan#reader@user:dan[expiration:2100-01-31T12:00:00.5Z]
document:plan#reader@user:eve[on_day:{"allowed":[]}][expiration:2100-01-31T12:00:00Z]
`

// startSpiceDB serves authzed.api.v1 with that, and more tuples in a row.
func startSpiceDB(t *testing.T, more int, token ...string) (addr string) {
	t.Helper()
	addr = startServer(t, func(o *replica.Options) {
		o.API.Adapters, o.API.Tokens = []api.Adapter{authzed.Register}, token
	})
	t.Setenv("TUPELO_TOKEN", strings.Join(token, ""))
	schema := filepath.Join(t.TempDir(), "schema.zed")
	if err := os.WriteFile(schema, []byte(movingSchema), 0o600); err != nil {
		t.Fatal(err)
	}
	mustTupelo(t, "schema", "write", schema)
	var text strings.Builder
	text.WriteString(movingTuples)
	for i := range more {
		fmt.Fprintf(&text, "team:t%d#member@user:u%d\n", i%7, i)
	}
	if o := tupeloWith(t, text.String(), "import", "-"); o.code != exitOK {
		t.Fatal(o.diag)
	}
	return addr
}

// everything is what the server of TUPELO_ADDR holds.
func everything(t *testing.T) string {
	t.Helper()
	return mustTupelo(t, "schema", "read", "--consistency", "fully-consistent") +
		mustTupelo(t, "read", "--limit", "0", "--consistency", "fully-consistent")
}

func TestAnImportFromSpiceDBIsEqualToIt(t *testing.T) {
	source := startSpiceDB(t, 4500, "theirs")
	want := everything(t)
	if !strings.Contains(want, `user:eve[on_day:{"allowed":[]}][expiration:2100-01-31T12:00:00Z]`) {
		t.Fatalf("the source holds\n%s", want[:1000])
	}
	startServer(t)
	t.Setenv("TUPELO_TOKEN", "")
	expectFailure(t, "the server at "+source+": UNAUTHENTICATED", "import", "--from-spicedb", source)
	expectFailure(t, "UNAUTHENTICATED", "import", "--from-spicedb", source, "--from-token", "guess")
	if got := mustTupelo(t, "import", "--from-spicedb", source, "--from-token", "theirs", "--dry-run"); got != "document 6\nteam 4502\n4508 relationships to import; nothing is written\n" {
		t.Errorf("the rehearsal says\n%s", got)
	}
	expectFailure(t, "no schema", "schema", "read")
	got := mustTupelo(t, "import", "--from-spicedb", source, "--token", "theirs", "--json") // for both
	if !strings.Contains(got, `{"tuples":4508,"zookie":"`) || !strings.HasSuffix(got, `"total":4508}`+"\n") {
		t.Errorf("it says %s", got)
	}
	if got := everything(t); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got[:1000], want[:1000])
	}
	// Once more is as good as once.
	mustTupelo(t, "import", "--from-spicedb", source, "--from-token", "theirs")
	if got := everything(t); got != want {
		t.Error("it holds something else after another time")
	}
}

func TestATokenOfTupelosEnvironmentIsNotShownToSpiceDB(t *testing.T) {
	source := startSpiceDB(t, 0, "same")
	startServer(t)
	t.Setenv("TUPELO_TOKEN", "same")
	expectFailure(t, "UNAUTHENTICATED", "import", "--from-spicedb", source)
	t.Setenv("TUPELO_FROM_TOKEN", "same")
	mustTupelo(t, "import", "--from-spicedb", source)
}

func TestWhatImportIsAskedForMustBeOneThing(t *testing.T) {
	for _, args := range [][]string{
		{}, {"--dry-run"}, {"tuples.txt", "--dry-run"}, {"tuples.txt", "--resume", "x"}, {"tuples.txt", "--from-spicedb", "a:1"},
		{"--from-spicedb", "a:1", "--from-backup", "x"}, {"--from-backup", "x", "--from-insecure"}, {"--from-spicedb", "nowhere"},
		{"--from-spicedb", "a:1", "--format", "lines"}, {"--from-spicedb", "a:1", "--from-insecure", "--from-tls-ca", "x"},
	} {
		expectFailure(t, "see --help", append([]string{"import"}, args...)...)
	}
}

// brittle is a server of SpiceDB's protocol whose streams break after two pages.
type brittle struct {
	v1.UnimplementedPermissionsServiceServer
	v1.UnimplementedSchemaServiceServer

	mu      sync.Mutex
	asked   []string // consistencies and cursors
	pageful int
	total   int
}

func (b *brittle) ReadSchema(context.Context, *v1.ReadSchemaRequest) (*v1.ReadSchemaResponse, error) {
	return &v1.ReadSchemaResponse{SchemaText: movingSchema, ReadAt: &v1.ZedToken{Token: "then"}}, nil
}

func (b *brittle) ExportBulkRelationships(r *v1.ExportBulkRelationshipsRequest, stream grpc.ServerStreamingServer[v1.ExportBulkRelationshipsResponse]) error {
	from, _ := strconv.Atoi(r.OptionalCursor.GetToken())
	b.mu.Lock()
	b.asked = append(b.asked, fmt.Sprintf("%s%d", r.Consistency.GetAtExactSnapshot().GetToken(), from))
	b.mu.Unlock()
	for range 2 {
		page := &v1.ExportBulkRelationshipsResponse{}
		for ; from < b.total && len(page.Relationships) < b.pageful; from++ {
			page.Relationships = append(page.Relationships, &v1.Relationship{
				Resource: &v1.ObjectReference{ObjectType: "team", ObjectId: "core"}, Relation: "member",
				Subject: &v1.SubjectReference{Object: &v1.ObjectReference{ObjectType: "user", ObjectId: fmt.Sprint(from)}},
			})
		}
		page.AfterResultCursor = &v1.Cursor{Token: fmt.Sprint(from)}
		if err := stream.Send(page); err != nil {
			return err
		}
		if from == b.total {
			return nil
		}
	}
	return status.Error(codes.Unavailable, "the line broke")
}

// serve answers until the test ends.
func (b *brittle) serve(t *testing.T) *grpc.ClientConn {
	t.Helper()
	server := grpc.NewServer()
	v1.RegisterPermissionsServiceServer(server, b)
	v1.RegisterSchemaServiceServer(server, b)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func TestAnImportGoesOnWhereAStreamBroke(t *testing.T) {
	b := &brittle{pageful: 300, total: 1600}
	source := b.serve(t).Target()
	startServer(t)
	if got := mustTupelo(t, "import", "--from-spicedb", source); !strings.Contains(got, "imported 1600 tuples") {
		t.Errorf("it says %s", got)
	}
	// The first part is of the schema's revision; cursors have one of their own.
	if got := fmt.Sprint(b.asked); got != "[then0 600 1200]" {
		t.Errorf("the server was asked for %s", got)
	}
}

func TestAnInterruptedImportAsksSpiceDBForWhatIsBehindItsCursor(t *testing.T) {
	b := &brittle{pageful: 300, total: 1600}
	conn := b.serve(t)
	file := filepath.Join(t.TempDir(), "moving.json")
	stored := map[string]bool{}
	try := func(fatal int) error {
		i, fake := newFakeImport(func(attempt int) error {
			if attempt == fatal {
				return failWith(codes.Internal, tupelov1.ErrorReason_ERROR_REASON_INTERNAL)
			}
			return nil
		})
		fake.stored, i.inFlight = stored, 1
		i.client.TupeloClient = &schemaServer{fakeServer: fake, schema: movingSchema}
		o, err := openSpiceDB(t.Context(), &client{conn: conn}, "there")
		if err != nil {
			t.Fatal(err)
		}
		return i.from(t.Context(), o, originOptions{resume: file})
	}
	if err := try(3); err == nil {
		t.Fatal("it did not fail")
	}
	if r := remembered(t, file); r.Tuples != 600 || r.Cursor != "600" {
		t.Errorf("it remembers %+v", r)
	}
	b.asked = nil
	if err := try(0); err != nil {
		t.Fatal(err)
	}
	if len(stored) != 1600 || fmt.Sprint(b.asked) != "[600 1200]" {
		t.Errorf("%d are stored, and asked for was %q", len(stored), b.asked)
	}
}
