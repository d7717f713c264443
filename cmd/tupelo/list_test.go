package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// listServer sends parts of a list of objects, and then does as a test says.
type listServer struct {
	tupelov1.UnimplementedTupeloServer
	parts []*tupelov1.ListObjectsResponse
	end   func(ctx context.Context) error
}

func (s *listServer) ListObjects(_ *tupelov1.ListObjectsRequest, stream grpc.ServerStreamingServer[tupelov1.ListObjectsResponse]) error {
	for _, part := range s.parts {
		if err := stream.Send(part); err != nil {
			return err
		}
	}
	return s.end(stream.Context())
}

// untilGone is the end of a server that hangs.
func untilGone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

func objectsPart(cursor string, ids ...string) *tupelov1.ListObjectsResponse {
	part := &tupelov1.ListObjectsResponse{Cursor: cursor, Zookie: "zookie"}
	for _, id := range ids {
		part.Objects = append(part.Objects, &tupelov1.ListedObject{Id: id, Result: tupelov1.Result_RESULT_YES})
	}
	return part
}

// serveLists has the commands of this test ask a server.
func serveLists(t *testing.T, s *listServer) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	tupelov1.RegisterTupeloServer(server, s)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		if err := <-served; err != nil {
			t.Error("serving:", err)
		}
	})
	setenv(t, "TUPELO_ADDR", listener.Addr().String())
}

// listed runs a list whose lines go to a writer.
func listed(ctx context.Context, out io.Writer, flags ...string) (code int, diag string) {
	var errors bytes.Buffer
	args := append([]string{"list", "objects", "repository", "read", "user:alice"}, flags...)
	code = run(ctx, args, strings.NewReader(""), out, &errors)
	return code, errors.String()
}

// writing does something with each write.
type writing func(text string)

func (w writing) Write(text []byte) (int, error) {
	w(string(text))
	return len(text), nil
}

func TestAListThatStallsEndsAndSaysWhereItGoesOn(t *testing.T) {
	serveLists(t, &listServer{parts: []*tupelov1.ListObjectsResponse{objectsPart("c1", "a"), objectsPart("c2", "b", "c")}, end: untilGone})
	var out bytes.Buffer
	code, diag := listed(t.Context(), &out, "--timeout", "300ms")
	if code != exitError || out.String() != "repository:a\nrepository:b\nrepository:c\n" {
		t.Errorf("exit status %d, the list is\n%s", code, &out)
	}
	if want := "3 objects listed before that; go on with --cursor c2\n" +
		"tupelo: DEADLINE_EXCEEDED: nothing came within 300ms, the --timeout\n"; diag != want {
		t.Errorf("it says\n%swant\n%s", diag, want)
	}
}

func TestAListMayBePrintedSlowly(t *testing.T) {
	last := objectsPart("c2", "b")
	last.Complete = true
	serveLists(t, &listServer{
		parts: []*tupelov1.ListObjectsResponse{objectsPart("c1", "a"), last},
		end:   func(context.Context) error { return nil },
	})
	code, diag := listed(t.Context(), writing(func(string) { time.Sleep(400 * time.Millisecond) }), "--timeout", "300ms")
	if code != exitOK || diag != "2 objects, complete, zookie zookie\n" {
		t.Errorf("exit status %d, it says\n%s", code, diag)
	}
}

func TestAListThatIsInterruptedPrintsWhatCameAndSaysWhereItGoesOn(t *testing.T) {
	serveLists(t, &listServer{parts: []*tupelov1.ListObjectsResponse{objectsPart("c1", "a")}, end: untilGone})
	ctx, interrupt := context.WithCancel(t.Context())
	var out strings.Builder
	code, diag := listed(ctx, writing(func(text string) { out.WriteString(text); interrupt() }))
	if code != exitError || out.String() != "repository:a\n" {
		t.Errorf("exit status %d, the list is\n%s", code, &out)
	}
	if !strings.HasPrefix(diag, "1 object listed before that; go on with --cursor c1\ntupelo: interrupted: ") {
		t.Errorf("it says\n%s", diag)
	}
}

func TestAListThatOnlyEndsIsNotTakenForAWholeOne(t *testing.T) {
	s := &listServer{end: func(context.Context) error { return nil }}
	serveLists(t, s)
	code, diag := listed(t.Context(), &bytes.Buffer{})
	if code != exitError || !strings.Contains(diag, "without its last message") {
		t.Errorf("exit status %d, it says\n%s", code, diag)
	}
	s.parts = []*tupelov1.ListObjectsResponse{objectsPart("c1", "a")}
	code, diag = listed(t.Context(), &bytes.Buffer{}, "-q")
	if code != exitOK || !strings.Contains(diag, "more may follow; go on with --cursor c1") {
		t.Errorf("exit status %d, it says\n%s", code, diag)
	}
}

func TestEveryEntryComesOnceWhateverTheLengthOfThePages(t *testing.T) {
	startServer(t)
	inCopyOf(t, "testdata/files")
	mustTupelo(t, "schema", "write", "schema.zed")
	var tuples strings.Builder
	for n := range 3000 {
		fmt.Fprintf(&tuples, "repository:r%s%d#reader@user:alice\n", strings.Repeat("x", n%5), n)
	}
	if o := tupeloWith(t, tuples.String(), "import", "-"); o.code != exitOK {
		t.Fatal(o)
	}
	whole := mustTupelo(t, "list", "objects", "repository", "read", "user:alice")
	if n := strings.Count(whole, "\n"); n != 3000 {
		t.Fatalf("%d objects", n)
	}
	var paged strings.Builder
	for cursor, pages := "", 0; ; pages++ {
		o := tupelo(t, "list", "objects", "repository", "read", "user:alice", "--limit", "700", "--cursor", cursor)
		paged.WriteString(o.out)
		_, next, more := strings.Cut(strings.TrimSpace(o.diag), "--cursor ")
		if o.code != exitOK || pages > 5 {
			t.Fatal(o)
		}
		if !more {
			break
		}
		cursor = next
	}
	if paged.String() != whole {
		t.Error("the pages are not the whole list")
	}
}
