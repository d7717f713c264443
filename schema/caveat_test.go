package schema

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProgramsHaveTheirCaveatsByTheStoresNumbers(t *testing.T) {
	s := mustLoad(t, `
caveat small(count int) { count < 3 }
caveat near(place string, places list<string>) { place in places }
definition user {}
definition doc {
	relation owner: user with near | user | user with small
}
`)
	n := numbered(s)
	n.caveats["small"], n.caveats["near"] = 65000, 7
	p, err := Compile(s, n)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Caveats) != 2 || p.CaveatName(65000) != "small" || p.CaveatName(7) != "near" || p.CaveatName(1) != "" {
		t.Errorf("caveats %v", p.Caveats)
	}
	if got := fmt.Sprint(p.Caveats[7].Params()); got != "[{place string} {places list<string>}]" {
		t.Errorf("near has the parameters %s", got)
	}
	if diff := cmp.Diff([]Traits{{}, {Caveat: 7}, {Caveat: 65000}}, p.Slots[slotNamed(t, p, "doc#owner")].Direct[0].Traits); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A place in an expression is that of the same word in the text, wherever the
// expression stands.
func TestProblemsOfExpressionsAreFoundInTheText(t *testing.T) {
	for _, expression := range []string{
		"WRONG == count", "count == 1 || WRONG == 2", "\n\t\tcount == 1 ||\n\n\t\t\tWRONG == 2\n", "\r\n\t\tcount == 1 ||\r\n\t\t\tWRONG == 2\r\n",
		"WRONG\n", "\n\t\t\tWRONG ||\n\tcount == 1\n", "count == 1 ||\n  WRONG", "\n\"\"\"a\n  b\"\"\" == \"c\" &&\n   WRONG\n",
		"   \"\"\"a\"\"\" == \"\" && WRONG", "\n  \"\"\"a\"\"\" == \"\" && WRONG", "\n  WRONG == '''\nWRONG'''\n", "\n// WRONG not\nWRONG",
	} {
		text := "definition user {}\ncaveat WRON(count int) {" + expression + "}\n"
		text = strings.Replace(text, "WRON(", "some(", 1)
		problems := problemsOf(t, text)
		if len(problems.Problems) != 1 || !strings.HasPrefix(text[problems.Problems[0].Pos.Offset:], "WRONG") {
			t.Errorf("%q:\n%s", expression, problems)
			continue
		}
		p := problems.Problems[0]
		if line := strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n")[p.Pos.Line-1]; !strings.HasPrefix(line[p.Pos.Column-1:], "WRONG") {
			t.Errorf("%q: line %d, column %d is not the place", expression, p.Pos.Line, p.Pos.Column)
		}
	}
}

func TestASchemaHasSoManyCaveatsAndNoMore(t *testing.T) {
	caveats := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "caveat c%04d(a bool) { a }\n", i)
		}
		return b.String()
	}
	mustLoad(t, caveats(MaxCaveats))
	if got := problemsOf(t, caveats(MaxCaveats+1)); !strings.Contains(got.Error(), "1001 caveats, at most 1000") {
		t.Errorf("%.200s", got)
	}
}

func TestAnExpressionEndsAtItsBraceAlone(t *testing.T) {
	for _, expression := range []string{
		`a == "}"`, `a == '}'`, `a == "\"}"`, `a == r"\" || a == "}"`, `a == R'\' || a == '}'`, `a == "" // }`, `{"}": a}["}"] == ""`,
		"a == \"\"\"}\n\\\"\"\"\"", "a == r'''}\n\\'''", `bytes(a) == br"\" || a == "}"`,
	} {
		if got := expressionEnd(expression + "\n} definition"); got != len(expression)+1 {
			t.Errorf("%s ends at %d", expression, got)
		}
		text := "caveat some(a string) {\n\t" + expression + "\n}\n"
		if formatted := Format(mustLoad(t, text)); !strings.Contains(formatted, expression) {
			t.Errorf("%q is formatted as %q", text, formatted)
		}
	}
}
