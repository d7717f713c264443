// Command rounds tries to catch jobs with a stale answer. In each round web
// gives somebody the maintainer role, who then cancels a run; web takes the
// role away, and jobs must refuse at once.
//
// It starts web and jobs, and a Tupelo server in memory unless it is given the
// address of one.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o options
	flag.IntVar(&o.rounds, "rounds", 1000, "how many rounds")
	flag.StringVar(&o.bin, "bin", "bin", "`directory` of the programs tupelo, gitclub-web and gitclub-jobs")
	flag.StringVar(&o.tupelo, "tupelo", "", "`address` of a running Tupelo server with GitClub loaded; without it, one is started in memory")
	flag.StringVar(&o.jobsTupelo, "jobs-tupelo", "", "`address` of the node that jobs is to ask; default: the one that web writes to")
	flag.StringVar(&o.jobsReplicaOf, "jobs-replica-of", "", "`addresses` of the ports between nodes of which jobs is to have a read replica of its own, which it asks")
	flag.BoolVar(&o.ignoreZookies, "ignore-zookies", false, "have jobs ignore web's zookies; one node alone cannot give a stale answer even so")
	flag.Parse()
	if o.jobsReplicaOf != "" && o.tupelo == "" {
		fmt.Fprintln(os.Stderr, "rounds: -jobs-replica-of needs -tupelo, a node of the same cluster")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "rounds:", err)
		os.Exit(1)
	}
}

// options say what to run against what.
type options struct {
	rounds             int
	bin                string
	tupelo, jobsTupelo string
	jobsReplicaOf      string
	ignoreZookies      bool
}

// errStale fails a run in which jobs gave a stale answer.
var errStale = errors.New("jobs acted on a role as it was before web changed it")

func run(ctx context.Context, o options) (err error) {
	cast, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cast.stop()) }()
	fmt.Printf("%d rounds: web at %s grants and removes a role, jobs at %s is asked after each\n", o.rounds, cast.web, cast.jobs)
	tally, err := play(ctx, cast.web, cast.jobs, o.rounds)
	if err != nil {
		return err
	}
	fmt.Println(tally)
	if tally.stale() {
		return errStale
	}
	return nil
}
