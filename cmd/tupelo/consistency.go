package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

const (
	minimizeLatency = "minimize-latency"
	fullyConsistent = "fully-consistent"
)

// consistency says how fresh an answer must be.
type consistency struct {
	level         choice
	fresh, exact  string
	levelOfCaller *pflag.Flag
}

func (c *consistency) register(cmd *cobra.Command) {
	c.level = choice{value: minimizeLatency, among: []string{minimizeLatency, fullyConsistent}}
	flags := cmd.Flags()
	flags.Var(&c.level, "consistency", "how fresh the answer must be")
	flags.StringVar(&c.fresh, "at-least-as-fresh", "", "a `zookie`: answer at its revision or a newer one")
	flags.StringVar(&c.exact, "at-exact-snapshot", "", "a `zookie`: answer at exactly its revision")
	markSettings(flags, "consistency")
	c.levelOfCaller = flags.Lookup("consistency")
}

// message returns the requirement. A zookie is more specific than a level that
// came from the environment; beside one on the same command line it is a contradiction.
func (c *consistency) message() (*tupelov1.Consistency, error) {
	zookie := c.fresh != "" || c.exact != ""
	if c.fresh != "" && c.exact != "" || zookie && c.levelOfCaller.Changed {
		return nil, usagef("give one of --consistency, --at-least-as-fresh and --at-exact-snapshot")
	}
	switch {
	case c.fresh != "":
		return atLeastAsFresh(c.fresh), nil
	case c.exact != "":
		return atExactSnapshot(c.exact), nil
	case c.level.value == fullyConsistent:
		return newest(), nil
	}
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}, nil
}

func atLeastAsFresh(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
}

func atExactSnapshot(zookie string) *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
}

// newest asks for everything that was acknowledged before the call.
func newest() *tupelov1.Consistency {
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
}
