package caveat

import (
	"encoding/json"
	"errors"
	"math"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"
)

// one compiles a caveat with the parameter p of a type, which it compares with itself.
func one(t testing.TB, typ Type) *Caveat { return mustCompile(t, "p == p", Param{"p", typ}) }

func TestValuesAreConvertedByTheTypeOfTheirParameter(t *testing.T) {
	for _, test := range []struct{ typ, value, canonical string }{
		{"any", `null`, `null`},
		{"any", `true`, `true`},
		{"any", `1.0`, `1`},
		{"any", `-0.5e1`, `-5`},
		{"any", `1e300`, `1e+300`},
		{"any", `"12"`, `"12"`},
		{"any", ` [1, {"b": [], "a": null}] `, `[1,{"a":null,"b":[]}]`},
		{"bool", `false`, `false`},
		{"bytes", `"aGk="`, `"aGk="`},
		{"bytes", `"aGk"`, `"aGk="`},
		{"bytes", `"-_8="`, `"+/8="`},
		{"bytes", `""`, `""`},
		{"double", `1`, `1`},
		{"double", `1.5`, `1.5`},
		{"double", `"1.5"`, `1.5`},
		{"double", `"-2"`, `-2`},
		{"double", `9007199254740993`, `9007199254740992`},
		{"duration", `"90m"`, `"1h30m0s"`},
		{"duration", `"-1.5s"`, `"-1.5s"`},
		{"int", `0`, `0`},
		{"int", `-7`, `-7`},
		{"int", `7.0`, `7`},
		{"int", `70e-1`, `7`},
		{"int", `1.5e1`, `15`},
		{"int", `"42"`, `42`},
		{"int", `9007199254740992`, `9007199254740992`},
		{"int", `9007199254740993`, `"9007199254740993"`},
		{"int", `-9223372036854775808`, `"-9223372036854775808"`},
		{"int", `"9223372036854775807"`, `"9223372036854775807"`},
		{"int", `9.223372036854775807e18`, `"9223372036854775807"`},
		{"uint", `5`, `5`},
		{"uint", `18446744073709551615`, `"18446744073709551615"`},
		{"uint", `"18446744073709551615"`, `"18446744073709551615"`},
		{"ipaddress", `"10.0.0.1"`, `"10.0.0.1"`},
		{"ipaddress", `"::ffff:10.0.0.1"`, `"10.0.0.1"`},
		{"ipaddress", `"2001:DB8:0::1"`, `"2001:db8::1"`},
		{"string", `""`, `""`},
		{"string", `"<\u00e4\n\"&>"`, `"<ä\n\"&>"`},
		{"timestamp", `"2026-11-24T13:00:00+01:00"`, `"2026-11-24T12:00:00Z"`},
		{"timestamp", `"2026-11-24T12:00:00.123456789Z"`, `"2026-11-24T12:00:00.123456789Z"`},
		{"list<int>", `[1, "2", 3.0]`, `[1,2,3]`},
		{"list<list<string>>", `[[], ["a"]]`, `[[],["a"]]`},
		{"map<duration>", `{"b": "1s", "a": "60s"}`, `{"a":"1m0s","b":"1s"}`},
		{"map<uint>", `{}`, `{}`},
	} {
		c := one(t, parseType(test.typ))
		x, err := c.Context([]byte(`{"p":` + test.value + `}`))
		if err != nil {
			t.Errorf("%s %s: %v", test.typ, test.value, err)
			continue
		}
		if got := string(appendValue(nil, x.values[0])); got != test.canonical {
			t.Errorf("%s %s: got %s, want %s", test.typ, test.value, got, test.canonical)
		}
		if result, err := c.Eval(t.Context(), x, Context{}); err != nil || result.Verdict != Yes {
			t.Errorf("%s %s is not equal to itself: %v %v", test.typ, test.value, result, err)
		}
	}
}

