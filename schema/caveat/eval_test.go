package caveat

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
)

// say renders what an evaluation gave.
func say(result Result, err error) string {
	switch {
	case err != nil:
		return "error: " + err.Error()
	case len(result.Missing) > 0:
		return fmt.Sprintf("%v %v", result.Verdict, result.Missing)
	default:
		return result.Verdict.String()
	}
}

func TestExpressionsAreEvaluatedWithBothContexts(t *testing.T) {
	for _, test := range []struct{ params, expression, fixed, request, want string }{
		{"a int, b int", "a < b", `{"b":5}`, `{"a":3}`, "yes"},
		{"a int, b int", "a < b", `{"b":5}`, `{"a":5}`, "no"},
		{"a int, b int", "a < b", `{"b":5}`, `{"a":9, "b":10}`, "no"}, // the tuple's b wins
		{"a int, b int", "a < b", `{"b":5}`, ``, "conditional [a]"},
		{"a int, b int", "a < b", ``, ``, "conditional [a b]"},
		{"b int, a int", "b < a", ``, ``, "conditional [a b]"},                   // sorted, however they are declared
		{"a int, b int", "a < b", ``, `{"zzz": 1, "A": 2}`, "conditional [a b]"}, // unknown names are ignored
		{"a bool, b bool", "a || b", `{"a":true}`, ``, "yes"},
		{"a bool, b bool", "a || b", `{"a":false}`, ``, "conditional [b]"},
		{"a bool, b bool", "b && a", `{"a":false}`, ``, "no"},
		{"a bool, b int, c int", "a ? b == 1 : c == 1", `{"a":true}`, `{"b":1}`, "yes"},
		{"a bool, b int, c int", "a ? b == 1 : c == 1", ``, `{"b":1}`, "conditional [a]"},
		{"u uint", "u + 1 == 6 && u < 6", ``, `{"u":5}`, "yes"},
		{"u uint", "u > 9223372036854775807", ``, `{"u":"18446744073709551615"}`, "yes"},
		{"u uint", "u + 1 > 0", ``, `{"u":"18446744073709551615"}`, "error: 1:3: no such overload"},
		{"a any", "a == 1", ``, `{"a":1}`, "yes"},
		{"a any", "a == null", ``, `{"a":null}`, "yes"},
		{"a any", "a.b[0].c == 'x'", ``, `{"a":{"b":[{"c":"x"}]}}`, "yes"},
		{"a any", "a in ['x', 1] || a in [{}, []]", ``, `{"a":{}}`, "yes"},
		{"a any", "a in ['x', 1]", ``, `{"a":{"b":{}}}`, "no"},
		{"b bytes", "dyn(b) in ['x']", ``, `{"b":""}`, "error: CEL has no answer for these values (runtime error: hash of unhashable type types.Bytes)"},
		{"a any", "a == true || false", ``, `{"a":7}`, "no"},
		{"a bool, b any", "b ? a : a", `{"a":true}`, `{"b":7}`, "error: 1:3: no such overload"},
		{"s string", "s.startsWith('a') && s.matches('^a+$')", ``, `{"s":"aaa"}`, "yes"},
		{"t timestamp", "t < timestamp('2026-01-01T00:00:00Z')", ``, `{"t":"2025-12-31T23:59:59Z"}`, "yes"},
		{"t timestamp", "t.getHours() == 23 && t.getHours('Europe/Berlin') == 0", ``, `{"t":"2025-12-31T23:59:59Z"}`, "yes"},
		{"t timestamp, d duration", "t + d > timestamp('2026-01-01T00:00:00Z')", `{"d":"2s"}`, `{"t":"2025-12-31T23:59:59Z"}`, "yes"},
		{"b bytes", "b == b'hi'", ``, `{"b":"aGk="}`, "yes"},
		{"l list<string>, s string", "s in l", `{"l":["a","b"]}`, `{"s":"b"}`, "yes"},
		{"l list<string>, s string", "s in l", `{"l":["a","b"]}`, `{"s":"c"}`, "no"},
		{"l list<int>", "l.exists(x, x == 2) && l.all(x, x < 3) && l.map(x, x * 2) == [2, 4]", ``, `{"l":[1,2]}`, "yes"},
		{"l list<int>, x int", "l.exists(x, x == 2)", ``, `{"l":[2]}`, "yes"}, // as in SpiceDB, a loop's variable of that name is a use

		{"l list<int>, x int", "l.exists(x, x == 2) && x == 7", `{"l":[2]}`, ``, "conditional [x]"}, // the inner x is the loop's
		{"l list<int>, x int", "l.exists(x, x == 3) && x == 7", `{"l":[2]}`, ``, "no"},
		{"m map<int>", "m.a == 1 && has(m.b) && !has(m.c) && 'b' in m", ``, `{"m":{"a":1,"b":2}}`, "yes"},
		{"m map<int>", "has(m.a)", ``, ``, "conditional [m]"},
		{"m map<int>", "m.?zz.orValue(7) == 7", ``, `{"m":{}}`, "yes"},
		{"a map<any>, b map<any>", "a.isSubtreeOf(b)", `{"a":{"x":{"y":[1,[2]]}}}`, `{"b":{"x":{"y":[1,[2]],"z":2},"w":3}}`, "yes"},
		{"a map<any>, b map<any>", "a.isSubtreeOf(b)", `{"a":{"x":{"y":1}}}`, `{"b":{"x":{"y":2}}}`, "no"},
		{"a map<any>, b map<any>", "a.isSubtreeOf(b)", `{"a":{"x":{"y":1}}}`, `{"b":{"x":1}}`, "no"},
		{"a map<any>, b map<any>", "a.isSubtreeOf(b)", `{"a":{"x":1}}`, `{"b":{}}`, "no"},
		{"a int", "1 / a == 1", ``, `{"a":0}`, "error: 1:3: division by zero"},
		{"a int", "1 / a == 1 || a == 0", ``, `{"a":0}`, "yes"},
		{"a int", "1 / a == 1 && a != 0", ``, `{"a":0}`, "no"},
		{"a int", "a + 9223372036854775807 > 0", ``, `{"a":1}`, "error: 1:3: integer overflow"},
		{"l list<int>", "true && l[3] == 1", ``, `{"l":[1]}`, "error: 1:10: index out of bounds: 3"},
		{"m map<any>", "m.x.y == 1", ``, `{"m":{"x":{}}}`, "error: 1:4: no such key: y"},
		{"s string", "s.matches(s)", ``, `{"s":"("}`, "error: error parsing regexp: missing closing ): `(`"},
	} {
		c, err := compileText(t, test.params+"\n"+test.expression)
		if err != nil {
			t.Errorf("%s: %v", test.expression, err)
			continue
		}
		got := say(c.Eval(t.Context(), mustConvert(t, c, test.fixed), mustConvert(t, c, test.request)))
		if got != test.want {
			t.Errorf("%s with %s and %s: got %s, want %s", test.expression, test.fixed, test.request, got, test.want)
		}
	}
}

