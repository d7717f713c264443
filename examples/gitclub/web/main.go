// Command web is the part of GitClub that knows repositories: it changes who
// has which role, and keeps with each repository the zookie of the last change.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:8081", "`address` to answer HTTP on")
	tupelo := flag.String("tupelo", "127.0.0.1:50051", "`address` of the Tupelo server")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *tupelo); err != nil {
		fmt.Fprintln(os.Stderr, "web:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, tupelo string) error {
	client, hangUp, err := gitclub.Dial(tupelo)
	if err != nil {
		return err
	}
	defer hangUp()
	known, err := newRepositories()
	if err != nil {
		return err
	}
	return gitclub.Serve(ctx, listen, newHandler(client, known), func(url string) {
		fmt.Println("web answers on", url)
	})
}