func TestValuesThatTheirParameterCannotHaveAreErrorsThatNameIt(t *testing.T) {
	long := `"` + strings.Repeat("ä", 100) + `"`
	for _, test := range []struct{ typ, value, want string }{
		{"bool", `null`, "parameter `p` must be true or false, not null"},
		{"bool", `"true"`, "parameter `p` must be true or false, not the string `true`"},
		{"bool", `1`, "parameter `p` must be true or false, not the number 1"},
		{"bytes", `"a*"`, "parameter `p` must be bytes in base64, not the string `a*`"},
		{"bytes", `[1]`, "parameter `p` must be bytes in base64, not a list"},
		{"double", `"NaN"`, "parameter `p` must be a number, not the string `NaN`"},
		{"double", `1e400`, "parameter `p` must be a number, not the number 1e400"},
		{"double", `"0x10"`, "parameter `p` must be a number, not the string `0x10`"},
		{"duration", `"1 hour"`, "parameter `p` must be a duration like `1h30m`, not the string `1 hour`"},
		{"duration", `60`, "parameter `p` must be a duration like `1h30m`, not the number 60"},
		{"int", `1.5`, "parameter `p` must be an integer of 64 bits, not the number 1.5"},
		{"int", `9223372036854775808`, "parameter `p` must be an integer of 64 bits, not the number 9223372036854775808"},
		{"int", `1e1000000000`, "parameter `p` must be an integer of 64 bits, not the number 1e1000000000"},
		{"int", `0.99999999999999999999`, "parameter `p` must be an integer of 64 bits, not the number 0.99999999999999999999"},
		{"int", `"1/1"`, "parameter `p` must be an integer of 64 bits, not the string `1/1`"},
		{"int", `"+1"`, "parameter `p` must be an integer of 64 bits, not the string `+1`"},
		{"int", `"1_000"`, "parameter `p` must be an integer of 64 bits, not the string `1_000`"},
		{"int", `""`, "parameter `p` must be an integer of 64 bits, not the string ``"},
		{"int", `true`, "parameter `p` must be an integer of 64 bits, not true"},
		{"int", `{}`, "parameter `p` must be an integer of 64 bits, not a map"},
		{"uint", `-1`, "parameter `p` must be an integer of 64 bits from 0, not the number -1"},
		{"uint", `18446744073709551616`, "parameter `p` must be an integer of 64 bits from 0, not the number 18446744073709551616"},
		{"ipaddress", `"10.0.0"`, "parameter `p` must be an IP address, not the string `10.0.0`"},
		{"ipaddress", `"10.0.0.0/8"`, "parameter `p` must be an IP address, not the string `10.0.0.0/8`"},
		{"string", `7`, "parameter `p` must be a string of UTF-8, not the number 7"},
		{"timestamp", `"2026-11-24"`, "parameter `p` must be a time like `2006-01-02T15:04:05Z` (RFC 3339), not the string `2026-11-24`"},
		{"timestamp", `"0000-01-01T00:00:00Z"`, "parameter `p` must be a time like `2006-01-02T15:04:05Z` (RFC 3339), not the string `0000-01-01T00:00:00Z`"},
		{"list<int>", `{}`, "parameter `p` must be a list, not a map"},
		{"list<int>", `[1, "x"]`, "parameter `p[1]` must be an integer of 64 bits, not the string `x`"},
		{"map<list<bool>>", `{"a": [true], "b": [true, null]}`, "parameter `p.b[1]` must be true or false, not null"},
		{"map<any>", `[]`, "parameter `p` must be a map, not a list"},
		{"int", long, "parameter `p` must be an integer of 64 bits, not the string `" + strings.Repeat("ä", 30) + "…`"},
		{"any", strings.Repeat("[", 40) + strings.Repeat("]", 40),
			"parameter `p" + strings.Repeat("[0]", 33) + "` must be at most 32 deep, not a list"},
	} {
		_, err := one(t, parseType(test.typ)).Context([]byte(`{"p":` + test.value + `}`))
		var wrong *ContextError
		if !errors.As(err, &wrong) || wrong.Parameter != "p" || err.Error() != test.want {
			t.Errorf("%s %s:\ngot  %v\nwant %s", test.typ, test.value, err, test.want)
		}
	}
}

func TestTextThatIsNoObjectIsNoContext(t *testing.T) {
	c := one(t, scalar("int"))
	for _, text := range []string{`[]`, `7`, `"p"`, `{`, `{"p":1}}`, `{"p":1} {}`, `x`, `{"p":1,}`, " ", `{"p":"` + strings.Repeat("x", MaxContextBytes) + `"}`} {
		_, err := c.Context([]byte(text))
		var wrong *ContextError
		if !errors.As(err, &wrong) || wrong.Parameter != "" {
			t.Errorf("%.20s: got %v", text, err)
		}
	}
	for _, text := range []string{``, `{}`, `null`, `{"other": {"p": "x"}}`} {
		x, err := c.Context([]byte(text))
		if err != nil || !x.Empty() {
			t.Errorf("%s: got %v, %v", text, x, err)
		}
	}
}

