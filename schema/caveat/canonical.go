package caveat

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"

	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// Canonical returns the context of a tuple as it is stored: JSON without spaces,
// keys sorted, each value in one way of writing it; nothing if there are no
// values. Equal contexts have equal texts, and [Caveat.Context] reads them.
//
// Other than in a request's context, a name that no parameter has is an error, an
// *[UnknownParameterError]: it would never be of use.
func (c *Caveat) Canonical(values map[string]any) ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := c.index[name]; !ok {
			return nil, &UnknownParameterError{Parameter: name}
		}
	}
	x, err := c.FromMap(values)
	if err != nil {
		return nil, err
	}
	text := x.canonical()
	if len(text) > MaxContextBytes {
		return nil, tooLong(len(text))
	}
	return text, nil
}

func (x Context) canonical() []byte {
	if x.Empty() {
		return nil
	}
	members := make(map[string]ref.Val)
	for i, value := range x.values {
		if value != nil {
			members[x.caveat.params[i].Name] = value
		}
	}
	return appendMembers(nil, slices.Sorted(maps.Keys(members)), func(name string) ref.Val { return members[name] })
}

func appendMembers(to []byte, names []string, value func(name string) ref.Val) []byte {
	to = append(to, '{')
	for i, name := range names {
		if i > 0 {
			to = append(to, ',')
		}
		to = append(appendString(to, name), ':')
		to = appendValue(to, value(name))
	}
	return append(to, '}')
}

// appendValue appends what convert made. The types of the parameters say how to
// read it again.
func appendValue(to []byte, value ref.Val) []byte {
	switch v := value.(type) {
	case types.Null:
		return append(to, "null"...)
	case types.Bool:
		return strconv.AppendBool(to, bool(v))
	case types.Int:
		return appendInteger(to, strconv.FormatInt(int64(v), 10), -maxExact <= v && v <= maxExact)
	case types.Uint:
		return appendInteger(to, strconv.FormatUint(uint64(v), 10), v <= maxExact)
	case types.Double:
		text, _ := json.Marshal(float64(v)) // it is finite
		return append(to, text...)
	case types.String:
		return appendString(to, string(v))
	case types.Bytes:
		return appendString(to, base64.StdEncoding.EncodeToString(v))
	case types.Duration:
		return appendString(to, v.Duration.String())
	case types.Timestamp:
		return appendString(to, v.Time.Format(time.RFC3339Nano))
	case address:
		return appendString(to, v.String())
	case *orderedMap:
		var keys []string
		for _, key := range v.keys {
			keys = append(keys, string(key.(types.String)))
		}
		return appendMembers(to, keys, func(key string) ref.Val { return v.Get(types.String(key)) })
	default: // which leaves lists, of all that convert makes
		return appendList(to, v.(traits.Lister))
	}
}

func appendList(to []byte, list traits.Lister) []byte {
	to = append(to, '[')
	for i := range list.Size().(types.Int) {
		if i > 0 {
			to = append(to, ',')
		}
		to = appendValue(to, list.Get(i))
	}
	return append(to, ']')
}

// appendInteger writes integers that a double has not as text, so that they
// survive readers whose numbers are doubles.
func appendInteger(to []byte, digits string, exact bool) []byte {
	if exact {
		return append(to, digits...)
	}
	return appendString(to, digits)
}

func appendString(to []byte, text string) []byte {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(text) // a string has no way to fail
	return append(to, bytes.TrimSuffix(buffer.Bytes(), []byte("\n"))...)
}
