package authzed

import (
	"context"
	"fmt"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/codec"
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
		closing, cancel := context.WithTimeout(context.Background(), time.Minute)
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

func TestTheTranslationOfACheckTakesOneAllocation(t *testing.T) {
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
	if translated-native > 1 {
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

// written is a stream that writes what is sent, as the transport does.
type written[T any] struct {
	grpc.ServerStream // nil: what the handlers do not use
	ctx               context.Context
	codec             *codec.Codec
	sent              int
}

func (w *written[T]) Context() context.Context { return w.ctx }

func (w *written[T]) Send(m *T) error {
	w.sent++
	data, err := w.codec.Marshal(m)
	data.Free()
	return err
}

// TestAResultOfAStreamTakesFewAllocations compares a stream of many results with one
// of a quarter of them.
func TestAResultOfAStreamTakesFewAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("what is pooled is dropped at random under the race detector")
	}
	server := newServer(t)
	p := permissions{adapter: &adapter{native: server}}
	const few, many = 200, 800
	for _, list := range []struct {
		user, repository string
		n                int
	}{{"few", "a", few}, {"many", "b", many}} {
		write := &v1.WriteRelationshipsRequest{}
		for i := range list.n {
			write.Updates = append(write.Updates, &v1.RelationshipUpdate{
				Operation:    v1.RelationshipUpdate_OPERATION_TOUCH,
				Relationship: rel("repository", fmt.Sprintf("%s%05d", list.repository, i), "maintainer", "user", list.user, ""),
			})
			if i < list.n/2 { // not too many for one write
				write.Updates = append(write.Updates, &v1.RelationshipUpdate{
					Operation:    v1.RelationshipUpdate_OPERATION_TOUCH,
					Relationship: rel("repository", list.user, "maintainer", "user", fmt.Sprintf("%s%05d", list.user, i), ""),
				})
			}
			if len(write.Updates) >= 900 || i == list.n-1 {
				if _, err := p.WriteRelationships(t.Context(), write); err != nil {
					t.Fatal(err)
				}
				write = &v1.WriteRelationshipsRequest{}
			}
		}
	}
	c := held().Codec()
	for _, stream := range []struct {
		name string
		of   func(user string) (sent int, err error)
		most float64
	}{
		{"LookupResources: its id, its cursor and its message", func(user string) (int, error) {
			w := &written[v1.LookupResourcesResponse]{ctx: t.Context(), codec: c}
			r := rel("repository", "", "pull", "user", user, "")
			err := p.LookupResources(&v1.LookupResourcesRequest{ResourceObjectType: "repository", Permission: "pull", Subject: r.Subject}, w)
			return w.sent, err
		}, 3.3},
		{"LookupSubjects: its id and its message", func(user string) (int, error) {
			w := &written[v1.LookupSubjectsResponse]{ctx: t.Context(), codec: c}
			r := rel("repository", user, "pull", "user", user, "")
			err := p.LookupSubjects(&v1.LookupSubjectsRequest{Resource: r.Resource, Permission: "pull", SubjectObjectType: "user"}, w)
			return w.sent, err
		}, 2.3},
		{"ReadRelationships: its ids, its cursor and its message", func(user string) (int, error) {
			w := &written[v1.ReadRelationshipsResponse]{ctx: t.Context(), codec: c}
			err := p.ReadRelationships(&v1.ReadRelationshipsRequest{RelationshipFilter: &v1.RelationshipFilter{
				ResourceType: "repository", OptionalSubjectFilter: &v1.SubjectFilter{SubjectType: "user", OptionalSubjectId: user},
			}}, w)
			return w.sent, err
		}, 4.3},
	} {
		count := func(user string) (allocations float64, sent int) {
			allocations = testing.AllocsPerRun(20, func() {
				var err error
				if sent, err = stream.of(user); err != nil {
					t.Fatal(err)
				}
			})
			return allocations, sent
		}
		small, n := count("few")
		large, m := count("many")
		if m < 2*n || n < 100 {
			t.Fatalf("%s: there are %d and %d results", stream.name, n, m)
		}
		if each := (large - small) / float64(m-n); each > stream.most {
			t.Errorf("%s: %.2f allocations for each result", stream.name, each)
		} else {
			t.Logf("%s: %.2f allocations for each result", stream.name, each)
		}
	}
}

func TestTheTranslationOfAWriteAllocatesNothingForEachUpdate(t *testing.T) {
	r := &v1.WriteRelationshipsRequest{}
	for i := range 100 {
		r.Updates = append(r.Updates, &v1.RelationshipUpdate{
			Operation: v1.RelationshipUpdate_OPERATION_TOUCH, Relationship: rel("repository", fmt.Sprint(i), "maintainer", "user", "ana", ""),
		})
	}
	n := testing.AllocsPerRun(100, func() {
		if _, err := writeRequest(r); err != nil {
			t.Fatal(err)
		}
	})
	if n > 4 {
		t.Errorf("%.0f allocations for 100 updates", n)
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
