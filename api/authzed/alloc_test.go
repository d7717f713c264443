package authzed

import (
	"context"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/replica"
)

// newServer returns the handlers of a new node, with GitClub's schema and a tuple.
func newServer(t testing.TB) *api.Server {
	t.Helper()
	node, err := replica.Open(t.Context(), replica.Options{Memory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closing, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := node.Close(closing); err != nil {
			t.Error(err)
		}
	})
	if _, err := node.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	server := node.Server()
	if _, err := server.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: gitclub}); err != nil {
		t.Fatal(err)
	}
	update := &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(rel("repository", "site", "maintainer", "user", "ana", ""))}
	if _, err := server.Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{update}}); err != nil {
		t.Fatal(err)
	}
	return server
}

// pullInBoth is a check in both protocols.
func pullInBoth() (*v1.CheckPermissionRequest, *tupelov1.CheckRequest) {
	r := rel("repository", "site", "pull", "user", "ana", "")
	return &v1.CheckPermissionRequest{Resource: r.Resource, Permission: r.Relation, Subject: r.Subject},
		&tupelov1.CheckRequest{Object: object(r.Resource), Relation: r.Relation, Subject: subject(r.Subject)}
}

func TestTheTranslationOfACheckTakesTwoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("what is pooled is dropped at random under the race detector")
	}
	server := newServer(t)
	theirs, ours := pullInBoth()
	p := permissions{adapter: &adapter{native: server}}
	native := testing.AllocsPerRun(500, func() {
		if _, err := server.Check(t.Context(), ours); err != nil {
			t.Fatal(err)
		}
	})
	translated := testing.AllocsPerRun(500, func() {
		if _, err := p.CheckPermission(t.Context(), theirs); err != nil {
			t.Fatal(err)
		}
	})
	if translated-native > 2 {
		t.Errorf("%.0f allocations, and natively %.0f", translated, native)
	}
}

// TestTheTranslationOfABulkCheckAllocatesNothingForEachItem compares batches.
func TestTheTranslationOfABulkCheckAllocatesNothingForEachItem(t *testing.T) {
	if raceDetector {
		t.Skip("what is pooled is dropped at random under the race detector")
	}
	server := newServer(t)
	theirs, ours := pullInBoth()
	p := permissions{adapter: &adapter{native: server}}
	bulk, batch := &v1.CheckBulkPermissionsRequest{}, &tupelov1.BatchCheckRequest{}
	for range 100 {
		bulk.Items = append(bulk.Items, &v1.CheckBulkPermissionsRequestItem{Resource: theirs.Resource, Permission: theirs.Permission, Subject: theirs.Subject})
		batch.Items = append(batch.Items, &tupelov1.BatchCheckItem{Object: ours.Object, Relation: ours.Relation, Subject: ours.Subject})
	}
	native := testing.AllocsPerRun(200, func() {
		if _, err := server.BatchCheck(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	})
	translated := testing.AllocsPerRun(200, func() {
		if _, err := p.CheckBulkPermissions(t.Context(), bulk); err != nil {
			t.Fatal(err)
		}
	})
	if translated-native > 12 {
		t.Errorf("%.0f allocations for 100 items, and natively %.0f", translated, native)
	}
}

// BenchmarkCheckPermission shows what the other protocol costs over the native one,
// in process.
func BenchmarkCheckPermission(b *testing.B) {
	server := newServer(b)
	theirs, ours := pullInBoth()
	p := permissions{adapter: &adapter{native: server}}
	b.Run("native", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := server.Check(b.Context(), ours); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("authzed", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := p.CheckPermission(b.Context(), theirs); err != nil {
				b.Fatal(err)
			}
		}
	})
}
