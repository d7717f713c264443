package schema

import (
	"errors"
	"strings"

	"github.com/tupelodb/tupelo/schema/caveat"
)

// caveat checks a caveat's parameters and its expression, and keeps what it
// compiles to.
func (c *checker) caveat(m *Caveat) {
	if !c.params(m) {
		return
	}
	compiled, err := m.compile()
	if err == nil {
		c.compiled[m.Name] = compiled
		return
	}
	var problems *caveat.Error
	if !errors.As(err, &problems) {
		c.report.name(m.Pos, m.Name, nil, "caveat `%s`: %v", m.Name, err)
		return
	}
	for _, p := range problems.Problems() {
		c.caveatProblem(m, p)
	}
	c.report.omitted += problems.Omitted
}

// params checks the names and types of a caveat's parameters, and reports
// whether the expression can be looked at.
func (c *checker) params(m *Caveat) (ok bool) {
	if len(m.Params) == 0 {
		c.report.name(m.Pos, m.Name, nil, "caveat `%s` has no parameter", m.Name)
		return false
	}
	ok = true
	seen := make(map[string]Position, len(m.Params))
	for _, p := range m.Params {
		if first, again := seen[p.Name]; again {
			c.report.name(p.Pos, p.Name, c.firstAt(first, p.Pos), "caveat `%s` has the parameter `%s` twice", m.Name, p.Name)
			ok = false
			continue
		}
		seen[p.Name] = p.Pos
		c.notKeyword(p.Name, p.Pos)
		ok = c.paramType(p) && ok
	}
	return ok
}

// paramType reports whether a parameter's type is one that there is.
func (c *checker) paramType(p *Param) bool {
	if p.Type == nil { // only in a tree that was not parsed
		c.report.name(p.Pos, p.Name, nil, "parameter `%s` has no type", p.Name)
		return false
	}
	var problem *caveat.TypeError
	if err := p.Type.resolved().Validate(); !errors.As(err, &problem) {
		return true
	}
	pos, hint := p.Type.Pos, func() string { return "" }
	if wrong := p.Type.find(problem.Name); wrong != nil {
		pos = wrong.Pos
	}
	if problem.Kind == caveat.UnknownType {
		hint = func() string {
			if nearest := didYouMean(problem.Name, caveat.TypeNames()); nearest != "" {
				return nearest
			}
			return "the types are " + strings.Join(caveat.TypeNames(), ", ")
		}
	}
	c.report.name(pos, problem.Name, hint, "parameter `%s`: %v", p.Name, problem)
	return false
}

// compile compiles the expression over the parameters.
func (m *Caveat) compile() (*caveat.Caveat, error) {
	return caveat.Compile(m.resolved(), withoutBlocks(m.Expression))
}

// resolved returns the parameters as package caveat takes them.
func (m *Caveat) resolved() []caveat.Param {
	params := make([]caveat.Param, len(m.Params))
	for i, p := range m.Params {
		params[i] = caveat.Param{Name: p.Name, Type: p.Type.resolved()}
	}
	return params
}

// resolved returns the type as package caveat takes it.
func (t *ParamType) resolved() caveat.Type {
	r := caveat.Type{Name: t.Name}
	for _, a := range t.Args {
		r.Args = append(r.Args, a.resolved())
	}
	return r
}

// find returns the part of a type that has a name.
func (t *ParamType) find(name string) *ParamType {
	if t.Name == name {
		return t
	}
	for _, a := range t.Args {
		if found := a.find(name); found != nil {
			return found
		}
	}
	return nil
}

// caveatProblem reports a problem of a caveat at its place in the schema's text.
func (c *checker) caveatProblem(m *Caveat, p caveat.Problem) {
	for _, param := range m.Params {
		if param.Name == p.Parameter {
			about := About{}
			if p.Unused {
				about = About{UnusedParameter, m.Name, "", param.Name}
			}
			c.report.meaning(about, param.Pos, param.Name, nil, "caveat `%s`: %s", m.Name, p.Message)
			return
		}
	}
	if p.Line == 0 {
		c.report.name(m.Pos, m.Name, nil, "caveat `%s`: %s", m.Name, p.Message)
		return
	}
	hint := func() string {
		var names []string
		for _, param := range m.Params {
			names = append(names, param.Name)
		}
		return didYouMean(p.Unknown, names)
	}
	c.report.name(c.placeInExpression(m, p), p.Unknown, hint, "caveat `%s`: %s", m.Name, p.Message)
}

// placeInExpression returns where a line and column of an expression are in the
// text, of which the expression lacks the indentation that its lines share.
func (c *checker) placeInExpression(m *Caveat, p caveat.Problem) Position {
	pos := m.ExpressionPos
	if pos.Line == 0 || pos.File >= len(c.sources) {
		return pos
	}
	text := c.sources[pos.File].text
	expression := m.Expression
	if verbatim(expression) { // it begins behind the brace
		expression = strings.TrimLeft(expression, " \t\r\n")
		before := m.Expression[:len(m.Expression)-len(expression)]
		if skipped := lineEnds(before); p.Line > skipped {
			p.Line -= skipped
		}
		if p.Line == 1 {
			p.Column -= len(before) - strings.LastIndexByte(before, '\n') - 1
		}
	}
	begin := pos.Column - 1 // of the line's first character that is no blank
	for line := range strings.SplitSeq(expression, "\n") {
		full, start := lineAt(text, pos.Offset), pos.Offset-pos.Column+1
		if p.Line--; p.Line <= 0 {
			column := begin - indentation(line) + p.Column
			column = max(1, min(column, len(full)+1))
			return Position{File: pos.File, Offset: start + column - 1, Line: pos.Line, Column: column}
		}
		next := start + len(full)
		next += len(text[next:]) - len(strings.TrimPrefix(strings.TrimPrefix(text[next:], "\r"), "\n"))
		pos = Position{File: pos.File, Offset: next, Line: pos.Line + 1, Column: 1}
		begin = indentation(lineAt(text, next))
	}
	return m.ExpressionPos
}
