package api

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Bounds of the context that is stored with a tuple, and of a request's;
// tupelo.proto names them.
const (
	maxContextBytes      = 25000
	maxGivenContextBytes = 64 << 10
)

// This file is about what a tuple carries beside who and what: its caveat and
// its expiration, from the message to the store's form and back.

func validateTraits(t *tupelov1.Tuple) error {
	if t.Caveat != nil {
		if err := validateCaveat(t.Caveat); err != nil {
			return within("caveat", err)
		}
	}
	if t.ExpiresAt == nil {
		return nil
	}
	at := t.ExpiresAt.AsTime()
	if !t.ExpiresAt.IsValid() || !tuple.Expirable(at) {
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "expires_at", "an instant after 1970 and before 2262 is needed")
	}
	return nil
}

func validateCaveat(c *tupelov1.Caveat) error {
	if err := validateName("name", c.Name, true); err != nil {
		return err
	}
	if err := validateStruct(c.Context, maxStructDepth); err != nil {
		return within("context", err)
	}
	return knownFieldsOnly(c)
}

// traits resolves what a valid tuple is to carry.
func (m *model) traits(t *tupelov1.Tuple) (traits tuple.Traits, err error) {
	if t.ExpiresAt != nil {
		traits.ExpiresNanos = t.ExpiresAt.AsTime().UnixNano()
	}
	if t.Caveat == nil {
		return traits, nil
	}
	number, known := m.caveats[t.Caveat.Name]
	if !known {
		names := make([]string, 0, len(m.caveats))
		for name := range m.caveats {
			names = append(names, name)
		}
		return traits, fault(tupelov1.ErrorReason_ERROR_REASON_UNKNOWN_CAVEAT, "caveat.name",
			"the schema defines no caveat %q%s", t.Caveat.Name, didYouMean(t.Caveat.Name, names))
	}
	traits.Caveat = tuple.CaveatID(number)
	traits.Context, err = m.program.Caveats[number].Canonical(t.Caveat.Context.AsMap())
	if err != nil {
		return traits, fault(tupelov1.ErrorReason_ERROR_REASON_INVALID_CONTEXT, "caveat.context", "%s", err)
	}
	if n := len(traits.Context); n > maxContextBytes {
		return traits, fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "caveat.context",
			"it has %d bytes as JSON, %d are allowed", n, maxContextBytes)
	}
	return traits, nil
}

// caveatNumbers returns the numbers of a program's caveats by name.
func caveatNumbers(p *schema.Program) map[string]uint16 {
	numbers := make(map[string]uint16, len(p.Caveats))
	for number := range p.Caveats {
		numbers[p.CaveatName(number)] = number
	}
	return numbers
}

// traitsTaken holds what a tuple carries to what a relation takes of its kind.
func (m *model) traitsTaken(slot int32, d *schema.Direct, given tuple.Traits) error {
	carried := schema.Traits{Caveat: uint16(given.Caveat), Expiration: given.ExpiresNanos != 0}
	field := "caveat"
	for _, taken := range d.Traits {
		if taken == carried {
			return nil
		}
		if taken.Caveat == carried.Caveat {
			field = "expires_at"
		}
	}
	relation := m.program.Slots[slot]
	return fault(tupelov1.ErrorReason_ERROR_REASON_TRAITS_NOT_ALLOWED, field,
		"%s#%s does not take %s; it takes %s", m.program.Types[relation.Type].Name, relation.Name,
		m.kindName(d)+m.withTraits(carried), strings.Join(m.kindNames(d), ", "))
}

// withTraits spells traits as the schema does: " with office_hours and expiration".
func (m *model) withTraits(t schema.Traits) string {
	var with []string
	if t.Caveat != 0 {
		with = append(with, m.program.CaveatName(t.Caveat))
	}
	if t.Expiration {
		with = append(with, "expiration")
	}
	if len(with) == 0 {
		return ""
	}
	return " with " + strings.Join(with, " and ")
}

// given is what a question brings along for the conditions of tuples: a context,
// and the instant at which they are looked at.
func (s *Server) given(context *structpb.Struct) (rewrite.Given, error) {
	given := rewrite.Given{NowNanos: s.now().UnixNano()}
	if len(context.GetFields()) == 0 {
		return given, nil
	}
	if err := validateStruct(context, maxStructDepth); err != nil {
		return given, within("context", err)
	}
	var err error
	if given.Context, err = json.Marshal(context.AsMap()); err != nil { // its keys are sorted
		return given, fmt.Errorf("writing the context: %w", err)
	}
	if n := len(given.Context); n > maxGivenContextBytes {
		return given, fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "context",
			"it has %d bytes as JSON, %d are allowed", n, maxGivenContextBytes)
	}
	return given, nil
}

// spellTraits puts what a named tuple carries into its message.
func spellTraits(t *tuple.Named, message *tupelov1.Tuple) (err error) {
	message.Caveat, message.ExpiresAt, err = traitsMessages(t.Caveat, t.Context, t.ExpiresNanos)
	return err
}

// traitsMessages spells traits; what is not there is nil.
func traitsMessages(caveat, context string, expiresNanos int64) (*tupelov1.Caveat, *timestamppb.Timestamp, error) {
	var expires *timestamppb.Timestamp
	if expiresNanos != 0 {
		expires = timestamppb.New(time.Unix(0, expiresNanos))
	}
	if caveat == "" {
		return nil, expires, nil
	}
	message := &tupelov1.Caveat{Name: caveat}
	if context == "" {
		return message, expires, nil
	}
	message.Context = &structpb.Struct{}
	if err := protojson.Unmarshal(readOnlyBytes(context), message.Context); err != nil {
		return nil, nil, fmt.Errorf("reading the stored context of %s: %w", caveat, err)
	}
	return message, expires, nil
}
