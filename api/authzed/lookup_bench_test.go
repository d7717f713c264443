package authzed

import (
	"fmt"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// BenchmarkLookupResources looks a thousand repositories up by this protocol, which
// has a message with a cursor for each, and by tupelo.v1, which has few messages,
// both over gRPC in memory; and measures alone what the adapter adds.
func BenchmarkLookupResources(b *testing.B) {
	const results = 1000
	var all []*v1.Relationship
	for i := range results {
		all = append(all, rel("repository", fmt.Sprintf("r%04d", i), "maintainer", "team", "core", "member"))
	}
	c := seeded(b, all...)
	touch := &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: tuple(rel("team", "core", "member", "user", "ana", ""))}
	if _, err := c.native.Write(b.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{touch}}); err != nil {
		b.Fatal(err)
	}
	asked := pulls("ana")
	native := func() (found []*tupelov1.ListedObject, cursor string) {
		stream, err := c.native.ListObjects(b.Context(), &tupelov1.ListObjectsRequest{
			ObjectType: asked.ResourceObjectType, Relation: asked.Permission, Subject: subject(asked.Subject),
		})
		parts, err := received(stream, err)
		if err != nil {
			b.Fatal(err)
		}
		for _, m := range parts {
			found, cursor = append(found, m.Objects...), m.Cursor
		}
		return found, cursor
	}
	found, cursor := native()
	for name, lookup := range map[string]func() int{
		"tupelo": func() int { found, _ := native(); return len(found) },
		"authzed": func() int {
			found, err := c.resources(b.Context(), asked)
			if err != nil {
				b.Fatal(err)
			}
			return len(found)
		},
		"adapter": func() (sent int) {
			m := &tupelov1.ListObjectsResponse{Objects: found, Cursor: cursor, Zookie: cursor}
			if err := sendResources(m, func(*v1.LookupResourcesResponse) error { sent++; return nil }); err != nil {
				b.Fatal(err)
			}
			return sent
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if n := lookup(); n != results {
					b.Fatal(n)
				}
			}
			b.ReportMetric(float64(b.N)*results/b.Elapsed().Seconds(), "results/s")
		})
	}
}
