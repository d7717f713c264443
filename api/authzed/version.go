package authzed

import (
	"context"
	"runtime/debug"
	"strings"

	"github.com/authzed/authzed-go/pkg/requestmeta"
	"github.com/authzed/authzed-go/pkg/responsemeta"
	"google.golang.org/grpc/metadata"
)

// tellVersion answers the question for the server's version that clients such as
// `zed version` put into the metadata of a call.
func tellVersion(ctx context.Context, setHeader func(metadata.MD) error) {
	if len(metadata.ValueFromIncomingContext(ctx, string(requestmeta.RequestServerVersion))) == 0 {
		return
	}
	_ = setHeader(metadata.Pairs(string(responsemeta.ServerVersion), version())) // the call's end tells of a broken connection
}

// version says that this is Tupelo, and which. Clients take it for a semantic
// version, and compare those without a build with the releases of SpiceDB: so the
// name stands where the build does.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return versionOf("")
	}
	return versionOf(info.Main.Version)
}

func versionOf(build string) string {
	switch {
	case build == "":
		build = "v0.0.0"
	case !strings.HasPrefix(build, "v"):
		build = "v0.0.0-" + strings.Trim(build, "()") // (devel)
	}
	if strings.Contains(build, "+") {
		return build + ".tupelo"
	}
	return build + "+tupelo"
}
