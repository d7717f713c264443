package caveat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"cel.dev/cel-go/common/types/ref"
)

// MaxContextBytes is how long the text of a context may be.
const MaxContextBytes = 64 << 10

// Context holds values for parameters of the caveat that made it. The zero
// Context has none. It is immutable, and safe for concurrent use.
type Context struct {
	caveat *Caveat
	values []ref.Val // by parameter; nil: not given
	bytes  int       // at least what the values take
}

// fits reports whether the context can be used with a caveat.
func (x Context) fits(c *Caveat) bool { return x.caveat == nil || x.caveat == c }

// Empty reports whether the context has a value for no parameter.
func (x Context) Empty() bool { return x.caveat == nil }

// Context converts a JSON object, or nothing. Names that no parameter has are
// ignored; a value that its parameter cannot have is a *[ContextError].
func (c *Caveat) Context(text []byte) (Context, error) {
	if len(text) == 0 {
		return Context{}, nil
	}
	if len(text) > MaxContextBytes {
		return Context{}, tooLong(len(text))
	}
	var values map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber() // integers are exact
	if err := decoder.Decode(&values); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			return Context{}, &ContextError{Want: wantObject, Got: "a JSON " + wrong.Value}
		}
		return Context{}, &ContextError{Want: wantObject, Got: fmt.Sprintf("something else (%v)", err)}
	}
	if _, err := decoder.Token(); err != io.EOF {
		return Context{}, &ContextError{Want: wantObject, Got: "an object with something behind it"}
	}
	return c.FromMap(values)
}

const wantObject = "a JSON object"

func tooLong(bytes int) *ContextError {
	return &ContextError{Want: fmt.Sprintf("at most %d bytes of JSON", MaxContextBytes), Got: fmt.Sprintf("%d", bytes)}
}

// FromMap is [Caveat.Context] for values that are already in memory: those of
// JSON, with float64 or json.Number for numbers, and Go's own for the types that
// JSON has not: time.Time, time.Duration, []byte, netip.Addr, and integers of 32
// and 64 bits.
func (c *Caveat) FromMap(values map[string]any) (Context, error) {
	if len(values) == 0 {
		return Context{}, nil
	}
	x, converter := Context{}, converter{leftBytes: MaxContextBytes}
	for i, p := range c.params {
		value, ok := values[p.Name]
		if !ok {
			continue
		}
		converted, wrong := converter.convert(p.Type, value, 0)
		if wrong != nil {
			return Context{}, &ContextError{Parameter: p.Name, Path: wrong.path, Want: wrong.want, Got: describe(wrong.got)}
		}
		if x.caveat == nil {
			x = Context{caveat: c, values: make([]ref.Val, len(c.params))}
		}
		x.values[i] = converted
	}
	x.bytes = MaxContextBytes - converter.leftBytes
	return x, nil
}
