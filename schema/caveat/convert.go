package caveat

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// maxValueDepth bounds how deep lists and maps nest in a value.
const maxValueDepth = 32

// mismatch is a value that its type cannot have.
type mismatch struct {
	path, want string
	got        any
}

// inside returns the mismatch as seen from the list or map that has it at step.
func (m *mismatch) inside(step string) *mismatch {
	m.path = step + m.path
	return m
}

// wants are what the types ask for, in the words of errors.
var wants = map[string]string{
	"any":       "a value of JSON",
	"bool":      "true or false",
	"bytes":     "bytes in base64",
	"double":    "a number",
	"duration":  "a duration like `1h30m`",
	"int":       "an integer of 64 bits",
	"ipaddress": "an IP address",
	"list":      "a list",
	"map":       "a map",
	"string":    "a string of UTF-8",
	"timestamp": "a time like `2006-01-02T15:04:05Z` (RFC 3339)",
	"uint":      "an integer of 64 bits from 0",
}

// converter turns the values of one context into CEL's, until it has seen too much.
type converter struct{ leftBytes int }

func (c *converter) convert(t Type, value any, depth int) (ref.Val, *mismatch) {
	if depth > maxValueDepth {
		return nil, &mismatch{want: fmt.Sprintf("at most %d deep", maxValueDepth), got: value}
	}
	if c.leftBytes -= sizeBytes(value); c.leftBytes < 0 {
		return nil, &mismatch{want: fmt.Sprintf("smaller: %d bytes are allowed in all", MaxContextBytes), got: value}
	}
	var converted ref.Val
	switch t.Name {
	case "any":
		return c.any(value, depth)
	case "list":
		return c.list(t.Args[0], value, depth)
	case "map":
		return c.entries(t.Args[0], value, depth)
	case "bool":
		if b, ok := value.(bool); ok {
			converted = types.Bool(b)
		}
	case "bytes":
		converted = toBytes(value)
	case "double":
		if d, ok := number(value); ok {
			converted = types.Double(d)
		}
	case "duration":
		converted = toDuration(value)
	case "int":
		if i, ok := integer(value); ok && i.fitsInt {
			converted = types.Int(i.signed)
		}
	case "ipaddress":
		converted = toAddress(value)
	case "string":
		if s, ok := value.(string); ok && utf8.ValidString(s) {
			converted = types.String(s)
		}
	case "timestamp":
		converted = toTimestamp(value)
	case "uint":
		if i, ok := integer(value); ok && i.fitsUint {
			converted = i.asUint()
		}
	}
	if converted == nil {
		return nil, &mismatch{want: wants[t.Name], got: value}
	}
	return converted, nil
}

// sizeBytes is at most what a value takes in JSON, without what is inside.
func sizeBytes(value any) int {
	switch v := value.(type) {
	case string:
		return len(v) + 1
	case []byte:
		return len(v) + 1
	default:
		return 1
	}
}

func toBytes(value any) ref.Val {
	switch v := value.(type) {
	case []byte:
		return types.Bytes(slices.Clone(v))
	case string: // as in the JSON of protobuf, both alphabets, padded or not
		standard := strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(v, "="))
		if decoded, err := base64.RawStdEncoding.DecodeString(standard); err == nil {
			return types.Bytes(decoded)
		}
	}
	return nil
}

func toDuration(value any) ref.Val {
	switch v := value.(type) {
	case time.Duration:
		return types.Duration{Duration: v}
	case string:
		if d, err := time.ParseDuration(v); err == nil {
			return types.Duration{Duration: d}
		}
	}
	return nil
}

func toTimestamp(value any) ref.Val {
	t, ok := value.(time.Time)
	if text, isText := value.(string); isText {
		parsed, err := time.Parse(time.RFC3339, text)
		t, ok = parsed, err == nil
	}
	if t = t.UTC(); !ok || t.Year() < 1 || t.Year() > 9999 {
		return nil // RFC 3339 and CEL have these years only
	}
	return types.Timestamp{Time: t}
}

func toAddress(value any) ref.Val {
	switch v := value.(type) {
	case netip.Addr:
		if v.IsValid() {
			return address{v.Unmap()}
		}
	case string:
		if a, err := netip.ParseAddr(v); err == nil {
			return address{a.Unmap()}
		}
	}
	return nil
}

// any keeps the type that a value has in JSON: a number is a double.
func (c *converter) any(value any, depth int) (ref.Val, *mismatch) {
	switch v := value.(type) {
	case nil:
		return types.NullValue, nil
	case bool:
		return types.Bool(v), nil
	case string:
		if utf8.ValidString(v) {
			return types.String(v), nil
		}
		return nil, &mismatch{want: wants["string"], got: value}
	case []any:
		return c.list(Type{Name: "any"}, v, depth)
	case map[string]any:
		return c.entries(Type{Name: "any"}, v, depth)
	}
	if d, ok := number(value); ok {
		return types.Double(d), nil
	}
	return nil, &mismatch{want: wants["any"], got: value}
}

func (c *converter) list(element Type, value any, depth int) (ref.Val, *mismatch) {
	list, ok := value.([]any)
	if !ok {
		return nil, &mismatch{want: wants["list"], got: value}
	}
	converted := make([]ref.Val, len(list))
	for i, v := range list {
		var wrong *mismatch
		if converted[i], wrong = c.convert(element, v, depth+1); wrong != nil {
			return nil, wrong.inside(fmt.Sprintf("[%d]", i))
		}
	}
	return types.NewRefValList(types.DefaultTypeAdapter, converted), nil
}

func (c *converter) entries(element Type, value any, depth int) (ref.Val, *mismatch) {
	entries, ok := value.(map[string]any)
	if !ok {
		return nil, &mismatch{want: wants["map"], got: value}
	}
	converted := make(map[string]any, len(entries))
	keys := make([]ref.Val, 0, len(entries))
	for _, key := range slices.Sorted(maps.Keys(entries)) {
		c.leftBytes -= len(key) + 1
		if !utf8.ValidString(key) {
			return nil, &mismatch{want: "a map with keys of UTF-8", got: key}
		}
		v, wrong := c.convert(element, entries[key], depth+1)
		if wrong != nil {
			return nil, wrong.inside("." + shortened(key))
		}
		converted[key] = v
		keys = append(keys, types.String(key))
	}
	return &orderedMap{types.NewStringInterfaceMap(types.DefaultTypeAdapter, converted), keys}, nil
}

// describe says what a value is, for errors.
func describe(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case bool:
		return fmt.Sprintf("%t", v)
	case string:
		return "the string `" + shortened(v) + "`"
	case json.Number:
		return "the number " + shortened(v.String())
	case []any:
		return "a list"
	case map[string]any:
		return "a map"
	}
	if d, ok := number(value); ok {
		if math.Trunc(d) == d && math.Abs(d) < maxExact {
			return fmt.Sprintf("the number %.0f", d)
		}
		return fmt.Sprintf("the number %v", value)
	}
	return fmt.Sprintf("a value of Go's type %T", value)
}
