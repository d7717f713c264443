package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/authzed/backup"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newExportCommand(t *terminal) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "export --to-backup FILE",
		Short: "Write the schema and all tuples into a backup of SpiceDB",
		Long: `Write the schema and all tuples, as they are at one revision, into a file of the form
of "zed backup create": "zed backup restore" takes it to a SpiceDB, and import
--from-backup to a Tupelo; - stands for standard output. Expirations are in whole
milliseconds there. The file appears once it is whole, and replaces no other.`,
		Example: `  tupelo export --to-backup tupelo.zedbackup
  tupelo export --to-backup - | gzip > store.zedbackup.gz`,
		Args: arguments(0, 0),
	}
	cmd.Flags().StringVar(&file, "to-backup", "", "the `file` to make; - for standard output")
	return withClient(cmd, func(ctx context.Context, c *client, _ []string) error {
		switch file {
		case "":
			return usagef("export: say where to, with --to-backup")
		case "-":
			x := exporter{terminal: t, client: c}
			return x.to(ctx, t.out)
		}
		x := exporter{terminal: t, client: c}
		if err := x.toFile(ctx, file); err != nil {
			return err
		}
		return x.report()
	})
}

// exporter writes a backup.
type exporter struct {
	terminal *terminal
	client   *client
	tuples   int64
	zookie   string
}

// toFile makes a file, which is there as a whole or not at all: the form does not
// tell a backup from the beginning of one.
func (x *exporter) toFile(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("--to-backup %s: %w", path, fs.ErrExist), err)
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("--to-backup: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(temporary.Name()))
		}
	}()
	buffered := bufio.NewWriterSize(temporary, 1<<20)
	err = x.to(ctx, buffered)
	if err == nil {
		err = buffered.Flush()
	}
	if err == nil {
		err = temporary.Sync()
	}
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	return err
}

// to writes the newest schema, and the tuples of its revision.
func (x *exporter) to(ctx context.Context, w io.Writer) error {
	response, err := x.client.ReadSchema(ctx, &tupelov1.ReadSchemaRequest{Consistency: newest()})
	if err != nil {
		return err
	}
	x.zookie = response.Zookie
	b, err := backup.NewWriter(w, response.Text, response.Zookie)
	if err != nil {
		return err
	}
	err = x.client.each(ctx, x.zookie, nil, func(t *tupelov1.Tuple) error {
		x.tuples++
		return b.Write(t)
	})
	if err != nil {
		return err
	}
	return b.Flush()
}

// exportReport is what --json prints.
type exportReport struct {
	Tuples int64  `json:"tuples"`
	Zookie string `json:"zookie"`
}

func (x *exporter) report() error {
	switch t := x.terminal; {
	case t.json:
		return t.object(exportReport{x.tuples, x.zookie})
	case t.quiet:
		t.printf("%s\n", x.zookie)
	default:
		t.printf("exported %s\nzookie %s\n", plural(x.tuples, "tuple"), x.zookie)
	}
	return nil
}

// each gives the tuples that a filter selects at the revision of a zookie, one after
// the other. A stream that breaks is opened again where it broke.
func (c *client) each(ctx context.Context, zookie string, filter *tupelov1.Filter, take func(*tupelov1.Tuple) error) error {
	request := &tupelov1.ExportRequest{Filter: filter, Consistency: &tupelov1.Consistency{
		Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie},
	}}
	return persistently(ctx, func() (moved bool, err error) {
		before := request.Cursor
		request, err = c.exportFrom(ctx, request, take)
		return request.Cursor != before, err
	})
}

// exportFrom takes tuples until all are taken or the stream ends, and returns the
// request that goes on behind them.
func (c *client) exportFrom(ctx context.Context, request *tupelov1.ExportRequest, take func(*tupelov1.Tuple) error) (*tupelov1.ExportRequest, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := proto.CloneOf(request)
	stream, err := c.Export(ctx, request)
	if err != nil {
		return next, err
	}
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return next, errListUnfinished
		}
		if err != nil {
			return next, err
		}
		for _, t := range part.Tuples {
			if err := take(t); err != nil {
				return next, err
			}
		}
		if next.Cursor = part.Cursor; part.Complete {
			return next, nil
		}
	}
}
