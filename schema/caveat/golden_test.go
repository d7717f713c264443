package caveat

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden runs each case of a file, which are as those of package schema:
//
//	=== a name
//	input
//	--->
//	output
func golden(t *testing.T, file string, run func(t *testing.T, input string) string) {
	path := filepath.Join("testdata", file)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rewritten strings.Builder
	for _, section := range strings.Split("\n"+string(data), "\n=== ")[1:] {
		name, body, _ := strings.Cut(section, "\n")
		input, want, _ := strings.Cut("\n"+body+"\n", "\n--->\n")
		input, want = strings.Trim(input, "\n"), strings.Trim(want, "\n")
		got := ""
		t.Run(name, func(t *testing.T) {
			got = strings.TrimRight(run(t, input), "\n")
			if diff := cmp.Diff(want, got); diff != "" && !*update {
				t.Errorf("%s: -want +got (go test -update rewrites it):\n%s", path, diff)
			}
		})
		rewritten.WriteString("=== " + name + "\n" + input + "\n--->\n" + got + "\n\n")
	}
	if *update {
		if err := os.WriteFile(path, []byte(rewritten.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// compileText compiles a caveat whose first line has its parameters: a int, b list<any>.
func compileText(t testing.TB, text string) (*Caveat, error) {
	t.Helper()
	declarations, expression, _ := strings.Cut(text, "\n")
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
	golden(t, "errors.txt", func(t *testing.T, input string) string {
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
	golden(t, "expressions.txt", func(t *testing.T, input string) string {
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
