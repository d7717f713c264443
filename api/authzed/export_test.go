package authzed

//lint:file-ignore SA1019 the older call is tested too

import (
	"slices"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// exported collects what an export sends.
func (c testClient) exported(t testing.TB, r *v1.ExportBulkRelationshipsRequest) ([]*v1.ExportBulkRelationshipsResponse, error) {
	t.Helper()
	stream, err := c.ExportBulkRelationships(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	return drained(stream.Recv)
}

// textsOf spells what was exported.
func textsOf(sent []*v1.ExportBulkRelationshipsResponse) (list []string) {
	for _, m := range sent {
		for _, r := range m.Relationships {
			list = append(list, spelled(r))
		}
	}
	return list
}

func TestAnExportSendsAllOfOneRevisionByMessagesOfTheSizeThatIsAskedFor(t *testing.T) {
	c := seeded(t)
	if _, err := c.load(t, false, 1_000, append(many(2_300), relOf("repository:site#reader@user:ana"))); err != nil {
		t.Fatal(err)
	}
	stored := c.stored(t)
	for _, limit := range []uint32{0, 1_000, 999, 10_000} {
		sent, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalLimit: limit})
		if err != nil {
			t.Fatal(err)
		}
		got := textsOf(sent)
		slices.Sort(got)
		if !slices.Equal(got, stored) {
			t.Errorf("of %d are exported %d", len(stored), len(got))
		}
		for _, m := range sent {
			if n := len(m.Relationships); n == 0 || limit > 0 && n > int(limit) {
				t.Errorf("a message of %d for a limit of %d", n, limit)
			}
		}
	}
}

func TestAnExportGoesOnBehindAnyMessageAtItsRevisionWhateverTheConsistency(t *testing.T) {
	c := seeded(t, many(10)...)
	sent, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalLimit: 3, Consistency: &v1.Consistency{
		Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true},
	}})
	if err != nil || len(sent) != 4 {
		t.Fatal(sent, err)
	}
	if _, err := c.DeleteRelationships(t.Context(), teams()); err != nil {
		t.Fatal(err)
	}
	for i, m := range sent {
		for _, consistent := range []*v1.Consistency{nil, {Requirement: &v1.Consistency_FullyConsistent{FullyConsistent: true}}} {
			rest, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalLimit: 5, OptionalCursor: m.AfterResultCursor, Consistency: consistent})
			if err != nil {
				t.Fatal(err)
			}
			if want := textsOf(sent[i+1:]); !slices.Equal(textsOf(rest), want) {
				t.Errorf("behind message %d: %v, want %v", i, textsOf(rest), want)
			}
		}
	}
}

func TestAnExportSendsWhatRelationshipsCarryAndNoExpiredOnes(t *testing.T) {
	lasting := expiring(relOf("repository:site#reader@user:ana"), time.Now().Add(time.Hour).Truncate(time.Microsecond))
	guarded := caveated(relOf("repository:site#reader@user:bo"), "office_hours", map[string]any{"hour": 10})
	c := seeded(t, relOf("team:core#member@user:ana"), lasting, guarded, expiring(relOf("repository:site#reader@user:cy"), time.Now().Add(-time.Second)))
	sent, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalRelationshipFilter: only("repository")})
	if err != nil || len(sent) != 1 {
		t.Fatal(sent, err)
	}
	if got := sent[0].Relationships; len(got) != 2 || !proto.Equal(got[0], lasting) || !proto.Equal(got[1], guarded) {
		t.Errorf("%v", got)
	}
}

func TestTheOlderExportIsTheSame(t *testing.T) {
	c := seeded(t, many(10)...)
	var got []string
	r := &v1.BulkExportRelationshipsRequest{OptionalLimit: 4}
	for range 2 { // the second time behind what the first ended with
		stream, err := c.BulkExportRelationships(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		sent, err := drained(stream.Recv)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range sent {
			r.OptionalCursor = m.AfterResultCursor
			for _, one := range m.Relationships {
				got = append(got, spelled(one))
			}
		}
	}
	c.wantStored(t, got...)
}

func TestExportsAreRefusedAsSpiceDBDoes(t *testing.T) {
	c := seeded(t, many(3)...)
	sent, err := c.exported(t, &v1.ExportBulkRelationshipsRequest{OptionalLimit: 1})
	if err != nil || len(sent) != 3 {
		t.Fatal(sent, err)
	}
	read, err := c.read(t.Context(), &v1.ReadRelationshipsRequest{RelationshipFilter: only("team"), OptionalLimit: 1})
	if err != nil || len(read) != 1 {
		t.Fatal(read, err)
	}
	cursor := sent[0].AfterResultCursor.Token
	for name, row := range map[string]struct {
		request *v1.ExportBulkRelationshipsRequest
		code    codes.Code
		reason  v1.ErrorReason
	}{
		"a large limit":    {&v1.ExportBulkRelationshipsRequest{OptionalLimit: 10_001}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_EXCEEDS_MAXIMUM_ALLOWABLE_LIMIT},
		"an empty filter":  {&v1.ExportBulkRelationshipsRequest{OptionalRelationshipFilter: only("")}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_FILTER},
		"an unknown type":  {&v1.ExportBulkRelationshipsRequest{OptionalRelationshipFilter: only("document")}, codes.FailedPrecondition, v1.ErrorReason_ERROR_REASON_UNKNOWN_DEFINITION},
		"an empty cursor":  {&v1.ExportBulkRelationshipsRequest{OptionalCursor: &v1.Cursor{}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"no cursor":        {&v1.ExportBulkRelationshipsRequest{OptionalCursor: &v1.Cursor{Token: "page.2"}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"half a cursor":    {&v1.ExportBulkRelationshipsRequest{OptionalCursor: &v1.Cursor{Token: cursor[:len(cursor)/4]}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"a cut cursor":     {&v1.ExportBulkRelationshipsRequest{OptionalCursor: &v1.Cursor{Token: cursor[:len(cursor)-3]}}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"a read's cursor":  {&v1.ExportBulkRelationshipsRequest{OptionalCursor: read[0].AfterResultCursor}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
		"another's cursor": {&v1.ExportBulkRelationshipsRequest{OptionalCursor: sent[0].AfterResultCursor, OptionalRelationshipFilter: only("team")}, codes.InvalidArgument, v1.ErrorReason_ERROR_REASON_INVALID_CURSOR},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.exported(t, row.request)
			wantRefusal(t, err, row.code, row.reason)
		})
	}
}
