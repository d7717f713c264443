// Command jobs is the part of GitClub that runs jobs: it cancels and restarts
// runs for those who may. The roles it decides by are changed by web, another
// process; the zookie that web keeps makes sure that jobs sees the change.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

func main() {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:8082", "`address` to answer HTTP on")
	flag.StringVar(&o.tupelo, "tupelo", "127.0.0.1:50051", "`address` of the Tupelo server")
	flag.StringVar(&o.web, "web", "http://127.0.0.1:8081", "`URL` of the web service")
	flag.BoolVar(&o.ignoreZookies, "ignore-zookies", false,
		"ask for the fastest answer instead of one at least as fresh as web's zookie: wrong, to show what zookies are for")
	flag.StringVar(&o.own.of, "replica-of", "",
		"`addresses`, with commas, of ports between nodes (--raft-addr): ask a read replica in this process instead of the server")
	flag.StringVar(&o.own.name, "replica-id", "jobs", "`name` of that replica among the nodes")
	flag.StringVar(&o.own.address, "replica-addr", "127.0.0.1:0", "`address` at which the nodes reach it")
	flag.StringVar(&o.own.dir, "replica-dir", "", "`directory` of its tuples, made if absent; without one they are in memory")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

// options say whom jobs serves, and whom it asks.
type options struct {
	listen, tupelo, web string
	ignoreZookies       bool
	own                 replicaOptions
}

func run(ctx context.Context, o options) (err error) {
	known, err := newRuns()
	if err != nil {
		return err
	}
	connected, client, hangUp, err := connect(ctx, o.tupelo, o.own)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hangUp()) }()
	s := &service{
		authz: permissions{tupelo: client, web: webClient{o.web, http.DefaultClient}, ignoreZookies: o.ignoreZookies},
		known: known,
	}
	err = gitclub.Serve(connected, o.listen, s.handler(), func(url string) {
		fmt.Println("jobs answers on", url)
	})
	if ctx.Err() == nil && connected.Err() != nil {
		err = errors.Join(err, context.Cause(connected))
	}
	return err
}
