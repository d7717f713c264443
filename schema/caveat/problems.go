package caveat

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common"
	"cel.dev/cel-go/common/operators"
)

// maxProblems is how many problems of a caveat are listed.
const maxProblems = 10

// problems collects what is wrong with one caveat.
type problems struct {
	expression string
	list       []Problem
}

func newProblems(expression string) *problems { return &problems{expression: expression} }

func (p *problems) found() bool { return len(p.list) > 0 }

// whole reports a problem without a place in the expression.
func (p *problems) whole(format string, args ...any) {
	p.list = append(p.list, Problem{Message: fmt.Sprintf(format, args...)})
}

// parameter reports a problem with a parameter.
func (p *problems) parameter(name, message string) {
	p.list = append(p.list, Problem{Parameter: name, Message: fmt.Sprintf("parameter `%s` %s", shortened(name), message)})
}

// unused reports a parameter that the expression does not mention.
func (p *problems) unused(name string) {
	p.parameter(name, "is not used in the expression")
	p.list[len(p.list)-1].Unused = true
}

// at reports a problem at a place of CEL's.
func (p *problems) at(location common.Location, message string) {
	problem := place(p.expression, location)
	problem.Message, problem.Unknown = readable(message)
	p.list = append(p.list, problem)
}

// issues reports what CEL found. Of errors of syntax, only the first: the others
// are about what its parser made of the rest.
func (p *problems) issues(issues *cel.Issues) {
	for _, issue := range issues.Errors() {
		p.at(issue.Location, issue.Message)
		if strings.HasPrefix(issue.Message, syntaxError) {
			return
		}
	}
}

// syntaxError begins CEL's messages about syntax.
const syntaxError = "Syntax error: "

// err returns an *Error if anything was reported.
func (p *problems) err() error {
	if !p.found() {
		return nil
	}
	slices.SortStableFunc(p.list, func(a, b Problem) int { return cmp.Compare(a.Offset, b.Offset) })
	// What else is said about one place follows from the first.
	p.list = slices.CompactFunc(p.list, func(a, b Problem) bool {
		return a.Line > 0 && a.Line == b.Line && a.Column == b.Column
	})
	shown := p.list[:min(len(p.list), maxProblems)]
	return &Error{Problem: shown[0], More: shown[1:], Omitted: len(p.list) - len(shown)}
}

// place returns a problem at CEL's location, whose columns are characters from 0.
func place(expression string, at common.Location) Problem {
	if at.Line() < 1 || at.Column() < 0 {
		return Problem{}
	}
	offset := 0
	for range at.Line() - 1 {
		end := strings.IndexByte(expression[offset:], '\n')
		if end < 0 {
			return Problem{}
		}
		offset += end + 1
	}
	start := offset
	for range at.Column() {
		_, size := utf8.DecodeRuneInString(expression[offset:])
		offset += size
	}
	return Problem{Line: at.Line(), Column: offset - start + 1, Offset: offset}
}

// rewording says in the words of this package what CEL says in its own.
type rewording struct {
	pattern *regexp.Regexp
	message string
}

var rewordings = []rewording{
	{regexp.MustCompile(`^undeclared reference to '(.*?)'.*$`), "unknown name `$1`"},
	{regexp.MustCompile(`^found no matching overload for '(.*)' applied to '(.*)'$`), "`$1` does not take $2"},
	{regexp.MustCompile(`^expected type '(.*)' but found '(.*)'$`), "expected a $1, found a $2"},
	{regexp.MustCompile(`^undefined field '(.*)'$`), "unknown field `$1`"},
	{regexp.MustCompile(`^type '(.*)' does not support field selection$`), "a $1 has no fields"},
	{regexp.MustCompile(`^invalid (.*) argument$`), "`$1` cannot take this text"},
	{regexp.MustCompile(`(?s)^Syntax error: (?:mismatched input|extraneous input|no viable alternative at input|missing .* at|unexpected token:?) '?<EOF>.*`), "the expression ends too early"},
	{regexp.MustCompile(`(?s)^Syntax error: (?:mismatched|extraneous) input '(.*?)' expecting.*`), "unexpected `$1`"},
	{regexp.MustCompile(`(?s)^Syntax error: no viable alternative at input '(.*)'$`), "unexpected `$1`"},
	{regexp.MustCompile(`(?s)^Syntax error: token recognition error at: '(.*)'$`), "unexpected `$1`"},
	{regexp.MustCompile(`(?s)^Syntax error: (.*)$`), "$1"},
}

// operatorName finds CEL's names of operators, as in `_+_`.
var operatorName = regexp.MustCompile("`[@!_\\[\\]?:+*/%<>=&|a-z-]+`")

// readable returns a message of CEL's in other words, and the name that it says
// is not known, if that is it.
func readable(message string) (reworded, unknown string) {
	for i, r := range rewordings {
		match := r.pattern.FindStringSubmatch(message)
		if match == nil {
			continue
		}
		if i == 0 {
			unknown = match[1]
		}
		message = r.pattern.ReplaceAllString(message, r.message)
		break
	}
	message = operatorName.ReplaceAllStringFunc(message, func(quoted string) string {
		return "`" + operatorText(strings.Trim(quoted, "`")) + "`"
	})
	return readableTypes(message), unknown
}

// operatorText returns what stands for one of CEL's operators in an expression.
func operatorText(name string) string {
	switch name {
	case operators.Conditional:
		return "?:"
	case operators.Index:
		return "[]"
	}
	if text, ok := operators.FindReverse(name); ok && text != "" {
		return text
	}
	return name
}

// typeRewordings write the types in a message as schemas do.
var typeRewordings = []rewording{
	{regexp.MustCompile(`IPAddress`), "ipaddress"},
	{regexp.MustCompile(`\bdyn\b`), "any"},
	{regexp.MustCompile(`\blist\(([^()]*)\)`), "list<$1>"},
	{regexp.MustCompile(`\bmap\(string, ([^()]*)\)`), "map<$1>"},
	{regexp.MustCompile(`\ba (any|int|ipaddress)\b`), "an $1"},
}

func readableTypes(message string) string {
	for range maxTypeDepth { // from the inside out
		before := message
		for _, r := range typeRewordings {
			message = r.pattern.ReplaceAllString(message, r.message)
		}
		if message == before {
			break
		}
	}
	return message
}

// maxShownBytes is how much of a value messages show.
const maxShownBytes = 60

// shortened returns as much of a text as a message may show.
func shortened(text string) string {
	if len(text) <= maxShownBytes {
		return strings.ToValidUTF8(text, "\uFFFD")
	}
	return strings.ToValidUTF8(text[:maxShownBytes], "") + "…"
}
