package rewritetest

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/tupelodb/tupelo/rewrite/oracle"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Unknowable stands among the missing fields for a condition without a value: a
// context that does not fit, or an expiration where there is no instant.
const Unknowable = "!"

// Conditions says by the definitions of the caveats of random schemas whether a
// tuple counts for a request, in Go instead of CEL.
func Conditions(context string, nowNanos int64) oracle.Condition {
	request, requestOK := readFields(context)
	return func(t tuple.Named) (oracle.Truth, []string) {
		switch {
		case t.ExpiresNanos != 0 && nowNanos == 0:
			return oracle.Perhaps, []string{Unknowable}
		case t.ExpiresNanos != 0 && t.ExpiresNanos <= nowNanos:
			return oracle.No, nil
		case t.Caveat == "":
			return oracle.Yes, nil
		}
		fixed, fixedOK := readFields(t.Context)
		counts := t.Caveat != "flagged" && t.Caveat != "unflagged" // these do not know the field
		if !requestOK || !fixedOK || counts && (request.wrongCount || fixed.wrongCount) {
			return oracle.Perhaps, []string{Unknowable}
		}
		result := decide(t.Caveat, cmp.Or(fixed.count, request.count), cmp.Or(fixed.Flag, request.Flag), cmp.Or(fixed.Place, request.Place))
		return result.truth, result.missing
	}
}

// decide evaluates the caveats of package schematest.
func decide(caveat string, count *int, flag *bool, place *string) open {
	flagged := of("flag", flag, func(f bool) bool { return f })
	here := of("place", place, func(p string) bool { return p == "here" })
	switch caveat {
	case "small":
		return of("count", count, func(c int) bool { return c < 3 })
	case "flagged":
		return flagged
	case "unflagged":
		return flagged.not()
	case "gitclub/nearby":
		return of("count", count, func(c int) bool { return c > 1 }).both(here)
	case "any_of":
		return flagged.either(of("count", count, func(c int) bool { return c == 2 })).either(here)
	default:
		return open{oracle.Perhaps, []string{Unknowable}}
	}
}

// fields are those of a context; a nil one has no value.
type fields struct {
	RawCount   json.RawMessage `json:"count"`
	Flag       *bool           `json:"flag"`
	Place      *string         `json:"place"`
	count      *int
	wrongCount bool
}

func readFields(text string) (f fields, ok bool) {
	if text == "" {
		return f, true
	}
	if err := json.Unmarshal([]byte(text), &f); err != nil {
		return f, false
	}
	if f.RawCount != nil {
		f.wrongCount = json.Unmarshal(f.RawCount, &f.count) != nil
	}
	return f, true
}

// open is a truth with the fields it depends on.
type open struct {
	truth   oracle.Truth
	missing []string
}

func known(yes bool) open {
	if yes {
		return open{truth: oracle.Yes}
	}
	return open{truth: oracle.No}
}

func (a open) both(b open) open {
	both := open{truth: min(a.truth, b.truth)}
	if both.truth == oracle.Perhaps {
		both.missing = append(slices.Clone(a.missing), b.missing...)
	}
	return both
}

func (a open) not() open { return open{oracle.Yes - a.truth, a.missing} }

func (a open) either(b open) open { return a.not().both(b.not()).not() }

// of asks something of a field that may have no value.
func of[T any](name string, value *T, holds func(T) bool) open {
	if value == nil {
		return open{oracle.Perhaps, []string{name}}
	}
	return known(holds(*value))
}
