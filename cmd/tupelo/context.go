package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
)

// contextFlag is the context of a question: values for parameters of caveats.
type contextFlag struct{ text string }

func (c *contextFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&c.text, "context", "", "values for caveats: a JSON `object`, or @FILE that holds one; @- for standard input")
}

// message returns the context, or nil if none is given.
func (c *contextFlag) message(t *terminal) (*structpb.Struct, error) {
	return contextObject.given(t, c.text)
}

// objectKind is a kind of JSON objects that commands take: what they are called,
// by their flag too, and an example.
type objectKind struct{ noun, example string }

var (
	contextObject  = objectKind{"context", `{"day":"friday"}`}
	metadataObject = objectKind{"metadata", `{"actor":"alice"}`}
)

// given returns the object that a flag holds or names a file of; nil for none.
func (k objectKind) given(t *terminal, text string) (*structpb.Struct, error) {
	if path, isFile := strings.CutPrefix(text, "@"); isFile {
		content, name, err := t.readFile(path)
		if err != nil {
			return nil, fmt.Errorf("--%s: %w", k.noun, err)
		}
		object, err := k.parse(string(content))
		if err != nil {
			return nil, fmt.Errorf("--%s: %s: %w", k.noun, name, err)
		}
		return object, nil
	}
	if text == "" {
		return nil, nil
	}
	object, err := k.parse(text)
	if err != nil {
		return nil, fmt.Errorf("--%s: %w", k.noun, err)
	}
	return object, nil
}

// parseContext reads a context.
func parseContext(text string) (*structpb.Struct, error) { return contextObject.parse(text) }

// parse reads one JSON object. What the message could not hold as it is written,
// such as a number of many digits, is an error.
func (k objectKind) parse(text string) (*structpb.Struct, error) {
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil || object == nil {
		return nil, fmt.Errorf("the %s %s is not a JSON object such as %s%s", k.noun, brief(text), k.example, syntaxText(err))
	}
	if err := exactNumbers(text); err != nil {
		return nil, err
	}
	given := &structpb.Struct{}
	if err := protojson.Unmarshal([]byte(text), given); err != nil {
		return nil, fmt.Errorf("the %s %s: %s", k.noun, brief(text), protobufPrefix.ReplaceAllString(err.Error(), ""))
	}
	return given, nil
}

// protobufPrefix is what protojson begins its errors with; it varies on purpose.
var protobufPrefix = regexp.MustCompile(`^proto:[\s\x{a0}]*(\(line \d+:\d+\): )?`)

// syntaxText says where a text is no JSON; nothing if it is JSON of another kind.
func syntaxText(err error) string {
	var wrong *json.SyntaxError
	if errors.As(err, &wrong) {
		return fmt.Sprintf(": byte %d: %v", wrong.Offset, wrong)
	}
	return ""
}

// brief cuts a text that an error repeats.
func brief(text string) string {
	const most = 60
	if text = strings.Join(strings.Fields(text), " "); len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

// exactNumbers refuses integers that a double does not hold: they would be
// other ones at the server.
func exactNumbers(text string) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		number, ok := token.(json.Number)
		if !ok || strings.ContainsAny(number.String(), ".eE") {
			continue
		}
		written, _ := new(big.Int).SetString(number.String(), 10)
		double, err := number.Float64()
		if held, accuracy := big.NewFloat(double).Int(nil); err != nil || accuracy != big.Exact || held.Cmp(written) != 0 {
			return fmt.Errorf("the number %s has more digits than JSON carries safely; write it as a string, \"%s\"", brief(number.String()), brief(number.String()))
		}
	}
}

// contextText spells a context as one line of JSON, its names sorted.
func contextText(given *structpb.Struct) string {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(spelled(given.AsMap())); err != nil {
		return fmt.Sprintf("{%v}", err) // of a text that is not UTF-8, which no message holds
	}
	return strings.TrimSuffix(text.String(), "\n")
}

// spelled returns a value of JSON with whole numbers beyond those that every
// double holds in all their digits, as exactNumbers asks for. From 1e21 on the
// encoder writes an exponent.
func spelled(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			v[name] = spelled(inner)
		}
	case []any:
		for i, inner := range v {
			v[i] = spelled(inner)
		}
	case float64:
		if size := math.Abs(v); size > 1<<53 && size < 1e21 {
			return json.Number(strconv.FormatFloat(v, 'f', 0, 64))
		}
	}
	return value
}

// mergeContexts returns a context with the names of both; where both have one,
// the value of the second counts.
func mergeContexts(general, particular *structpb.Struct) *structpb.Struct {
	switch {
	case general == nil:
		return particular
	case particular == nil:
		return general
	}
	merged := &structpb.Struct{Fields: maps.Clone(general.Fields)}
	if merged.Fields == nil {
		merged.Fields = map[string]*structpb.Value{}
	}
	maps.Copy(merged.Fields, particular.Fields)
	return merged
}
