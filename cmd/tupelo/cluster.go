package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func newClusterCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "Show and change which nodes hold the data",
		Long: `Show and change which nodes hold the data. Any node can be asked; what only the leader
can do is handed to it.

Changes are made one at a time. One whose answer is lost may be asked for again: what
is so already is a success.`,
		Example: `  tupelo cluster status
  tupelo cluster transfer n2
  tupelo cluster verify`,
		Args: arguments(0, 0),
		RunE: func(*cobra.Command, []string) error {
			return usagef("cluster: say what to do: status, add, remove, promote, demote, transfer or verify")
		},
	}
	cmd.AddCommand(
		newClusterStatusCommand(t),
		newClusterAddCommand(t),
		newClusterRemoveCommand(t),
		newClusterPromoteCommand(t),
		newClusterDemoteCommand(t),
		newClusterTransferCommand(t),
		newClusterVerifyCommand(t),
	)
	return cmd
}

// catchUpTime is how long a command waits, unless told otherwise, where a node
// may have to receive all of the data, or each to read it.
const catchUpTime = 10 * time.Minute

// withCluster is withClient for commands that ask about the nodes.
func withCluster(cmd *cobra.Command, run func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error) *cobra.Command {
	return withClient(cmd, func(ctx context.Context, c *client, args []string) error {
		return run(ctx, tupelov1.NewClusterServiceClient(c.conn), args)
	})
}

// patiently has a command wait for catchUpTime unless it is told otherwise.
func patiently(cmd *cobra.Command) *cobra.Command {
	f := cmd.Flags().Lookup("timeout")
	f.DefValue = catchUpTime.String()
	if err := f.Value.Set(f.DefValue); err != nil {
		panic(err) // a duration is one
	}
	return cmd
}

// done prints that a change is made.
func (t *terminal) done(response proto.Message, format string, args ...any) error {
	switch {
	case t.json:
		return t.message(response)
	case !t.quiet:
		t.printf(format+"\n", args...)
	}
	return nil
}

func newClusterAddCommand(t *terminal) *cobra.Command {
	var readReplica bool
	cmd := &cobra.Command{
		Use:   "add NODE-ID ADDRESS",
		Short: "Make a node a member",
		Long: `Make a node a member, as a voter unless --read-replica is given. ADDRESS is where the
other nodes reach it: its --raft-addr. The node must be running, with nothing in its
data directory; one that was started with --join asks by itself.

A voter receives the data before it gets its vote, so that it holds nobody up. If that
takes longer than --timeout, it stays a read replica, and the command can be repeated.`,
		Example: `  tupelo cluster add n4 10.0.0.4:50052
  tupelo cluster add r1 10.0.1.1:50052 --read-replica`,
		Args: arguments(2, 2),
	}
	cmd.Flags().BoolVar(&readReplica, "read-replica", false, "give it no vote")
	return patiently(withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error {
		member := &tupelov1.Member{NodeId: args[0], Address: args[1], Voter: !readReplica}
		response, err := c.AddMember(ctx, &tupelov1.AddMemberRequest{Member: member})
		if err != nil {
			return err
		}
		return t.done(response, "%s is a %s, reached at %s", member.NodeId, part(member), member.Address)
	}))
}

// part names what a member is in the cluster.
func part(m *tupelov1.Member) string {
	if m.GetVoter() {
		return "voter"
	}
	return "read replica"
}

func newClusterRemoveCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "remove NODE-ID",
		Short: "End a node's membership, be it up or down",
		Long: `End a node's membership, be it up or down. If it leads, another does afterwards. The
only voter cannot be removed. A node that runs and is to come back needs an empty data
directory.`,
		Example: "  tupelo cluster remove n3",
		Args:    arguments(1, 1),
	}
	return withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error {
		response, err := c.RemoveMember(ctx, &tupelov1.RemoveMemberRequest{NodeId: args[0]})
		if err != nil {
			return err
		}
		return t.done(response, "%s is no member", args[0])
	})
}

func newClusterPromoteCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "promote NODE-ID",
		Short: "Make a read replica a voter, once it has caught up",
		Long: `Make a read replica a voter, once it has caught up. If that takes longer than
--timeout, it stays a read replica, and the command can be repeated.`,
		Example: "  tupelo cluster promote r1",
		Args:    arguments(1, 1),
	}
	return patiently(withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error {
		response, err := c.PromoteMember(ctx, &tupelov1.PromoteMemberRequest{NodeId: args[0]})
		if err != nil {
			return err
		}
		return t.done(response, "%s is a voter", args[0])
	}))
}

func newClusterDemoteCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "demote NODE-ID",
		Short: "Make a voter a read replica",
		Long: `Make a voter a read replica: it keeps the data and its address, and counts no more for
majorities. If it leads, another does afterwards. The only voter cannot be demoted.`,
		Example: "  tupelo cluster demote n3",
		Args:    arguments(1, 1),
	}
	return withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error {
		response, err := c.DemoteMember(ctx, &tupelov1.DemoteMemberRequest{NodeId: args[0]})
		if err != nil {
			return err
		}
		return t.done(response, "%s is a read replica", args[0])
	})
}

func newClusterTransferCommand(t *terminal) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "transfer [NODE-ID]",
		Short: "Have another voter lead",
		Long: `Have another voter lead: the one that is named, or any. Writes wait meanwhile, for two
seconds at the most. If it comes to nothing, the leader goes on to lead.`,
		Example: "  tupelo cluster transfer\n  tupelo cluster transfer n2",
		Args:    arguments(0, 1),
	}
	return withCluster(cmd, func(ctx context.Context, c tupelov1.ClusterServiceClient, args []string) error {
		request := &tupelov1.TransferLeadershipRequest{}
		if len(args) > 0 {
			request.NodeId = args[0]
		}
		response, err := c.TransferLeadership(ctx, request)
		if err != nil {
			return err
		}
		if response.LeaderId == "" {
			return t.done(response, "another node leads; which is not known yet")
		}
		return t.done(response, "%s leads", response.LeaderId)
	})
}

// sizeText spells a number of bytes for people.
func sizeText(bytes uint64) string {
	for _, unit := range byteUnits {
		if bytes >= uint64(unit.bytes) {
			return fmt.Sprintf("%.1f %s", float64(bytes)/float64(unit.bytes), unit.name)
		}
	}
	return fmt.Sprintf("%d B", bytes)
}
