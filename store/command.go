package store

import (
	"fmt"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Command is what a proposer writes into the log and every replica applies:
// Write, DeleteByFilter, DeleteExpired, WriteSchema, AdvanceHorizon, Lead,
// Upgrade, RegisterCounter or UnregisterCounter.
//
// Each carries UnixMillis, the proposer's clock in milliseconds since 1970:
// the apply has no clock of its own (DESIGN invariant 2).
type Command interface {
	kind() commandKind
	// append appends the command's own parts as they are in a form.
	append(dst []byte, form uint64) []byte
}

// Op is what an update does to its tuple.
type Op byte

// The operations of a Write.
const (
	// Touch makes sure that the tuple is there.
	Touch Op = 1
	// Create adds the tuple and fails the whole command if it is there.
	Create Op = 2
	// Delete makes sure that the tuple is not there.
	Delete Op = 3
)

// Update is one operation on one tuple.
type Update struct {
	Op    Op
	Tuple tuple.Tuple
}

// Precondition must hold when the command is applied, or nothing of it is done.
type Precondition struct {
	Filter tuple.Filter
	// MustMatch asks for at least one tuple that the filter selects; unset, for none.
	MustMatch bool
}

// Write changes tuples, all or nothing. A tuple may occur once.
type Write struct {
	UnixMillis    int64
	Updates       []Update
	Preconditions []Precondition
	// Metadata is the writer's own words on the change (who, why), kept with
	// the revision and given to watchers; opaque to the store.
	Metadata []byte
	// Key is an idempotency key of the requester's choice, at most MaxKeyBytes;
	// empty for none. A second command of the same key and content is not done
	// again but gets the first one's result, for a day at least unless a great
	// many keys are used; one of other content fails with *KeyReusedError. A
	// command that failed is not remembered. It needs format 2.
	Key []byte
}

// DeleteByFilter deletes the tuples that Filter selects when it is applied.
//
// The proposer looks them up, at ReadAt, and lists them, so that the apply need
// not search: it adds what the changelog says was written since.
type DeleteByFilter struct {
	UnixMillis    int64
	Filter        tuple.Filter
	Preconditions []Precondition
	// ReadAt is the revision at which Tuples was read, above the horizon.
	ReadAt uint64
	Tuples []tuple.Tuple
	// More says that the filter selects more tuples than are listed.
	More bool
	// Limit is the most tuples to delete. If there are more, AllowPartial
	// decides between deleting Limit of them and failing with *TooManyError.
	Limit        int
	AllowPartial bool
	// Metadata and Key are as in Write.
	Metadata []byte
	Key      []byte
}

// DeleteExpired deletes the listed tuples that have expired at UnixMillis. What
// has expired no longer counts in any answer; this takes it out of the store.
type DeleteExpired struct {
	UnixMillis int64
	Tuples     []tuple.Tuple
}

// WriteSchema replaces the schema, unless stored tuples would be stranded.
type WriteSchema struct {
	UnixMillis int64
	// Text is kept and given back; the store does not read it.
	Text string
	// Definitions and Caveats say what of Text the store must know.
	Definitions []Definition
	Caveats     []string
	// Key is as in Write; Text alone is the content.
	Key []byte
}

// Definition is one type of a schema: its relations and permissions, and the
// kinds of subject that each relation may hold.
type Definition struct {
	Type      string
	Relations []string
	Allowed   []Allowed
}

// Allowed is one kind of subject that a relation may hold.
type Allowed struct {
	Relation        string
	SubjectType     string
	SubjectRelation string
	Wildcard        bool
	// Caveat names the caveat that such tuples must have; empty for none.
	Caveat string
	// Expires says that such tuples must have an expiration.
	Expires bool
}

// AdvanceHorizon forgets the versions that only revisions below Revision can see.
type AdvanceHorizon struct {
	UnixMillis int64
	Revision   uint64
}

// Lead opens a term of leadership. The first one names the cluster.
type Lead struct {
	UnixMillis int64
	ClusterID  [16]byte
}

type commandKind byte

const (
	kindWrite          commandKind = 1
	kindDeleteByFilter commandKind = 2
	kindWriteSchema    commandKind = 3
	kindAdvanceHorizon commandKind = 4
	kindLead           commandKind = 5
	kindDeleteExpired  commandKind = 6
	kindUpgrade        commandKind = 7

	kindRegisterCounter   commandKind = 8
	kindUnregisterCounter commandKind = 9
)

// Encode returns the command as the log keeps it: the format that brought its
// form, kind, store, idempotency key if the form has them, the proposer's clock, and
// the command's own parts.
func Encode(c Command) []byte { return appendCommand(nil, c) }

func appendCommand(dst []byte, c Command) []byte {
	form := FormatOf(c)
	dst = append(dst, byte(form), byte(c.kind()))
	dst = appendUvarint(dst, uint64(storeID))
	if form >= formatKeys && c.kind() != kindUpgrade {
		dst = appendBytes(dst, keyOf(c))
	}
	return c.append(dst, form)
}

// Decode reads what Encode wrote. Byte slices of the result point into data.
// It fails with ErrCommandVersion for a form that this build does not know
// and with ErrBadCommand for anything else.
func Decode(data []byte) (Command, error) { return decode(data, MaxFormat) }

// decode is Decode in a build that knows formats up to newest.
func decode(data []byte, newest uint64) (Command, error) {
	r := &reader{rest: data}
	form := uint64(r.byte())
	if (form < formatFirst || form > newest) && !r.bad {
		return nil, fmt.Errorf("%w: %d, this build knows up to %d", ErrCommandVersion, form, newest)
	}
	kind := commandKind(r.byte())
	if r.uvarint() != uint64(storeID) {
		r.fail()
	}
	var key []byte
	if form >= formatKeys && kind != kindUpgrade {
		key = r.bytes()
	}
	c := readCommand(r, kind, form)
	if !r.done() {
		return nil, ErrBadCommand
	}
	if len(key) > 0 {
		c, _ = withKey(c, key)
	}
	// A command has one encoding, in the form of the oldest format that has it.
	if len(key) > MaxKeyBytes || FormatOf(c) != form {
		return nil, ErrBadCommand
	}
	return c, nil
}

// readCommand reads the parts of a kind of command.
func readCommand(r *reader, kind commandKind, form uint64) (c Command) {
	switch kind {
	case kindWrite:
		c = readWrite(r, form)
	case kindDeleteByFilter:
		c = readDeleteByFilter(r, form)
	case kindWriteSchema:
		c = readWriteSchema(r)
	case kindAdvanceHorizon:
		c = AdvanceHorizon{UnixMillis: int64(r.uvarint()), Revision: r.uvarint()}
	case kindLead:
		c = Lead{UnixMillis: int64(r.uvarint()), ClusterID: [16]byte(r.fixed(16))}
	case kindDeleteExpired:
		c = DeleteExpired{UnixMillis: int64(r.uvarint()), Tuples: readTuples(r)}
	case kindUpgrade:
		c = readUpgrade(r)
	case kindRegisterCounter:
		c = readRegisterCounter(r, form)
	case kindUnregisterCounter:
		c = readUnregisterCounter(r)
	default:
		r.fail()
	}
	return c
}

func (Write) kind() commandKind          { return kindWrite }
func (DeleteByFilter) kind() commandKind { return kindDeleteByFilter }
func (WriteSchema) kind() commandKind    { return kindWriteSchema }
func (AdvanceHorizon) kind() commandKind { return kindAdvanceHorizon }
func (Lead) kind() commandKind           { return kindLead }
func (DeleteExpired) kind() commandKind  { return kindDeleteExpired }

func (c Write) append(dst []byte, form uint64) []byte {
	dst = appendUvarint(dst, uint64(c.UnixMillis))
	dst = appendPreconditions(dst, c.Preconditions, form)
	dst = appendUvarint(dst, uint64(len(c.Updates)))
	for _, u := range c.Updates {
		dst = appendTuple(append(dst, byte(u.Op)), u.Tuple)
	}
	return appendBytes(dst, c.Metadata)
}

func readWrite(r *reader, form uint64) Write {
	c := Write{UnixMillis: int64(r.uvarint()), Preconditions: readPreconditions(r, form)}
	c.Updates = make([]Update, r.count(1+minTupleWireBytes))
	for i := range c.Updates {
		op := Op(r.byte())
		if op < Touch || op > Delete {
			r.fail()
		}
		c.Updates[i] = Update{Op: op, Tuple: r.tuple()}
	}
	c.Metadata = r.optional()
	return c
}

func (c DeleteByFilter) append(dst []byte, form uint64) []byte {
	dst = appendUvarint(dst, uint64(c.UnixMillis))
	dst = appendFilter(dst, c.Filter, form)
	dst = appendPreconditions(dst, c.Preconditions, form)
	dst = appendUvarint(dst, c.ReadAt)
	dst = appendTuples(dst, c.Tuples)
	dst = appendBool(dst, c.More)
	dst = appendUvarint(dst, uint64(c.Limit))
	dst = appendBool(dst, c.AllowPartial)
	return appendBytes(dst, c.Metadata)
}

func (c DeleteExpired) append(dst []byte, _ uint64) []byte {
	return appendTuples(appendUvarint(dst, uint64(c.UnixMillis)), c.Tuples)
}

func appendTuples(dst []byte, list []tuple.Tuple) []byte {
	dst = appendUvarint(dst, uint64(len(list)))
	for _, t := range list {
		dst = appendTuple(dst, t)
	}
	return dst
}

func readTuples(r *reader) []tuple.Tuple {
	list := make([]tuple.Tuple, r.count(minTupleWireBytes))
	for i := range list {
		list[i] = r.tuple()
	}
	return list
}

func readDeleteByFilter(r *reader, form uint64) DeleteByFilter {
	c := DeleteByFilter{UnixMillis: int64(r.uvarint()), Filter: readFilter(r, form)}
	c.Preconditions = readPreconditions(r, form)
	c.ReadAt = r.uvarint()
	c.Tuples = readTuples(r)
	c.More = r.bool()
	c.Limit = int(r.uvarint())
	if c.Limit < 0 {
		r.fail()
	}
	c.AllowPartial = r.bool()
	c.Metadata = r.optional()
	return c
}

func (c WriteSchema) append(dst []byte, _ uint64) []byte {
	dst = appendUvarint(dst, uint64(c.UnixMillis))
	return appendSchemaBody(dst, c)
}

func readWriteSchema(r *reader) WriteSchema {
	millis := int64(r.uvarint())
	c := readSchemaBody(r)
	c.UnixMillis = millis
	return c
}

// appendSchemaBody appends a schema without its clock: the stored record too
// has this form, so that equal schemas have equal bytes.
func appendSchemaBody(dst []byte, c WriteSchema) []byte {
	dst = appendBytes(dst, c.Text)
	dst = appendUvarint(dst, uint64(len(c.Definitions)))
	for _, d := range c.Definitions {
		dst = appendBytes(dst, d.Type)
		dst = appendUvarint(dst, uint64(len(d.Relations)))
		for _, name := range d.Relations {
			dst = appendBytes(dst, name)
		}
		dst = appendUvarint(dst, uint64(len(d.Allowed)))
		for _, a := range d.Allowed {
			dst = appendBytes(dst, a.Relation)
			dst = appendBytes(dst, a.SubjectType)
			dst = appendBytes(dst, a.SubjectRelation)
			dst = appendBool(dst, a.Wildcard)
			dst = appendBytes(dst, a.Caveat)
			dst = appendBool(dst, a.Expires)
		}
	}
	dst = appendUvarint(dst, uint64(len(c.Caveats)))
	for _, name := range c.Caveats {
		dst = appendBytes(dst, name)
	}
	return dst
}

func readSchemaBody(r *reader) WriteSchema {
	c := WriteSchema{Text: string(r.bytes())}
	c.Definitions = make([]Definition, r.count(3))
	for i := range c.Definitions {
		d := &c.Definitions[i]
		d.Type = string(r.bytes())
		d.Relations = make([]string, r.count(1))
		for j := range d.Relations {
			d.Relations[j] = string(r.bytes())
		}
		d.Allowed = make([]Allowed, r.count(6))
		for j := range d.Allowed {
			d.Allowed[j] = Allowed{
				Relation:        string(r.bytes()),
				SubjectType:     string(r.bytes()),
				SubjectRelation: string(r.bytes()),
				Wildcard:        r.bool(),
				Caveat:          string(r.bytes()),
				Expires:         r.bool(),
			}
		}
	}
	c.Caveats = make([]string, r.count(1))
	for i := range c.Caveats {
		c.Caveats[i] = string(r.bytes())
	}
	return c
}

func (c AdvanceHorizon) append(dst []byte, _ uint64) []byte {
	return appendUvarint(appendUvarint(dst, uint64(c.UnixMillis)), c.Revision)
}

func (c Lead) append(dst []byte, _ uint64) []byte {
	return append(appendUvarint(dst, uint64(c.UnixMillis)), c.ClusterID[:]...)
}

func appendPreconditions(dst []byte, list []Precondition, form uint64) []byte {
	dst = appendUvarint(dst, uint64(len(list)))
	for _, p := range list {
		dst = appendBool(appendFilter(dst, p.Filter, form), p.MustMatch)
	}
	return dst
}

func readPreconditions(r *reader, form uint64) []Precondition {
	list := make([]Precondition, r.count(8))
	for i := range list {
		list[i] = Precondition{Filter: readFilter(r, form), MustMatch: r.bool()}
	}
	return list
}

// appendFilter appends a filter as it is in a form.
func appendFilter(dst []byte, f tuple.Filter, form uint64) []byte {
	for _, part := range []string{
		f.ObjectType, f.ObjectID, f.Relation, f.SubjectType, f.SubjectID, f.SubjectRelation,
	} {
		dst = appendBytes(dst, part)
	}
	dst = appendBool(dst, f.MatchSubjectRelation)
	if form < formatCounters {
		return dst
	}
	return appendBytes(dst, f.ObjectIDPrefix)
}

func readFilter(r *reader, form uint64) tuple.Filter {
	f := tuple.Filter{
		ObjectType:           string(r.bytes()),
		ObjectID:             string(r.bytes()),
		Relation:             string(r.bytes()),
		SubjectType:          string(r.bytes()),
		SubjectID:            string(r.bytes()),
		SubjectRelation:      string(r.bytes()),
		MatchSubjectRelation: r.bool(),
	}
	if form >= formatCounters {
		f.ObjectIDPrefix = string(r.bytes())
	}
	return f
}
