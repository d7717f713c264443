package replica

import (
	"errors"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/api/peer"
)

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	port := &peer.Options{Address: "127.0.0.1:0"}
	for name, change := range map[string]func(*Options){
		"no directory":                  func(o *Options) { o.Dir = "" },
		"a name without end":            func(o *Options) { o.NodeID = strings.Repeat("n", 257) },
		"joining without a port":        func(o *Options) { o.Join = []string{"h:1"} },
		"founding without a port":       func(o *Options) { o.BootstrapExpect = 1 },
		"a read replica without a port": func(o *Options) { o.ReadReplica = true },
		"leaving without a port":        func(o *Options) { o.LeaveOnClose = true },
		"a founder without a vote":      func(o *Options) { o.Peer, o.ReadReplica, o.BootstrapExpect = port, true, 1 },
		"more founders than addresses":  func(o *Options) { o.Peer, o.BootstrapExpect, o.Join = port, 3, []string{"h:1"} },
		"fewer than none":               func(o *Options) { o.Peer, o.BootstrapExpect = port, -1 },
		"two places for its files":      func(o *Options) { o.Memory = true },
		"a vote that is forgotten":      func(o *Options) { o.FS, o.Dir, o.Memory, o.Peer = nil, "", true, port },
		"a reader without a name":       func(o *Options) { o.Peer, o.ReadReplica = port, true },
		"two networks":                  func(o *Options) { o.Peer, o.Wiring = port, &Wiring{} },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{FS: vfs.NewMem(), Dir: "tupelo"}
			change(&o)
			if _, err := Open(t.Context(), o); !errors.Is(err, ErrOptions) {
				t.Errorf("opening: %v", err)
			}
		})
	}
}
