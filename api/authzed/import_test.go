package authzed

//lint:file-ignore SA1019 the older call is tested too

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
)

// load imports relationships by messages of a size, through either service.
func (c testClient) load(t testing.TB, older bool, size int, list []*v1.Relationship) (uint64, error) {
	t.Helper()
	if older {
		stream, err := c.BulkImportRelationships(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for some := range slices.Chunk(list, size) {
			if err := stream.Send(&v1.BulkImportRelationshipsRequest{Relationships: some}); errors.Is(err, io.EOF) {
				break // the answer says why
			} else if err != nil {
				t.Fatal(err)
			}
		}
		answer, err := stream.CloseAndRecv()
		return answer.GetNumLoaded(), err
	}
	stream, err := c.ImportBulkRelationships(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for some := range slices.Chunk(list, size) {
		if err := stream.Send(&v1.ImportBulkRelationshipsRequest{Relationships: some}); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetNumLoaded(), err
}

func TestAnImportIsOneStreamOfAnyLength(t *testing.T) {
	for name, row := range map[string]struct {
		older bool
		size  int
		n     int
	}{
		"nothing": {false, 1, 0}, "one by one": {false, 1, 1_500}, "by messages": {false, 700, 20_000},
		"by large messages": {false, 5_000, 12_000}, "the older call": {true, 700, 3_000},
	} {
		t.Run(name, func(t *testing.T) {
			c := seeded(t)
			loaded, err := c.load(t, row.older, row.size, many(row.n))
			if err != nil || loaded != uint64(row.n) {
				t.Fatalf("%d, %v", loaded, err)
			}
			if got := c.stored(t); len(got) != row.n {
				t.Errorf("%d are stored", len(got))
			}
		})
	}
}

func TestAnImportKeepsWhatRelationshipsCarryWhateverItsSize(t *testing.T) {
	c := newClient(t)
	text := "use expiration\ncaveat noted(note string) { note != \"\" }\ndefinition user {}\ndefinition doc {\n relation reader: user with noted and expiration\n}"
	if _, err := c.WriteSchema(t.Context(), &v1.WriteSchemaRequest{Schema: text}); err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(time.Hour).Truncate(time.Microsecond)
	var list []*v1.Relationship
	for i := range 300 { // 6 MB, of which an entry of the log holds some only
		r := relOf(fmt.Sprintf("doc:d%04d#reader@user:ana", i))
		list = append(list, expiring(caveated(r, "noted", map[string]any{"note": strings.Repeat("n", 20_000)}), until))
	}
	if loaded, err := c.load(t, false, 100, list); err != nil || loaded != 300 {
		t.Fatal(loaded, err)
	}
	found, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: only("doc")})
	if err != nil || len(found) != 300 {
		t.Fatal(len(found), err)
	}
	if got := found[7].Relationship; !got.OptionalExpiresAt.AsTime().Equal(until) || len(got.OptionalCaveat.Context.Fields["note"].GetStringValue()) != 20_000 {
		t.Errorf("%v", got)
	}
}

func TestAnImportOfWhatIsThereIsRefused(t *testing.T) {
	there := relOf("team:core#member@user:u00700")
	for name, list := range map[string][]*v1.Relationship{
		"by another write":        many(5_000),
		"by the same write":       append(slices.Clone(many(5_000)[800:900]), many(5_000)[850]),
		"by a write of its own":   append(slices.Clone(many(5_000)[800:]), many(5_000)[850]),
		"by a write under way":    append(slices.Clone(many(5_000)[800:2_500]), many(5_000)[850]),
		"by another, in the last": append(slices.Clone(many(5_000)[800:2_500]), there),
	} {
		t.Run(name, func(t *testing.T) {
			c := seeded(t, there)
			_, err := c.load(t, false, 1_000, list)
			about := wantRefusal(t, err, codes.AlreadyExists, v1.ErrorReason_ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP)
			if at := about["subject_object_id"]; at != "u00700" && at != "u00850" {
				t.Errorf("metadata %v", about)
			}
		})
	}
}

func TestAnImportThatFailsTellsOfTheFirstInTheStream(t *testing.T) {
	c := seeded(t)
	list := many(12_000)
	list[3_500] = relOf("repository:site#maintainer@user:*")
	list[4_500] = relOf("document:d#reader@user:ana")
	_, err := c.load(t, false, 1_000, list)
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_SUBJECT_TYPE)
	if n := len(c.stored(t)); n < 3_000 || n > 12_000-2_000 {
		t.Errorf("%d are stored", n)
	}
}

func TestAnImportKeepsWhatComesBeforeARelationshipThatIsRefused(t *testing.T) {
	c := seeded(t, relOf("team:core#member@user:u00001"))
	large := caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{strings.Repeat("h", 25_000): 1})
	_, err := c.load(t, false, 100, append(many(1)[:1:1], large, relOf("team:core#member@user:never")))
	wantRefusal(t, err, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_MAX_RELATIONSHIP_CONTEXT_SIZE)
	c.wantStored(t, "team:core#member@user:u00000", "team:core#member@user:u00001")
	// What comes before may fail too, and is told of.
	_, err = c.load(t, false, 100, append(many(1)[:1:1], large))
	wantRefusal(t, err, codes.AlreadyExists, v1.ErrorReason_ERROR_REASON_ATTEMPT_TO_RECREATE_RELATIONSHIP)
}

func TestImportsAreRefusedAsWritesAre(t *testing.T) {
	c := seeded(t)
	for name, row := range map[string]struct {
		relationship *v1.Relationship
		code         codes.Code
		reason       v1.ErrorReason
	}{
		"an unknown definition": {relOf("document:d#reader@user:ana"), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an unknown relation":   {relOf("team:core#boss@user:ana"), codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_RELATION_OR_PERMISSION},
		"a permission":          {relOf("repository:site#pull@user:ana"), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CANNOT_UPDATE_PERMISSION},
		"a mistyped context":    {caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{"hour": "ten"}), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_CAVEAT_PARAMETER_TYPE_ERROR},
		"a large context":       {caveated(relOf("repository:site#reader@user:ana"), "office_hours", map[string]any{strings.Repeat("h", 25_000): 1}), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_MAX_RELATIONSHIP_CONTEXT_SIZE},
		"a broken id":           {relOf("team:c re#member@user:ana"), codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
		"nothing":               {&v1.Relationship{}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_UNSPECIFIED},
	} {
		t.Run(name, func(t *testing.T) {
			for _, older := range []bool{false, true} {
				_, err := c.load(t, older, 1, []*v1.Relationship{row.relationship})
				wantRefusal(t, err, row.code, row.reason)
			}
		})
	}
	c.wantStored(t)
}
