// Command jobs is the part of GitClub that runs jobs: it cancels and restarts
// runs for those who may. The roles it decides by are changed by web, another
// process; the zookie that web keeps makes sure that jobs sees the change.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8082", "`address` to answer HTTP on")
	tupelo := flag.String("tupelo", "127.0.0.1:50051", "`address` of the Tupelo server")
	web := flag.String("web", "http://127.0.0.1:8081", "`URL` of the web service")
	ignore := flag.Bool("ignore-zookies", false,
		"ask for the fastest answer instead of one at least as fresh as web's zookie: wrong, to show what zookies are for")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *tupelo, *web, *ignore); err != nil {
		fmt.Fprintln(os.Stderr, "jobs:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, tupelo, web string, ignoreZookies bool) error {
	client, hangUp, err := gitclub.Dial(tupelo)
	if err != nil {
		return err
	}
	defer hangUp()
	known, err := newRuns()
	if err != nil {
		return err
	}
	s := &service{
		authz: permissions{tupelo: client, web: webClient{web, http.DefaultClient}, ignoreZookies: ignoreZookies},
		known: known,
	}
	return gitclub.Serve(ctx, listen, s.handler(), func(url string) {
		fmt.Println("jobs answers on", url)
	})
}