func TestValuesInMemoryAreConvertedAsThoseOfJSON(t *testing.T) {
	at := time.Date(2026, 11, 24, 13, 0, 0, 0, time.FixedZone("", 3600))
	for _, test := range []struct {
		typ       string
		value     any
		canonical string
	}{
		{"int", 7, `7`}, {"int", int32(-7), `-7`}, {"int", int64(7), `7`}, {"int", uint64(7), `7`}, {"int", 7.0, `7`},
		{"int", json.Number("7"), `7`}, {"int", uint(7), `7`}, {"int", uint32(7), `7`}, {"int", float32(7), `7`},
		{"uint", uint64(math.MaxUint64), `"18446744073709551615"`}, {"uint", float64(1 << 63), `"9223372036854775808"`},
		{"double", 7, `7`}, {"double", uint64(1 << 63), `9223372036854776000`}, {"double", float32(0.5), `0.5`},
		{"any", 7, `7`}, {"any", []any{nil, 1.5}, `[null,1.5]`},
		{"bytes", []byte("hi"), `"aGk="`},
		{"duration", time.Minute, `"1m0s"`},
		{"timestamp", at, `"2026-11-24T12:00:00Z"`},
		{"ipaddress", netip.MustParseAddr("::1"), `"::1"`},
	} {
		text, err := one(t, parseType(test.typ)).Canonical(map[string]any{"p": test.value})
		if want := `{"p":` + test.canonical + `}`; err != nil || string(text) != want {
			t.Errorf("%s %v: got %s, %v, want %s", test.typ, test.value, text, err, want)
		}
	}
	for _, test := range []struct {
		typ   string
		value any
	}{
		{"int", notJSON{}}, {"any", notJSON{}}, {"int", math.NaN()}, {"int", math.Inf(1)}, {"int", 1.5}, {"uint", float32(0.5)}, {"double", math.NaN()},
		{"double", math.Inf(-1)}, {"uint", -1}, {"uint", -1.0}, {"int", 1e19}, {"uint", 1e20}, {"string", "\xff"}, {"any", "\xff"},
		{"map<any>", map[string]any{"\xff": 1}}, {"ipaddress", netip.Addr{}}, {"timestamp", time.Time{}.Add(-time.Hour)},
		{"list<string>", []string{"a"}},
	} {
		_, err := one(t, parseType(test.typ)).FromMap(map[string]any{"p": test.value})
		var wrong *ContextError
		if !errors.As(err, &wrong) || wrong.Parameter != "p" || err.Error() == "" {
			t.Errorf("%s %v: got %v", test.typ, test.value, err)
		}
	}
}

type notJSON struct{}

func TestContextsInMemoryAreBoundedAsThoseOfJSON(t *testing.T) {
	c := mustCompile(t, "p == p && q == q", Param{"p", scalar("any")}, Param{"q", generic("map", "string")})
	for name, values := range map[string]map[string]any{
		"a long string":         {"p": strings.Repeat("x", MaxContextBytes)},
		"many values":           {"p": make([]any, MaxContextBytes)},
		"long keys":             {"q": map[string]any{strings.Repeat("x", MaxContextBytes): "y"}},
		"two that are one each": {"p": strings.Repeat("x", MaxContextBytes/2), "q": map[string]any{"k": strings.Repeat("x", MaxContextBytes/2)}},
	} {
		if _, err := c.FromMap(values); !errors.As(err, new(*ContextError)) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := c.FromMap(map[string]any{"p": strings.Repeat("x", MaxContextBytes/2)}); err != nil {
		t.Error(err)
	}
}

func TestCanonicalContextsAreSortedAndReadAgain(t *testing.T) {
	c := mustCompile(t, "b == 1 && a == '' && m == {}", Param{"b", scalar("int")}, Param{"m", generic("map", "any")}, Param{"a", scalar("string")})
	values := map[string]any{"m": map[string]any{"z": 1.0, "y": []any{}}, "b": "7", "a": "x"}
	text, err := c.Canonical(values)
	if want := `{"a":"x","b":7,"m":{"y":[],"z":1}}`; err != nil || string(text) != want {
		t.Fatalf("got %s, %v, want %s", text, err, want)
	}
	read, err := c.Context(text)
	if err != nil {
		t.Fatal(err)
	}
	given, err := c.FromMap(values)
	if err != nil {
		t.Fatal(err)
	}
	for i := range read.values {
		if string(appendValue(nil, read.values[i])) != string(appendValue(nil, given.values[i])) || reflect.TypeOf(read.values[i]) != reflect.TypeOf(given.values[i]) {
			t.Errorf("%s: read %v, given %v", c.params[i].Name, read.values[i], given.values[i])
		}
	}
}

func TestAStoredContextHasNoUnknownNames(t *testing.T) {
	c := one(t, scalar("int"))
	_, err := c.Canonical(map[string]any{"p": 1, "zz": 2, "q": 3})
	var unknown *UnknownParameterError
	if !errors.As(err, &unknown) || unknown.Parameter != "q" {
		t.Errorf("got %v", err)
	}
	for _, empty := range []map[string]any{nil, {}} {
		if text, err := c.Canonical(empty); err != nil || text != nil {
			t.Errorf("got %s, %v", text, err)
		}
	}
	if _, err := c.Canonical(map[string]any{"p": "x"}); !errors.As(err, new(*ContextError)) {
		t.Errorf("got %v", err)
	}
}

func TestAStoredContextIsBoundedWithItsEscapes(t *testing.T) {
	c := one(t, scalar("string"))
	_, err := c.Canonical(map[string]any{"p": strings.Repeat("\x00", MaxContextBytes/2)})
	if !errors.As(err, new(*ContextError)) {
		t.Errorf("got %v", err)
	}
}
