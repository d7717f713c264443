// Command assert asks a running server every question of GitClub's
// fixture.yaml, and fails if an answer is not the one that stands there.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

const timeout = 30 * time.Second

func main() {
	addr := flag.String("tupelo", "127.0.0.1:50051", "`address` of the Tupelo server; it must have GitClub's schema and tuples")
	flag.Parse()
	if err := run(*addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(addr string) error {
	client, hangUp, err := gitclub.Dial(addr)
	if err != nil {
		return err
	}
	defer hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	asked, err := gitclub.Verify(ctx, client)
	if err != nil {
		return err
	}
	fmt.Printf("all %d assertions hold\n", asked)
	return nil
}
