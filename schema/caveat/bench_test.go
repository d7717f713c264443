package caveat

import (
	"context"
	"testing"
)

func scalar(name string) Type           { return Type{Name: name} }
func generic(name, element string) Type { return Type{Name: name, Args: []Type{scalar(element)}} }
func mustCompile(t testing.TB, expression string, params ...Param) *Caveat {
	t.Helper()
	c, err := Compile(params, expression)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustConvert(t testing.TB, c *Caveat, text string) Context {
	t.Helper()
	x, err := c.Context([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

var benchmarks = []struct {
	name, expression string
	params           []Param
	fixed, request   string
}{
	{"Limit", "used < limit", []Param{{"used", scalar("int")}, {"limit", scalar("int")}}, `{"limit":5}`, `{"used":3}`},
	{"Expiry", "now < until", []Param{{"now", scalar("timestamp")}, {"until", scalar("timestamp")}},
		`{"until":"2030-01-01T00:00:00Z"}`, `{"now":"2026-11-24T00:00:00Z"}`},
	{"Network", `ip.in_cidr("10.0.0.0/8")`, []Param{{"ip", scalar("ipaddress")}}, ``, `{"ip":"10.1.2.3"}`},
	{"NetworkAndRole", `ip.in_cidr(network) && role in roles`,
		[]Param{{"ip", scalar("ipaddress")}, {"network", scalar("string")}, {"role", scalar("string")}, {"roles", generic("list", "string")}},
		`{"network":"10.0.0.0/8","roles":["admin","writer"]}`, `{"ip":"10.1.2.3","role":"writer"}`},
	{"Loop", `tags.exists(t, t == wanted)`, []Param{{"tags", generic("list", "string")}, {"wanted", scalar("string")}},
		`{"tags":["a","b","c","d","e","f","g","h"]}`, `{"wanted":"h"}`},
	{"Missing", "used < limit", []Param{{"used", scalar("int")}, {"limit", scalar("int")}}, `{"limit":5}`, ``},
}

// BenchmarkEval is what a check pays for each tuple with a caveat.
func BenchmarkEval(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			c := mustCompile(b, bench.expression, bench.params...)
			fixed, request := mustConvert(b, c, bench.fixed), mustConvert(b, c, bench.request)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Eval(context.Background(), fixed, request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkContext is what it costs to read the context of a tuple or a request.
func BenchmarkContext(b *testing.B) {
	for _, bench := range benchmarks {
		if bench.fixed == "" {
			continue
		}
		b.Run(bench.name, func(b *testing.B) {
			c := mustCompile(b, bench.expression, bench.params...)
			b.ReportAllocs()
			for b.Loop() {
				mustConvert(b, c, bench.fixed)
			}
		})
	}
}

// BenchmarkCompile is what each caveat adds to taking in a schema.
func BenchmarkCompile(b *testing.B) {
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				mustCompile(b, bench.expression, bench.params...)
			}
		})
	}
}