func TestAddressesAreInTheNetworksThatHoldThem(t *testing.T) {
	c := mustCompile(t, "ip.in_cidr(network)", Param{"ip", scalar("ipaddress")}, Param{"network", scalar("string")})
	for _, test := range []struct{ ip, network, want string }{
		{"10.1.2.3", "10.0.0.0/8", "yes"},
		{"11.1.2.3", "10.0.0.0/8", "no"},
		{"10.255.255.255", "10.0.0.0/8", "yes"},
		{"10.1.2.3", "10.1.2.3/32", "yes"},
		{"10.1.2.4", "10.1.2.3/32", "no"},
		{"10.1.2.3", "0.0.0.0/0", "yes"},
		{"10.1.2.3", "10.99.99.99/8", "yes"}, // the network's other bits do not matter
		{"::ffff:10.1.2.3", "10.0.0.0/8", "yes"},
		{"10.1.2.3", "::/0", "no"},
		{"::1", "0.0.0.0/0", "no"},
		{"2001:db8::1", "2001:db8::/32", "yes"},
		{"2001:db9::1", "2001:db8::/32", "no"},
		{"fe80::1%eth0", "fe80::/10", "no"},
		{"10.1.2.3", "10.0.0.0", "error: 1:11: `10.0.0.0` is no network in CIDR notation"},
		{"10.1.2.3", "10.0.0.0/33", "error: 1:11: `10.0.0.0/33` is no network in CIDR notation"},
		{"10.1.2.3", "", "error: 1:11: `` is no network in CIDR notation"},
	} {
		x, err := c.FromMap(map[string]any{"ip": test.ip, "network": test.network})
		if err != nil {
			t.Fatal(err)
		}
		if got := say(c.Eval(t.Context(), x, Context{})); got != test.want {
			t.Errorf("%s in %s: got %s, want %s", test.ip, test.network, got, test.want)
		}
	}
}

