package authzed

import (
	"os"
	"regexp"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"
)

func TestThePageOnSpiceDBListsEveryCall(t *testing.T) {
	page, err := os.ReadFile("../../docs/spicedb.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	want := func(name string) {
		n++
		if !regexp.MustCompile(`(?m)^\|.*\b` + name + `\b`).Match(page) {
			t.Errorf("docs/spicedb.md does not list %s", name)
		}
	}
	for _, desc := range []grpc.ServiceDesc{
		v1.PermissionsService_ServiceDesc, v1.SchemaService_ServiceDesc, v1.WatchService_ServiceDesc, v1.ExperimentalService_ServiceDesc,
	} {
		for _, method := range desc.Methods {
			want(method.MethodName)
		}
		for _, stream := range desc.Streams {
			want(stream.StreamName)
		}
	}
	if n < 20 {
		t.Errorf("the protocol has only %d calls", n)
	}
}
