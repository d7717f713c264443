package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxPage is how many tuples the API gives in one page.
const maxPage = 1000

func newReadCommand(t *terminal) *cobra.Command {
	var fresh consistency
	var parts filterFlags
	var limit int
	var cursor string
	cmd := &cobra.Command{
		Use:   "read [PATTERN]",
		Short: "List stored tuples",
		Long: `List the stored tuples that a pattern and flags select; all without any. No
permissions are computed and no usersets followed.

All tuples are of one revision, with the caveats and expirations that they carry,
those that have expired among them. The output can be given to import; the zookie
goes to standard error.

` + filterHelp,
		Example: `  tupelo read
  tupelo read repository:gitclub#maintainer
  tupelo read @user:alice --limit 10
  tupelo read --object-type repository --subject-type team --json`,
		Args: arguments(0, 1),
	}
	fresh.register(cmd)
	parts.register(cmd.Flags())
	cmd.Flags().IntVar(&limit, "limit", 0, "most tuples to list; 0 for all")
	cmd.Flags().StringVar(&cursor, "cursor", "", "go on where a listing with --limit ended")
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		requirement, err := fresh.message()
		if err != nil {
			return err
		}
		filter, err := parts.filter(args)
		if err != nil {
			return err
		}
		if limit < 0 {
			return usagef("--limit must not be negative")
		}
		request := &tupelov1.ReadRequest{Consistency: requirement, Filter: filter, Cursor: cursor}
		return readPages(ctx, t, c, request, limit)
	})
}

// readPages prints the pages from the request's cursor on, up to a limit.
func readPages(ctx context.Context, t *terminal, c *client, request *tupelov1.ReadRequest, limit int) error {
	count := 0
	for {
		request.Limit = maxPage
		if limit > 0 {
			request.Limit = int32(min(maxPage, limit-count))
		}
		page, err := c.Read(ctx, request)
		if err != nil {
			return err
		}
		count += len(page.Tuples)
		if err := printPage(t, page); err != nil {
			return err
		}
		if page.NextCursor != "" && count != limit {
			request.Cursor = page.NextCursor
			continue
		}
		if !t.quiet {
			t.notef("%s, zookie %s", plural(count, "tuple"), page.Zookie)
		}
		if page.NextCursor != "" {
			t.notef("more follow; go on with --cursor %s", page.NextCursor)
		}
		return nil
	}
}

// printPage prints a page at once, so that a long listing can be watched.
func printPage(t *terminal, page *tupelov1.ReadResponse) error {
	if t.json {
		if err := t.message(page); err != nil {
			return err
		}
		return t.out.Flush()
	}
	for _, one := range page.Tuples {
		t.printf("%s\n", tupleText(one))
	}
	return t.out.Flush()
}
