package main

import (
	"fmt"
	"log/slog"
	"time"
)

// ready is what serve tells when it answers.
type ready struct {
	Address  string        `json:"address"`
	HTTP     string        `json:"http,omitempty"` // authzed.api.v1 as JSON
	Metrics  string        `json:"metrics,omitempty"`
	Data     string        `json:"data,omitempty"`
	NodeID   string        `json:"node_id,omitempty"`
	Peers    string        `json:"raft_address,omitempty"` // where other nodes reach it
	Revision uint64        `json:"revision"`
	ReadyIn  time.Duration `json:"ready_in_nanoseconds"`
}

// announce tells that the server answers: as JSON if asked for, to a person in
// a form to be read, else to the log.
func announce(t *terminal, logger *slog.Logger, r ready) {
	switch {
	case t.json:
		_ = t.object(r) // an error is kept by t.out
		_ = t.out.Flush()
	case t.interactive():
		fmt.Fprint(t.diag, bannerText(r))
	default:
		logger.Info("serving", "address", r.Address, "http", r.HTTP, "metrics", r.Metrics, "data", r.where(), "node", r.NodeID, "raft_address", r.Peers, "revision", r.Revision, "ready_in", r.ReadyIn.Round(time.Microsecond))
	}
}

func (r ready) where() string {
	if r.Data == "" {
		return "in memory"
	}
	return r.Data
}

func bannerText(r ready) string {
	text := fmt.Sprintf("\n  Tupelo %s\n\n", readBuild().Version)
	row := func(name string, value any) { text += fmt.Sprintf("  %-10s%v\n", name, value) }
	row("address", r.Address)
	if r.HTTP != "" {
		row("http", r.HTTP+" (authzed.api.v1)")
	}
	if r.Metrics != "" {
		row("metrics", "http://"+r.Metrics+"/metrics")
	}
	if r.Peers != "" {
		row("node", r.NodeID+" at "+r.Peers)
	}
	row("data", r.where())
	row("revision", r.Revision)
	row("ready in", r.ReadyIn.Round(time.Millisecond))
	return text + "\n"
}
