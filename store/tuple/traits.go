package tuple

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"time"
)

// CaveatID is the number of a caveat's name. Zero is no caveat.
type CaveatID uint16

// Traits are what a tuple says beside who and what: the caveat under which it
// counts, with the context that was fixed when it was written, and the instant
// from which on it no longer counts. The zero value is no traits. They are no
// part of a tuple's identity: writing it with others replaces them.
type Traits struct {
	Caveat CaveatID
	// Context is the caveat's context as the writer's side encodes it; opaque
	// to the store. Nil without a caveat.
	Context []byte
	// ExpiresNanos is the instant in nanoseconds since 1970; 0 is never.
	ExpiresNanos int64
}

// None reports whether there are no traits.
func (t Traits) None() bool { return t.Caveat == 0 && t.ExpiresNanos == 0 }

// Equal reports whether two traits say the same.
func (t Traits) Equal(o Traits) bool {
	return t.Caveat == o.Caveat && t.ExpiresNanos == o.ExpiresNanos && bytes.Equal(t.Context, o.Context)
}

// Expirable reports whether an instant can be an expiration: nanoseconds since
// 1970 in 63 bits end in April 2262, and time.Time wraps silently beyond.
func Expirable(at time.Time) bool {
	return at.After(time.Unix(0, 0)) && at.Before(time.Unix(0, math.MaxInt64))
}

// expirationKey stands where a caveat's name would in a tuple's text form.
const expirationKey = "expiration"

// appendTraits appends the text form of a named tuple's traits: nothing,
// [caveat], [caveat:{json}], [expiration:RFC 3339], or both in that order.
func (t Named) appendTraits(text string) string {
	if t.Caveat != "" {
		text += "[" + t.Caveat
		if t.Context != "" {
			text += ":" + t.Context
		}
		text += "]"
	}
	if t.ExpiresNanos != 0 {
		text += "[" + expirationKey + ":" + time.Unix(0, t.ExpiresNanos).UTC().Format(time.RFC3339Nano) + "]"
	}
	return text
}

// parseTraits reads what stands behind a subject, brackets included.
func (t *Named) parseTraits(text string) error {
	for rest := text; rest != ""; {
		body, next, ok := cutBracket(rest)
		if !ok {
			return fmt.Errorf("%w: %q is no [caveat], [caveat:{...}] or [expiration:time]", ErrSyntax, rest)
		}
		rest = next
		name, value, hasValue := strings.Cut(body, ":")
		switch {
		case name == expirationKey && hasValue:
			at, err := time.Parse(time.RFC3339Nano, value)
			if err != nil || !Expirable(at) {
				return fmt.Errorf("%w: %q is no time as in 2030-01-31T12:00:00Z, after 1970 and before 2262", ErrSyntax, value)
			}
			if t.ExpiresNanos != 0 {
				return fmt.Errorf("%w: two expirations", ErrSyntax)
			}
			t.ExpiresNanos = at.UnixNano()
		case t.Caveat != "" || t.ExpiresNanos != 0:
			return fmt.Errorf("%w: a tuple has at most one caveat, before its expiration", ErrSyntax)
		case !validCaveat(name) || hasValue && !strings.HasPrefix(value, "{"):
			return fmt.Errorf("%w: %q is no caveat; write [name] or [name:{\"key\":value}]", ErrSyntax, body)
		default:
			t.Caveat, t.Context = name, value
		}
	}
	return nil
}

// cutBracket cuts "[body]" off the front of text. Brackets within JSON strings
// and nested ones belong to the body.
func cutBracket(text string) (body, rest string, ok bool) {
	depth, quoted := 0, false
	for i := range len(text) {
		switch c := text[i]; {
		case i == 0 && c != '[':
			return "", "", false
		case c == '"' && !(quoted && escaped(text, i)):
			quoted = !quoted
		case quoted:
		case c == '[':
			depth++
		case c == ']':
			if depth--; depth == 0 {
				return text[1:i], text[i+1:], true
			}
		}
	}
	return "", "", false
}

// escaped reports whether an odd number of backslashes stands before text[i].
func escaped(text string, i int) bool {
	n := 0
	for i--; i >= 0 && text[i] == '\\'; i-- {
		n++
	}
	return n%2 == 1
}