func TestAddressesCompareByWhatTheyAre(t *testing.T) {
	c := mustCompile(t, "a == b || b in others", Param{"a", scalar("ipaddress")}, Param{"b", scalar("ipaddress")}, Param{"others", generic("list", "ipaddress")})
	for text, want := range map[string]string{
		`{"a":"10.0.0.1","b":"::ffff:10.0.0.1"}`:                      "yes",
		`{"a":"10.0.0.1","b":"10.0.0.2","others":["::1"]}`:            "no",
		`{"a":"10.0.0.1","b":"10.0.0.2","others":["::1","10.0.0.2"]}`: "yes",
		`{"a":"10.0.0.1","b":"10.0.0.2"}`:                             "conditional [others]",
		`{"b":"10.0.0.2","others":["2001:db8::1","::ffff:10.0.0.2"]}`: "yes",
		`{"a":"fe80::1%a","b":"fe80::1%b","others":["fe80::1"]}`:      "no",
	} {
		if got := say(c.Eval(t.Context(), mustConvert(t, c, text), Context{})); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// dear is a context with which loops over loops take very long.
func dear(t *testing.T, c *Caveat) Context {
	t.Helper()
	list := make([]any, 10_000)
	for i := range list {
		list[i] = float64(i)
	}
	x, err := c.FromMap(map[string]any{"l": list, "s": strings.Repeat("a", 40_000)})
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestEvaluationsEndWhateverTheContext(t *testing.T) {
	for _, expression := range []string{
		"l.all(x, l.all(y, x + y >= 0))",
		"l.map(x, l.map(y, x + y)).size() == 0",
		"l.all(x, l == l)",
		"l.map(x, l).all(y, y == l)",
	} {
		c := mustCompile(t, expression, Param{"l", generic("list", "int")})
		if _, err := c.Eval(t.Context(), dear(t, c), Context{}); !errors.Is(err, ErrCost) {
			t.Errorf("%s: got %v", expression, err)
		}
	}
	for _, expression := range []string{
		strings.Repeat("s.matches('^(a+)+b$') || ", 200) + "s == ''",
		"(" + strings.Repeat("s + ", 200) + "s).size() == 0",
	} {
		c := mustCompile(t, expression, Param{"s", scalar("string")})
		if _, err := c.Eval(t.Context(), dear(t, c), Context{}); !errors.Is(err, ErrCost) {
			t.Errorf("%.30s: got %v", expression, err)
		}
	}
	c := mustCompile(t, "l.all(x, m.isSubtreeOf(m))", Param{"l", generic("list", "int")}, Param{"m", generic("map", "any")})
	wide := make(map[string]any)
	for i := range 5000 {
		wide[fmt.Sprint(i)] = true
	}
	request, err := c.FromMap(map[string]any{"m": wide})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Eval(t.Context(), dear(t, c), request); !errors.Is(err, ErrCost) {
		t.Errorf("got %v", err)
	}
}

func TestOneLoopOverALargeContextIsNotTooDear(t *testing.T) {
	c := mustCompile(t, "l.all(x, x >= 0) && 9999 in l", Param{"l", generic("list", "int")})
	if got := say(c.Eval(t.Context(), dear(t, c), Context{})); got != "yes" {
		t.Errorf("got %s", got)
	}
}

func TestAnEvaluationEndsWithItsCaller(t *testing.T) {
	gone := errors.New("the caller has gone")
	c := mustCompile(t, "l.all(x, x >= 0)", Param{"l", generic("list", "int")})
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := c.Eval(ctx, Context{}, dear(t, c)); !errors.Is(err, gone) {
		t.Errorf("got %v", err)
	}
	c = mustCompile(t, "l.all(x, l.all(y, x + y >= 0))", Param{"l", generic("list", "int")})
	late := &lateContext{Context: ctx}
	if _, err := c.Eval(late, Context{}, dear(t, c)); !errors.Is(err, gone) {
		t.Errorf("in the middle: got %v", err)
	}
}

// lateContext is one that ended after it was first asked.
type lateContext struct {
	context.Context
	asked bool
}

func (c *lateContext) Err() error {
	if !c.asked {
		c.asked = true
		return nil
	}
	return c.Context.Err()
}

func TestAContextIsForTheCaveatThatMadeIt(t *testing.T) {
	a, b := one(t, scalar("int")), one(t, scalar("int"))
	x := mustConvert(t, a, `{"p":1}`)
	for _, contexts := range [][2]Context{{x, {}}, {{}, x}} {
		if _, err := b.Eval(t.Context(), contexts[0], contexts[1]); !errors.Is(err, ErrForeignContext) {
			t.Errorf("got %v", err)
		}
	}
}

func TestMapsAreVisitedInTheOrderOfTheirKeys(t *testing.T) {
	c := mustCompile(t, `m.map(k, k) == ["a", "b", "c", "d"] && m.map(k, m[k]) == [1, 2, 3, 4] &&
		{"z": 1, "y": 2, "x": 3}.map(k, k) == ["x", "y", "z"] &&
		{3u: 1, true: 2, "a": 3, 2: 4, false: 5, "B": 6}.map(k, string(k)) == ["false", "true", "2", "3", "B", "a"] &&
		{"o": {"q": 1, "p": 2}}.o.map(k, k)[0] == "p"`, Param{"m", generic("map", "int")})
	x := mustConvert(t, c, `{"m":{"d":4,"c":3,"b":2,"a":1}}`)
	for range 100 {
		if got := say(c.Eval(t.Context(), x, Context{})); got != "yes" {
			t.Fatalf("got %s", got)
		}
	}
}

func TestCaveatsAreSafeForConcurrentUse(t *testing.T) {
	c := mustCompile(t, "l.exists(x, x == n) && has(m.a) || b", Param{"l", generic("list", "int")}, Param{"n", scalar("int")},
		Param{"m", generic("map", "any")}, Param{"b", scalar("bool")})
	fixed := mustConvert(t, c, `{"l":[1,2,3,4,5],"m":{"a":1}}`)
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 200 {
				n := (worker + i) % 10
				want := "conditional [b]"
				if 1 <= n && n <= 5 {
					want = "yes"
				}
				request, err := c.FromMap(map[string]any{"n": n})
				if err != nil {
					t.Error(err)
				}
				if got := say(c.Eval(context.Background(), fixed, request)); got != want {
					t.Errorf("n = %d: got %s, want %s", n, got, want)
				}
			}
		})
	}
	group.Wait()
}

