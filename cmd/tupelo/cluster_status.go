package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newClusterStatusCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Tell of each member how it is",
		Long: `Tell of each member how it is:

  NODE     its name
  ROLE     leader, follower, candidate (it looks for a leader) or read replica; down
           if it cannot be asked
  TERM     how often a leader was sought, as it knows
  APPLIED  the last revision that its state holds
  LAG      the entries of the log that it lacks, and how long ago the leader had the
           first of them
  CONTACT  how long ago it answered the leader, or heard from one if the leader
           cannot be asked
  DISK     what its data takes, and what is free
  FORMAT   that of its state; with + if its program knows a newer one, which is
           used once those of all members do

What is not known is shown as -. Exit status: 0 if there is a leader and every member
answers, 1 if not, 2 if the node that was asked does not answer.`,
		Example: "  tupelo cluster status\n  tupelo cluster status --addr n2.example:50051 --json",
		Args:    arguments(0, 0),
	}
	return withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, _ []string) error {
		response, err := c.ClusterStatus(ctx, &tupelov1.ClusterStatusRequest{})
		if err != nil {
			return err
		}
		if err := printStatus(t, response); err != nil {
			return err
		}
		if !isWell(response) {
			return errNo
		}
		return nil
	})
}

// isWell reports whether there is a leader and every member answers.
func isWell(r *tupelov1.ClusterStatusResponse) bool {
	for _, m := range r.Members {
		if m.Error != "" {
			return false
		}
	}
	return r.LeaderId != ""
}

func printStatus(t *terminal, r *tupelov1.ClusterStatusResponse) error {
	switch {
	case t.json:
		return t.message(r)
	case t.quiet:
		t.printf("%s\n", orDash(r.LeaderId))
		return nil
	}
	table := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tROLE\tTERM\tAPPLIED\tLAG\tCONTACT\tDISK\tFORMAT\tVERSION\tADDRESS")
	for _, m := range r.Members {
		fmt.Fprintln(table, strings.Join(statusRow(m), "\t"))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if r.LeaderId == "" {
		t.notef("%s knows of no leader", r.NodeId)
	}
	for _, m := range r.Members {
		if m.Error != "" {
			t.notef("%s does not answer: %s", m.GetMember().GetNodeId(), m.Error)
		}
	}
	return nil
}

// statusRow is the line of one member. What the leader knows of it is told even
// if it does not answer.
func statusRow(m *tupelov1.MemberStatus) []string {
	own := func(text string) string {
		if m.Error != "" {
			return "-"
		}
		return text
	}
	return []string{
		m.GetMember().GetNodeId(),
		roleText(m),
		own(fmt.Sprint(m.Term)),
		own(fmt.Sprint(m.Applied)),
		lagText(m),
		contactText(m),
		own(fmt.Sprintf("%s, %s free", sizeText(m.DiskBytes), sizeText(m.DiskFreeBytes))),
		own(formatText(m)),
		own(orDash(m.Version)),
		m.GetMember().GetAddress(),
	}
}

func roleText(m *tupelov1.MemberStatus) string {
	switch {
	case m.Error != "" && !m.GetMember().GetVoter():
		return "down (" + part(m.Member) + ")"
	case m.Error != "":
		return "down"
	case m.Leader:
		return "leader"
	case !m.GetMember().GetVoter():
		return part(m.Member)
	}
	return orDash(m.Role)
}

func lagText(m *tupelov1.MemberStatus) string {
	switch {
	case m.Installing:
		return "receives a snapshot"
	case m.LagEntries == nil:
		return "-"
	case *m.LagEntries == 0:
		return "0"
	}
	return fmt.Sprintf("%d, %s", *m.LagEntries, agoText(m.Lag))
}

func contactText(m *tupelov1.MemberStatus) string {
	switch {
	case m.Leader:
		return "-"
	case m.SinceContact != nil:
		return agoText(m.SinceContact)
	}
	return agoText(m.SinceLeader)
}

// agoText spells how long ago something was, to a hundredth or so.
func agoText(d *durationpb.Duration) string {
	switch v := d.AsDuration(); {
	case d == nil:
		return "-"
	case v < 10*time.Second:
		return fmt.Sprintf("%d ms", v.Milliseconds())
	default:
		return v.Round(time.Second).String()
	}
}

func formatText(m *tupelov1.MemberStatus) string {
	if m.MaxFormat > m.Format {
		return fmt.Sprintf("%d+", m.Format)
	}
	return fmt.Sprint(m.Format)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
