package api

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"net"
	"strings"

	"google.golang.org/grpc/metadata"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// tokens are the bearer tokens that are let in, as hashes: comparing those takes
// the same time whatever a caller sends. None lets everybody in.
type tokens [][sha256.Size]byte

func newTokens(list []string) (tokens, error) {
	var t tokens
	for i, text := range list {
		if text == "" || strings.ContainsAny(text, " \t\r\n") {
			return nil, fmt.Errorf("%w: the token at index %d is empty or holds white space", ErrWeakToken, i)
		}
		t = append(t, sha256.Sum256([]byte(text)))
	}
	return t, nil
}

// healthService may be asked without a token: probes have none, and it tells
// no more than whether the server serves.
const healthService = "/grpc.health.v1.Health/"

// authenticate lets a call in, or says why not.
func (t tokens) authenticate(ctx context.Context, fullMethod string) error {
	if len(t) == 0 || strings.HasPrefix(fullMethod, healthService) {
		return nil
	}
	values := metadata.ValueFromIncomingContext(ctx, "authorization")
	if len(values) == 0 {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
			`a bearer token is needed, in the metadata "authorization: Bearer ..."`)
	}
	scheme, given, _ := strings.Cut(values[0], " ")
	if len(values) > 1 || !strings.EqualFold(scheme, "bearer") {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED,
			`the metadata "authorization" must be one value, "Bearer" and a token`)
	}
	if !t.include(given) {
		return refusal(tupelov1.ErrorReason_ERROR_REASON_UNAUTHENTICATED, "the bearer token is not one of this server's")
	}
	return nil
}

// include looks at every token, so that its time does not tell which one is near.
func (t tokens) include(given string) bool {
	sum := sha256.Sum256(readOnlyBytes(given))
	found := 0
	for i := range t {
		found |= subtle.ConstantTimeCompare(sum[:], t[i][:])
	}
	return found == 1
}

// allowListener refuses to let other machines in without a token. An address
// that is not known to be this machine's own counts as theirs.
func (t tokens) allowListener(address net.Addr) error {
	if len(t) > 0 {
		return nil
	}
	switch a := address.(type) {
	case *net.UnixAddr:
		return nil // the file's permissions guard it
	case *net.TCPAddr:
		if a.IP.IsLoopback() {
			return nil
		}
	}
	return fmt.Errorf("%w: %s", ErrTokenRequired, address)
}
