package authzed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api"
)

// restore is `zed backup restore`: streams of some batches each, of which those that
// meet what is there already, or are cut off, are written again as touches if so wanted.
func (z *zed) restore(ctx context.Context, schema string, rels []*v1.Relationship, batch, batches int, conflicts string) error {
	if _, err := z.WriteSchema(ctx, &v1.WriteSchemaRequest{Schema: schema}); err != nil {
		return err
	}
	for first := 0; first == 0 || first < len(rels); first += batch * batches {
		part := rels[first:min(first+batch*batches, len(rels))]
		n, err := z.importBulk(ctx, part, batch)
		code := status.Code(err)
		switch {
		case err == nil && n != uint64(len(part)):
			return fmt.Errorf("%d of %d were loaded", n, len(part))
		case code == codes.AlreadyExists && conflicts == "touch", code == codes.Unavailable, code == codes.DeadlineExceeded:
			if err := z.touchAll(ctx, part, batch); err != nil {
				return err
			}
		case code == codes.AlreadyExists && conflicts == "skip":
		case err != nil:
			return err
		}
	}
	return nil
}

func (z *zed) importBulk(ctx context.Context, rels []*v1.Relationship, batch int) (uint64, error) {
	stream, err := z.ImportBulkRelationships(ctx)
	if err != nil {
		return 0, err
	}
	for first := 0; first < len(rels); first += batch {
		r := &v1.ImportBulkRelationshipsRequest{Relationships: rels[first:min(first+batch, len(rels))]}
		if err := stream.Send(r); err != nil {
			break // what is wrong is told at the end
		}
	}
	answer, err := stream.CloseAndRecv()
	return answer.GetNumLoaded(), err
}

// backup is the result of `zed backup create`, in so far as it has been made.
type backup struct {
	schema string
	rels   []*v1.Relationship
	cursor *v1.Cursor // zed keeps it in a file beside the backup
}

var errEnough = errors.New("enough")

// backupCreate is `zed backup create`; pages of the export beyond most are left for
// backupResume.
func (z *zed) backupCreate(ctx context.Context, page uint32, most int) (*backup, error) {
	schema, err := z.ReadSchema(ctx, &v1.ReadSchemaRequest{})
	if err != nil {
		return nil, err
	}
	if schema.ReadAt == nil {
		return nil, errors.New("backup is not supported on this version of SpiceDB")
	}
	b := &backup{schema: schema.SchemaText}
	return b, z.export(ctx, b, &v1.ExportBulkRelationshipsRequest{
		OptionalLimit: page,
		Consistency:   &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: schema.ReadAt}},
	}, most)
}

// backupResume goes on with a backup: the cursor says at which revision.
func (z *zed) backupResume(ctx context.Context, b *backup, page uint32) error {
	return z.export(ctx, b, &v1.ExportBulkRelationshipsRequest{OptionalLimit: page, OptionalCursor: b.cursor}, 1<<30)
}

func (z *zed) export(ctx context.Context, b *backup, r *v1.ExportBulkRelationshipsRequest, most int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := z.ExportBulkRelationships(ctx, r)
	if err != nil {
		return err
	}
	for range most {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		b.rels = append(b.rels, m.Relationships...)
		if m.AfterResultCursor != nil {
			b.cursor = m.AfterResultCursor
		}
	}
	return errEnough
}

func TestABackupOfZedIsOneSnapshotThatCanBeInterruptedAndRestored(t *testing.T) {
	z := filled(t)
	const n = 2500
	if err := z.touchAll(t.Context(), relationships(n), 500); err != nil {
		t.Fatal(err)
	}
	b, err := z.backupCreate(t.Context(), 300, 2)
	if err != errEnough || len(b.rels) != 600 || b.schema != zedSchema {
		t.Fatalf("%v after %d relationships", err, len(b.rels))
	}
	// What is written meanwhile is not of the backup's revision.
	if _, err := z.write(t.Context(), opDelete, "repository:r2400#reader@user:u6"); err != nil {
		t.Fatal(err)
	}
	if err := z.backupResume(t.Context(), b, 300); err != nil {
		t.Fatal(err)
	}
	whole := make(map[string]bool)
	for _, rel := range b.rels {
		whole[textOf(rel)] = true
	}
	if len(b.rels) != n || len(whole) != n || !whole["repository:r2400#reader@user:u6"] {
		t.Fatalf("the backup has %d relationships, %d of them different", len(b.rels), len(whole))
	}

	other, _ := newZed(t, api.Options{})
	for _, conflicts := range []string{"fail", "skip", "touch"} {
		if err := other.restore(t.Context(), b.schema, b.rels, 1000, 2, conflicts); err != nil {
			t.Errorf("restore, %s: %v", conflicts, err)
		}
	}
	other.calls("ImportBulkRelationships")
	err = other.restore(t.Context(), b.schema, b.rels, 1000, 10, "fail")
	other.wantOnce(t, err, codes.AlreadyExists, "ImportBulkRelationships")
	again, err := other.backupCreate(t.Context(), 0, 1<<30)
	if err != nil || len(again.rels) != n || again.schema != zedSchema {
		t.Errorf("restored are %d of %d, %v", len(again.rels), n, err)
	}
	if err := other.restore(t.Context(), b.schema, nil, 1000, 10, "fail"); err != nil {
		t.Errorf("of a backup without relationships: %v", err)
	}
}

func TestARestoreThatAStoppingServerCutsOffIsToldSoThatZedTriesAgain(t *testing.T) {
	z, stop := newZed(t, api.Options{DrainLimit: 50 * time.Millisecond})
	if err := z.schemaWrite(t.Context(), zedSchema); err != nil {
		t.Fatal(err)
	}
	stream, err := z.ImportBulkRelationships(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&v1.ImportBulkRelationshipsRequest{Relationships: relationships(10)}); err != nil {
		t.Fatal(err)
	}
	stop()
	// zed is in the midst of its batches, and does not end the stream.
	if err := stream.RecvMsg(&v1.ImportBulkRelationshipsResponse{}); status.Code(err) != codes.Unavailable {
		t.Errorf("cut off with %v", err)
	}
}
