package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/tupelodb/tupelo/store"
)

// raiseFormat raises the format of the state to the newest that every member says
// it knows: one that does not answer may be of an older version.
func (r *Replica) raiseFormat(ctx context.Context) error {
	format := r.options.maxFormat
	if r.store.Format() >= format {
		return nil
	}
	for _, m := range r.log.Members() {
		if m.ID == r.options.NodeID {
			continue
		}
		known, err := r.knownFormat(ctx, m.Address)
		if err != nil {
			return fmt.Errorf("asking node %s for the formats it knows: %w", m.ID, err)
		}
		format = min(format, known)
	}
	if format <= r.store.Format() {
		return nil
	}
	result, err := r.log.Propose(ctx, store.Encode(store.Upgrade{UnixMillis: time.Now().UnixMilli(), Format: format}))
	if err != nil {
		return fmt.Errorf("raising the format: %w", err)
	}
	if done, ok := result.(store.Result); ok && done.Err != nil {
		return fmt.Errorf("raising the format: %w", done.Err)
	}
	r.options.Logger.Info("the state has a newer format; older versions of the program cannot read it any more", "format", format)
	return nil
}

// knownFormat returns the newest format that a node knows.
func (r *Replica) knownFormat(ctx context.Context, address string) (uint64, error) {
	if r.port == nil {
		return 0, errors.New("nodes of a simulation do not tell")
	}
	ctx, cancel := context.WithTimeout(ctx, lookLimit)
	defer cancel()
	status, err := r.port.Status(ctx, address)
	return status.MaxFormat, err
}
