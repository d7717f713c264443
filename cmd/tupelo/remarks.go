package main

import (
	"github.com/spf13/pflag"
	"google.golang.org/protobuf/types/known/structpb"
)

// remarksHelp explains the flags of a write that change nothing of what it does.
const remarksHelp = `With --metadata, watch tells whoever follows who made the change, and why. With
--idempotency-key the command can be repeated when its outcome is unknown: it is
carried out once. Take a new key for each change, such as a random UUID.`

// remarks are what a command that writes says besides what it writes.
type remarks struct{ metadata, key string }

func (r *remarks) register(flags *pflag.FlagSet) {
	flags.StringVar(&r.metadata, "metadata", "", "who makes the change, and why: a JSON `object`, or @FILE that holds one; @- for standard input")
	flags.StringVar(&r.key, "idempotency-key", "", "carry out the change once, however often it is sent with this `key`")
}

// message returns the metadata, or nil if there is none.
func (r *remarks) message(t *terminal) (*structpb.Struct, error) {
	return metadataObject.given(t, r.metadata)
}
