package caveat

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestHostileExpressionsEndAndTakeLittle(t *testing.T) {
	for name, expression := range map[string]string{
		"open parentheses":      again("(", MaxExpressionBytes),
		"parentheses":           again("(", 200) + "b" + again(")", 200),
		"lists in lists":        again("[", 200) + "b" + again("]", 200) + " == []",
		"maps in maps":          again("{'a':", 200) + "b" + again("}", 200) + " == {}",
		"loops in loops":        again("l.map(x,", 100) + "i" + again(")", 100) + " == []",
		"loops behind loops":    "l" + again(".map(x,x)", 200) + " == []",
		"wide lists in lists":   again(again("[", 15)+"b"+again("]", 15)+" == [] ||", 190) + "b",
		"many loops":            again("l.all(x,x==1)||", 500) + "b",
		"many terms":            again("b||b&&", 1300) + "b",
		"many nots":             again("!", 8000) + "b",
		"a long list":           "i in [" + again("1,", 4000) + "1]",
		"many sums":             again("i+", 240) + "i == 1",
		"conditions":            again("b?b:", 200) + "b",
		"conditions inside":     again("(", 100) + "b" + again("?b:b)", 100),
		"selections":            "m" + again(".x", 240) + " == 1",
		"indices in indices":    again("l[", 100) + "0" + again("]", 100) + " == 1",
		"a regular expression":  "s.matches('" + again("(a{1,100}){1,9}", 5) + "')",
		"words":                 again("a b ", 2000),
		"open calls":            again("a(,", 2500),
		"optionals in optional": again("optional.of(", 200) + "b" + again(")", 200) + ".hasValue()",
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := compileUsed(t, expression)
		runtime.ReadMemStats(&after)
		if bytes := after.TotalAlloc - before.TotalAlloc; bytes > 256<<20 {
			t.Errorf("%s: took %d MiB (%v)", name, bytes>>20, err)
		}
	}
}

func TestLimitsOfACaveatAreProblems(t *testing.T) {
	var many []Param
	for i := range MaxParameters + 1 {
		many = append(many, Param{again("p", i+1), scalar("bool")})
	}
	for _, test := range []struct {
		params     []Param
		expression string
		want       string
	}{
		{nil, "true", "a caveat has between 1 and 64 parameters, not 0"},
		{many, "true", "a caveat has between 1 and 64 parameters, not 65"},
		{many[MaxParameters:], "true", "parameter `" + again("p", 60) + "…` has a name of 65 bytes, and 64 are allowed"},
		{[]Param{{"", scalar("bool")}}, "true", "parameter `` has no name"},
		{many[:1], again(" ", MaxExpressionBytes) + "p", "the expression has 8193 bytes, and 8192 are allowed"},
		{many[:1], again("[", 17) + "p" + again("]", 17) + "==[]", "1:17: nests more than 16 deep"},
	} {
		_, err := Compile(test.params, test.expression)
		if !errors.As(err, new(*Error)) || err.Error() != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if _, err := Compile(many[:1], again("[", 16)+"p"+again("]", 16)+" != []"); err != nil {
		t.Error(err)
	}
	if _, err := Compile(many[:1], again(" ", MaxExpressionBytes-1)+"p"); err != nil {
		t.Error(err)
	}
}

func again(text string, times int) string { return strings.Repeat(text, times) }
