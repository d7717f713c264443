package authzed

import (
	"context"
	"runtime/debug"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	"github.com/authzed/authzed-go/pkg/responsemeta"
	"google.golang.org/grpc/metadata"
)

// tellVersion answers the question for the server's version that clients such as
// `zed version` put into the metadata of a call. It is answered with the name
// first: this is not SpiceDB.
func tellVersion(ctx context.Context, setHeader func(metadata.MD) error) {
	if len(metadata.ValueFromIncomingContext(ctx, string(requestmeta.RequestServerVersion))) == 0 {
		return
	}
	_ = setHeader(metadata.Pairs(string(responsemeta.ServerVersion), version())) // the call's end tells of a broken connection
}

func version() string {
	build, ok := debug.ReadBuildInfo()
	if !ok || build.Main.Version == "" {
		return "tupelo"
	}
	return "tupelo-" + build.Main.Version
}
