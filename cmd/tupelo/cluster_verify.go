package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newClusterVerifyCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Compare what the replicas hold",
		Long: `Compare what all replicas hold at one revision: schema and tuples, read in full by
each, which takes a second or so for a million tuples. Calls go on meanwhile.

Exit status: 0 if all hold the same, 1 if one does not, 2 if it cannot be told because
a replica does not answer.`,
		Example: "  tupelo cluster verify",
		Args:    arguments(0, 0),
	}
	return patiently(withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, _ []string) error {
		response, err := c.VerifyReplicas(ctx, &tupelov1.VerifyReplicasRequest{})
		if err != nil {
			return err
		}
		return printComparison(t, response)
	}))
}

// printComparison prints what each replica holds, and returns what it means.
func printComparison(t *terminal, r *tupelov1.VerifyReplicasResponse) error {
	verdict := judgeComparison(r)
	switch {
	case t.json:
		if err := t.message(r); err != nil {
			return err
		}
		return verdict
	case t.quiet:
		switch verdict {
		case nil:
			t.printf("yes\n")
		case errNo:
			t.printf("no\n")
		}
		return verdict
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tTUPLES\tCHECKSUM")
	for _, replica := range r.Replicas {
		tuples, checksum := "-", "-"
		if replica.Error == "" {
			tuples, checksum = fmt.Sprint(replica.Tuples), hex.EncodeToString(replica.Checksum)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", replica.GetMember().GetNodeId(), tuples, checksum)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	switch verdict {
	case nil:
		t.printf("%s, all the same\nzookie %s\n", plural(len(r.Replicas), "replica"), r.Zookie)
	case errNo:
		t.printf("the replicas DIFFER\nzookie %s\n", r.Zookie)
	}
	return verdict
}

// judgeComparison returns nil if all replicas hold the same, errNo if two differ,
// and else an error that names those of which it is not known.
func judgeComparison(r *tupelov1.VerifyReplicasResponse) error {
	var silent []string
	var first *tupelov1.ReplicaState
	for _, replica := range r.Replicas {
		switch {
		case replica.Error != "":
			silent = append(silent, fmt.Sprintf("%s (%s)", replica.GetMember().GetNodeId(), replica.Error))
		case first == nil:
			first = replica
		case !bytes.Equal(replica.Checksum, first.Checksum):
			return errNo
		}
	}
	switch {
	case len(silent) > 0:
		return fmt.Errorf("it cannot be told whether all hold the same: no answer from %s", strings.Join(silent, ", "))
	case !r.Equal:
		return errNo
	}
	return nil
}
