package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// The formats of a store: what keys and values it holds and which commands may
// be in its log. A command's first byte is the format that brought its form, so
// a build that is too old for a command stops there.
//
// A format is never changed once it was released. A new kind of command, a new
// field, another digest or another limit of the apply is a new format.
const (
	// formatFirst has tuples with traits, the changelog and the horizon.
	formatFirst uint64 = 1
	// formatKeys adds idempotency keys, and Upgrade itself.
	formatKeys uint64 = 2
	// formatCounters adds registered counters, filters by how an object's id begins,
	// and a limit on what preconditions search.
	formatCounters uint64 = 3
)

// MaxFormat is the newest format that this build knows.
const MaxFormat = formatCounters

// Upgrade raises the store's active format. A new store has format 1, whatever
// its build, and the proposer raises it once every member of the cluster knows
// the new one: a replica whose build does not know it stops at this command
// with ErrFormat or ErrCommandVersion, rather than go on without the others.
// At or above Format it changes nothing; a format is never lowered.
type Upgrade struct {
	UnixMillis int64
	Format     uint64
}

func (Upgrade) kind() commandKind { return kindUpgrade }

func (c Upgrade) append(dst []byte, _ uint64) []byte {
	return appendUvarint(appendUvarint(dst, uint64(c.UnixMillis)), c.Format)
}

func readUpgrade(r *reader) Upgrade {
	c := Upgrade{UnixMillis: int64(r.uvarint()), Format: r.uvarint()}
	if c.Format == 0 {
		r.fail()
	}
	return c
}

// FormatOf returns the format that brought a command's form: the oldest in which
// it may be in the log.
func FormatOf(c Command) uint64 {
	switch {
	case c.kind() == kindRegisterCounter || c.kind() == kindUnregisterCounter || hasPrefix(c):
		return formatCounters
	case c.kind() == kindUpgrade || len(keyOf(c)) > 0:
		return formatKeys
	}
	return formatFirst
}

// hasPrefix reports whether a filter of the command selects by how an id begins.
func hasPrefix(c Command) bool {
	selects := func(p Precondition) bool { return p.Filter.ObjectIDPrefix != "" }
	switch c := c.(type) {
	case Write:
		return slices.ContainsFunc(c.Preconditions, selects)
	case DeleteByFilter:
		return c.Filter.ObjectIDPrefix != "" || slices.ContainsFunc(c.Preconditions, selects)
	}
	return false
}

// checkForm refuses a command whose form the active format does not have yet.
func (b *batch) checkForm(c Command) error {
	if need := FormatOf(c); need > b.state.format && c.kind() != kindUpgrade {
		return refuse(&FormatError{Needed: need, Active: b.state.format})
	}
	return nil
}

// upgrade raises the active format.
func (b *batch) upgrade(c Upgrade) error {
	if newest := b.store.options.MaxFormat; c.Format > newest {
		return fmt.Errorf("%w: the log upgrades to %d, this build knows up to %d", ErrFormat, c.Format, newest)
	}
	if c.Format <= b.state.format {
		return nil
	}
	b.state.format = c.Format
	return b.writes.Set(metaFormat, binary.BigEndian.AppendUint64(nil, c.Format), nil)
}

// loadFormat reads the format of a database, and gives a new one the first.
func loadFormat(db *database, newest uint64) (uint64, error) {
	format, err := getUint64(db, metaFormat)
	switch {
	case err != nil:
		return 0, err
	case format > newest:
		return 0, fmt.Errorf("%w: %d, this build knows up to %d", ErrFormat, format, newest)
	case format == 0:
		format = formatFirst
		return format, db.Set(metaFormat, binary.BigEndian.AppendUint64(nil, format), pebble.NoSync)
	}
	return format, nil
}

// Format returns the active format. A command that needs a later one is refused
// with *FormatError, so proposers look here first; see [FormatOf].
func (s *Store) Format() uint64 { return s.current.Load().format }
