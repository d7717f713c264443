package caveat

import (
	"encoding/json"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxExact is the largest integer up to which doubles, and so the numbers of most
// readers of JSON, have every one.
const maxExact = 1 << 53

// whole is an integer that may fit into an int64, a uint64 or both.
type whole struct {
	signed            int64
	unsigned          uint64
	fitsInt, fitsUint bool
}

func wholeInt(i int64) whole {
	return whole{signed: i, unsigned: uint64(i), fitsInt: true, fitsUint: i >= 0}
}

func wholeUint(u uint64) whole {
	return whole{signed: int64(u), unsigned: u, fitsInt: u <= math.MaxInt64, fitsUint: true}
}

// asUint returns a value for a parameter of type uint. To CEL's type checker it is
// an int, so that it should be one to the evaluation, too, unless it is too large:
// then it still compares as it should, and has no arithmetic.
func (w whole) asUint() ref.Val {
	if w.fitsInt {
		return types.Int(w.signed)
	}
	return types.Uint(w.unsigned)
}

// integer reads an integer, exactly or not at all. Text is allowed as protobuf's
// JSON has it, for those whose numbers are doubles.
func integer(value any) (whole, bool) {
	switch v := value.(type) {
	case json.Number:
		return integerText(string(v))
	case string:
		return integerText(v)
	case float64:
		return integerFloat(v)
	case int64:
		return wholeInt(v), true
	case uint64:
		return wholeUint(v), true
	case int:
		return wholeInt(int64(v)), true
	case int32:
		return wholeInt(int64(v)), true
	case uint:
		return wholeUint(uint64(v)), true
	case uint32:
		return wholeUint(uint64(v)), true
	case float32:
		return integerFloat(float64(v))
	default:
		return whole{}, false
	}
}

func integerFloat(f float64) (whole, bool) {
	switch {
	case f != math.Trunc(f):
		return whole{}, false
	case -(1<<63) <= f && f < 1<<63:
		return wholeInt(int64(f)), true
	case 0 <= f && f < 1<<64:
		return wholeUint(uint64(f)), true
	default:
		return whole{}, false
	}
}

// numberText is the syntax that JSON has for numbers.
var numberText = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)

// Bounds on how a number may be written, so that reading one exactly is cheap.
const (
	maxDigits   = 100
	maxExponent = 100
)

func integerText(text string) (whole, bool) {
	if i, err := strconv.ParseInt(text, 10, 64); err == nil && text[0] != '+' {
		return wholeInt(i), true
	}
	if len(text) > maxDigits || !numberText.MatchString(text) {
		return whole{}, false
	}
	if _, exponent, ok := strings.Cut(strings.ToLower(text), "e"); ok {
		if e, err := strconv.Atoi(exponent); err != nil || max(e, -e) > maxExponent {
			return whole{}, false
		}
	}
	exact, ok := new(big.Rat).SetString(text)
	switch {
	case !ok || !exact.IsInt():
		return whole{}, false
	case exact.Num().IsInt64():
		return wholeInt(exact.Num().Int64()), true
	case exact.Num().IsUint64():
		return wholeUint(exact.Num().Uint64()), true
	default:
		return whole{}, false
	}
}

// number reads a finite number; text is allowed as for integers.
func number(value any) (float64, bool) {
	var f float64
	switch v := value.(type) {
	case float64:
		f = v
	case float32:
		f = float64(v)
	case json.Number:
		return numberFromText(string(v))
	case string:
		return numberFromText(v)
	default:
		i, ok := integer(v)
		if f = float64(i.signed); !i.fitsInt {
			f = float64(i.unsigned)
		}
		if !ok {
			return 0, false
		}
	}
	return f, !math.IsNaN(f) && !math.IsInf(f, 0)
}

func numberFromText(text string) (float64, bool) {
	if !numberText.MatchString(text) {
		return 0, false
	}
	f, err := strconv.ParseFloat(text, 64)
	return f, err == nil
}
