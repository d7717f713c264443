package caveat

import (
	"errors"
	"os"
	"strings"
	"testing"
)

// fuzzParams are one of each type.
var fuzzParams = []Param{
	{"a", scalar("any")}, {"b", scalar("bool")}, {"d", scalar("double")}, {"i", scalar("int")}, {"u", scalar("uint")},
	{"s", scalar("string")}, {"x", scalar("bytes")}, {"t", scalar("timestamp")}, {"e", scalar("duration")},
	{"ip", scalar("ipaddress")}, {"l", generic("list", "int")}, {"ls", generic("list", "string")}, {"m", generic("map", "any")},
}

// FuzzEval compiles any expression and evaluates it with any contexts.
func FuzzEval(f *testing.F) {
	contexts := []string{
		``, `{"a":{"b":[1,null,"x"]},"b":true,"d":1.5,"i":-7,"u":"18446744073709551615","s":"(a|b)*","x":"aGk="}`,
		`{"t":"2026-11-24T12:00:00Z","e":"1h","ip":"10.0.0.1","l":[1,2,3],"ls":["a",""],"m":{"k":{},"j":7}}`,
	}
	for _, file := range []string{"testdata/errors.txt", "testdata/expressions.txt"} {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, section := range strings.Split("\n"+string(data), "\n=== ")[1:] {
			input, _, _ := strings.Cut(section, "\n--->\n")
			if lines := strings.SplitN(input, "\n", 3); len(lines) == 3 {
				f.Add(lines[2], contexts[1], contexts[2])
			}
		}
	}
	for i, expression := range []string{
		"a == i || u > 7u", "l.all(n, n in l) && m.k == a", "[x, x] == [] || {x: s}.size() == 1", "t + e > t || ip.in_cidr(s)",
		"ls.map(n, n + n).exists(n, n.matches(s))", "m.isSubtreeOf(m) && a.isSubtreeOf(m)", "string(u) + string(t) == s", "type(a) == type(x) && b",
		"x in {b'a': 1} || x in [b'a']", "dyn(ip) == dyn(s) || ip in [ip]", "optional.of(a).hasValue() && m.?k.?j.orValue(b)",
	} {
		f.Add(expression, contexts[i%3], contexts[(i+1)%3])
	}
	f.Fuzz(func(t *testing.T, expression, fixed, request string) {
		c, err := compileUsed(t, expression)
		if err != nil {
			return
		}
		x, y := fuzzContext(t, c, fixed), fuzzContext(t, c, request)
		result, err := c.Eval(t.Context(), x, y)
		if err != nil && !errors.As(err, new(*EvalError)) && !errors.Is(err, ErrCost) {
			t.Errorf("%q: a %T: %v", expression, err, err)
		}
		// Bytes as keys are the one thing on which CEL is known to fail like this.
		if err != nil && strings.Contains(err.Error(), "CEL has no answer") && !strings.Contains(err.Error(), "types.Bytes") {
			t.Errorf("%q panics: %v", expression, err)
		}
		if (result.Verdict == Conditional) != (len(result.Missing) > 0) {
			t.Errorf("%q: %v misses %v", expression, result.Verdict, result.Missing)
		}
		again, err := Compile(c.Params(), c.Expression())
		if err != nil || again.Expression() != c.Expression() {
			t.Errorf("%q becomes %q: %v", expression, c.Expression(), err)
		}
	})
}

// compileUsed compiles an expression with those parameters that it uses.
func compileUsed(t *testing.T, expression string) (*Caveat, error) {
	t.Helper()
	params := fuzzParams
	for range len(fuzzParams) + 1 {
		c, err := Compile(params, expression)
		if err == nil {
			return c, nil
		}
		var problems *Error
		if !errors.As(err, &problems) {
			t.Fatalf("%q: a %T: %v", expression, err, err)
		}
		unused := make(map[string]bool)
		for _, p := range problems.Problems() {
			checkPlace(t, "\n"+expression, p)
			unused[p.Parameter] = true
		}
		delete(unused, "")
		var used []Param
		for _, p := range params {
			if !unused[p.Name] {
				used = append(used, p)
			}
		}
		if len(unused) == 0 || len(used) == 0 {
			return nil, err
		}
		params = used
	}
	t.Fatalf("%q: there is always another parameter that is not used", expression)
	return nil, nil
}

func fuzzContext(t *testing.T, c *Caveat, text string) Context {
	t.Helper()
	x, err := c.Context([]byte(text))
	if err != nil && !errors.As(err, new(*ContextError)) {
		t.Errorf("%q: a %T: %v", text, err, err)
	}
	return x
}

// FuzzContext reads any JSON, writes it and reads it again.
func FuzzContext(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1e300,-0,"\ud800"],"d":"1e-400","i":"-0","u":1e19,"s":"\u0000"}`, `{"x":"-_==","t":"2026-11-24T23:59:60Z","e":"1.5h"}`,
		`{"ip":"::ffff:1.2.3.4%25","l":[0.1e1],"m":{"":{"":[]}},"m":{}}`, `{"i":12345678901234567890}`, `[`, `{"b":true}{}`,
	} {
		f.Add(seed)
	}
	var terms []string
	for _, p := range fuzzParams {
		terms = append(terms, p.Name+" == "+p.Name)
	}
	c := mustCompile(f, strings.Join(terms, " && "), fuzzParams...)
	f.Fuzz(func(t *testing.T, text string) {
		x := fuzzContext(t, c, text)
		written := x.canonical()
		again, err := c.Context(written)
		if err != nil {
			if len(written) > MaxContextBytes {
				return
			}
			t.Fatalf("%q becomes %q: %v", text, written, err)
		}
		if rewritten := again.canonical(); string(rewritten) != string(written) {
			t.Errorf("%q becomes %q and then %q", text, written, rewritten)
		}
		if result, err := c.Eval(t.Context(), x, again); err != nil || result.Verdict == No {
			t.Errorf("%q is not equal to itself: %v, %v", text, result, err)
		}
	})
}
