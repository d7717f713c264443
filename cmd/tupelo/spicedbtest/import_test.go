package spicedbtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// TestAnImportBringsAllThatSpiceDBHolds imports from a real SpiceDB, is interrupted
// on the way, goes on, and then both hold the same.
func TestAnImportBringsAllThatSpiceDBHolds(t *testing.T) {
	both := start(t)
	both.spicedb.t, both.tupelo.t = t, t
	both.spicedb.given(office, papers)
	const many = 20_000
	var part []*v1.RelationshipUpdate
	for i := range many {
		text := fmt.Sprintf("document:d%d#reader@user:u%d", i%5000, i)
		switch i % 5 {
		case 1:
			text += fmt.Sprintf("[adult:{\"age\":%d}]", i%40)
		case 2:
			text += "[on_day]"
		case 3:
			text += "[expiration:2101-01-01T00:00:00Z]"
		case 4:
			text += "[adult][expiration:2101-01-01T00:00:00.25Z]"
		}
		if part = append(part, updates(create, rel(text))...); len(part) == 1000 {
			both.spicedb.wrote(part...)
			part = part[:0]
		}
	}
	resume := filepath.Join(t.TempDir(), "moving.json")
	command := func() *exec.Cmd {
		c := exec.CommandContext(t.Context(), tupelo(t), "import", "--from-spicedb", both.spicedb.address, "--from-token", key, "--resume", resume)
		c.Env = append(os.Environ(), "TUPELO_ADDR="+both.tupelo.address, "TUPELO_TOKEN="+key)
		return c
	}
	first := command()
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	var reached []byte
	for !strings.Contains(string(reached), "ursor") && len(ended) == 0 {
		time.Sleep(time.Millisecond)
		reached, _ = os.ReadFile(resume)
	}
	_ = first.Process.Signal(os.Interrupt)
	<-ended
	reached, err := os.ReadFile(resume)
	t.Logf("interrupted with %s, %v", reached, err)
	if strings.Contains(string(reached), "ursor") {
		both.spicedb.wrote(updates(create, rel("document:later#reader@user:x"))...) // after the revision that is read
	}
	output, err := command().CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	t.Logf("%s", output)
	// What expired is left behind, and so is what was written after the revision that was read.
	if _, err := both.spicedb.DeleteRelationships(t.Context(), &v1.DeleteRelationshipsRequest{RelationshipFilter: filter("document:later")}); err != nil {
		t.Fatal(err)
	}
	both.compare(t, func(s *side) {
		s.exported("all", &v1.ExportBulkRelationshipsRequest{Consistency: full()})
		unary(s, "schema", s.ReflectSchema, &v1.ReflectSchemaRequest{Consistency: full()})
		listed(s, "some", s.ReadRelationships, &v1.ReadRelationshipsRequest{Consistency: full(), RelationshipFilter: filter("document:d17")})
	})
	if n := strings.Count(both.tupelo.answers["all"], "\n"); n < many {
		t.Errorf("%d relationships were compared", n+1)
	}
}
