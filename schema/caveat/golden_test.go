package caveat

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/internal/golden"
)

// compileText compiles a caveat whose first line has its parameters: a int, b list<any>.
func compileText(t testing.TB, text string) (*Caveat, error) {
	t.Helper()
	declarations, expression, _ := strings.Cut(strings.TrimSuffix(text, "\n"), "\n")
	var params []Param
	for declaration := range strings.SplitSeq(declarations, ", ") {
		name, typ, _ := strings.Cut(declaration, " ")
		params = append(params, Param{Name: name, Type: parseType(typ)})
	}
	return Compile(params, expression)
}

func parseType(text string) Type {
	name, argument, generic := strings.Cut(text, "<")
	if !generic {
		return Type{Name: name}
	}
	return Type{Name: name, Args: []Type{parseType(strings.TrimSuffix(argument, ">"))}}
}

func TestProblemsSayWhatIsWrongAndWhere(t *testing.T) {
	golden.Cases(t, "testdata/errors.txt", func(t *testing.T, input string) string {
		_, err := compileText(t, input)
		problems, ok := err.(*Error)
		if !ok {
			t.Fatalf("got %v, want an *Error", err)
		}
		for _, p := range problems.Problems() {
			checkPlace(t, input, p)
		}
		return err.Error()
	})
}

// checkPlace checks that a problem's offset is that of its line and column.
func checkPlace(t *testing.T, input string, p Problem) {
	t.Helper()
	if p.Line == 0 {
		return
	}
	_, expression, _ := strings.Cut(input, "\n")
	before := expression[:p.Offset]
	line := strings.Count(before, "\n") + 1
	column := len(before) - strings.LastIndex(before, "\n")
	if line != p.Line || column != p.Column {
		t.Errorf("%v: offset %d is line %d, column %d", p, p.Offset, line, column)
	}
	if p.Unknown != "" && !strings.Contains(expression, p.Unknown) {
		t.Errorf("%v: unknown name `%s` is not in the expression", p, p.Unknown)
	}
}

func TestExpressionsAreWrittenInOneWay(t *testing.T) {
	golden.Cases(t, "testdata/expressions.txt", func(t *testing.T, input string) string {
		c, err := compileText(t, input)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Compile(c.Params(), c.Expression())
		if err != nil || again.Expression() != c.Expression() || again.Fingerprint() != c.Fingerprint() {
			t.Errorf("compiled again: %v, %v", again, err)
		}
		return c.Expression()
	})
}

func TestManyProblemsAreListedUpToALimit(t *testing.T) {
	var terms []string
	for i := range 50 {
		terms = append(terms, fmt.Sprintf("unknown%d", i))
	}
	_, err := Compile([]Param{{"a", scalar("bool")}}, strings.Join(terms, " && "))
	problems, ok := err.(*Error)
	if !ok || len(problems.Problems()) != maxProblems || problems.Omitted != 40 {
		t.Fatalf("got %v", err)
	}
	if !strings.HasSuffix(err.Error(), "and 40 more") {
		t.Errorf("got %v", err)
	}
}
