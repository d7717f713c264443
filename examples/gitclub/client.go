package gitclub

import (
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// Dial returns a client of the Tupelo server at addr, and what closes it. It
// speaks plaintext, as the example stays on one machine; docs/operate.md shows
// TLS and tokens.
func Dial(addr string) (tupelov1.TupeloClient, func() error, error) {
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("the address of Tupelo %q: %w", addr, err)
	}
	return tupelov1.NewTupeloClient(conn), conn.Close, nil
}

// AtLeastAsFreshAs asks for an answer that knows of everything up to the
// zookie. Whoever has no zookie, because it was lost or is not known yet, asks
// for a fully consistent answer: dearer in a cluster, and never wrong.
func AtLeastAsFreshAs(zookie string) *tupelov1.Consistency {
	if zookie == "" {
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
	}
	return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
}