func TestFingerprintsTellCaveatsApart(t *testing.T) {
	base, err := compileText(t, "a int, b int\na < b || a == 1")
	if err != nil {
		t.Fatal(err)
	}
	for text, same := range map[string]bool{
		"a int, b int\n(a<b)||a==1 // the same": true,
		"b int, a int\na < b || a == 1":         true,
		"a uint, b int\na < b || a == 1":        false,
		"a int, b int\na == 1 || a < b":         false,
		"a int, b int\na < b || a == 2":         false,
		"a int, c int\na < c || a == 1":         false,
	} {
		c, err := compileText(t, text)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Fingerprint() == base.Fingerprint(); got != same {
			t.Errorf("%s: the same: %t, want %t", text, got, same)
		}
	}
}

func TestEvaluationAllocatesNothing(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector has sync.Pool drop things at random, so that allocations cannot be counted")
	}
	for _, bench := range benchmarks {
		c := mustCompile(t, bench.expression, bench.params...)
		fixed, request := mustConvert(t, c, bench.fixed), mustConvert(t, c, bench.request)
		want := 0.0
		if bench.name == "Missing" {
			want = 5 // the names
		}
		got := testing.AllocsPerRun(100, func() {
			if _, err := c.Eval(context.Background(), fixed, request); err != nil {
				t.Error(err)
			}
		})
		if got > want {
			t.Errorf("%s: %v allocations, want at most %v", bench.name, got, want)
		}
	}
}
