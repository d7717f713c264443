package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/spf13/pflag"

	"github.com/tupelodb/tupelo/api/cert"
	"github.com/tupelodb/tupelo/api/peer"
	"github.com/tupelodb/tupelo/replica"
)

// memberOptions are the settings of serve that are about other nodes.
type memberOptions struct {
	nodeID, address, advertise string
	join                       []string
	expect                     int
	readReplica, leave         bool
	ca, cert, key              string
	maxStaleness               time.Duration
}

func (o *memberOptions) register(flags *pflag.FlagSet) {
	flags.StringVar(&o.nodeID, "node-id", "", "`name` of this node among the others, for all time")
	flags.StringVar(&o.address, "raft-addr", "", "address to listen on for other nodes, as host:port")
	flags.StringVar(&o.advertise, "raft-advertise", "", "address that other nodes reach it at, if it is not the one it listens on")
	flags.StringSliceVar(&o.join, "join", nil, "address of another node, to ask for a place in its cluster; repeatable, or a list with commas")
	flags.IntVar(&o.expect, "bootstrap-expect", 0, "make a new cluster of that many nodes, with those of --join, which are told the same")
	flags.BoolVar(&o.readReplica, "read-replica", false, "join without a vote")
	flags.BoolVar(&o.leave, "leave-on-stop", false, "leave the cluster at the end, for a node that will not come back")
	flags.StringVar(&o.ca, "peer-ca", "", "PEM `file` of the authority whose certificates other nodes show")
	flags.StringVar(&o.cert, "peer-cert", "", "PEM `file` of the certificate to show to other nodes")
	flags.StringVar(&o.key, "peer-key", "", "PEM `file` of its key")
	flags.DurationVar(&o.maxStaleness, "max-staleness", 5*time.Second, "how long ago a leader may have been heard from, for answers that minimize latency")
	markSettings(flags, "node-id", "raft-addr", "raft-advertise", "join", "bootstrap-expect", "read-replica",
		"leave-on-stop", "peer-ca", "peer-cert", "peer-key", "max-staleness")
}

// validate looks for what can only be a mistake.
func (o *memberOptions) validate(memory bool) error {
	secrets := 0
	for _, file := range []string{o.ca, o.cert, o.key} {
		if file != "" {
			secrets++
		}
	}
	switch {
	case o.maxStaleness <= 0:
		return usagef("serve: --max-staleness must be above zero")
	case o.expect < 0:
		return usagef("serve: --bootstrap-expect must not be negative")
	case secrets != 0 && secrets != 3:
		return usagef("serve: --peer-ca, --peer-cert and --peer-key belong together")
	case o.address == "" && (o.advertise != "" || len(o.join) > 0 || o.expect > 0 || o.readReplica || o.leave || secrets > 0):
		return usagef("serve: --raft-addr is needed for whatever is about other nodes")
	case o.address == "":
		return nil
	case o.nodeID == "":
		return usagef("serve: --raft-addr needs --node-id, a name that the node keeps; a node that was alone without a name is %q", "node-1")
	case o.readReplica && o.expect > 0:
		return usagef("serve: --read-replica contradicts --bootstrap-expect, which counts voters")
	case o.readReplica && len(o.join) == 0:
		return usagef("serve: --read-replica needs --join")
	case o.expect > len(o.join)+1:
		return usagef("serve: --bootstrap-expect %d needs the addresses of the others with --join", o.expect)
	case memory && !o.readReplica:
		return usagef("serve: --memory loses what a voter has promised; of several nodes only a --read-replica can have it")
	}
	return nil
}

// apply tells a replica who the others are.
func (o *memberOptions) apply(n *replica.Options, logger *slog.Logger) error {
	n.NodeID, n.API.MaxStaleness = o.nodeID, o.maxStaleness
	if o.address == "" {
		return nil
	}
	n.Peer = &peer.Options{Address: o.address, Advertise: o.advertise}
	n.Join, n.BootstrapExpect, n.ReadReplica, n.LeaveOnClose = o.join, o.expect, o.readReplica, o.leave
	if o.ca == "" {
		return nil
	}
	source, err := cert.Open(cert.Files{Certificate: o.cert, Key: o.key, Authorities: o.ca}, logger)
	if err != nil {
		return fmt.Errorf("the certificates between nodes: %w", err)
	}
	n.Peer.Certificates = source
	return nil
}

// explain adds the flag that helps to an error of opening a node.
func (o *memberOptions) explain(err error) error {
	if errors.Is(err, peer.ErrCertificatesRequired) {
		return fmt.Errorf("--raft-addr %s: %w; give --peer-ca, --peer-cert and --peer-key, which tupelo cert makes", o.address, err)
	}
	return err
}
