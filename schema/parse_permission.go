package schema

import "fmt"

// permission reads `permission name = expression`.
func (p *parser) permission() *Permission {
	m := &Permission{Comments: p.lead()}
	p.advance()
	m.Pos = p.tok.pos
	var ok bool
	if m.Name, ok = p.name("a permission"); !ok || !p.equals(m) {
		p.skipStatement()
		return m
	}
	m.Above = append(m.Above, p.takeLoose()...)
	p.nesting, p.operands = 0, 0
	if m.Expr, ok = p.expression(0); !ok {
		p.skipStatement()
		return m
	}
	if nesting(m.Expr) > MaxNesting { // as Format writes it: what it writes must load
		p.report.at(m.Pos, len(m.Name), tooNested(), simplify)
	}
	last := comments(lastLeaf(m.Expr))
	m.Behind, last.Behind = last.Behind, nil
	m.Behind = append(m.Behind, p.endStatement(p.expressionHint())...)
	return m
}

// equals reads what stands between a permission's name and its expression.
func (p *parser) equals(m *Permission) bool {
	if p.at(":") && !p.annotation(m) {
		return false
	}
	return p.expect("=", "a permission is `permission name = expression`")
}

const simplify = "give a part of the expression a permission of its own"

func tooNested() string {
	return fmt.Sprintf("parentheses nest deeper than %d levels, with those that the formatter writes", MaxNesting)
}

// precedence lists the operators from the loosest binding to the tightest.
var precedence = [...]Op{Exclusion, Intersection, Union}

// expression reads operands joined by the operators from a level of precedence on.
func (p *parser) expression(level int) (Expr, bool) {
	if level == len(precedence) {
		return p.operand()
	}
	op := precedence[level]
	left, ok := p.expression(level + 1)
	for ok && p.at(op.String()) {
		b := &Binary{Pos: p.tok.pos, Op: op, Left: left}
		leaf := comments(lastLeaf(left))
		leaf.Behind = append(leaf.Behind, p.takeComments()...)
		p.advance()
		leaf.Behind = append(leaf.Behind, p.takeBehind()...)
		b.Right, ok = p.expression(level + 1)
		left = b
	}
	return left, ok
}

// operand reads a name, an arrow, nil, or an expression in parentheses.
func (p *parser) operand() (Expr, bool) {
	if p.operands++; p.operands > MaxOperands {
		return nil, p.fail(simplify, "the expression has more than %d operands", MaxOperands)
	}
	switch {
	case p.at("("):
		return p.group()
	case p.at("nil"):
		n := &Nil{Pos: p.tok.pos, Comments: Comments{Above: inline(p.takeComments())}}
		p.advance()
		return n, p.noArrow("nil")
	case p.tok.kind == word:
		return p.refOrArrow()
	}
	return nil, p.fail(p.operandHint(), "expected a relation, a permission, `nil` or `(`, found %s", p.found())
}

// group reads an expression in parentheses.
func (p *parser) group() (Expr, bool) {
	if p.nesting++; p.nesting > MaxNesting {
		return nil, p.fail(simplify, "%s", tooNested())
	}
	above := inline(p.takeComments())
	p.advance()
	e, ok := p.expression(0)
	if !ok {
		return nil, false
	}
	first, last := comments(firstLeaf(e)), comments(lastLeaf(e))
	first.Above = append(above, first.Above...)
	last.Behind = append(last.Behind, p.takeComments()...)
	if !p.expect(")", p.groupHint()) {
		return nil, false
	}
	p.nesting--
	return e, p.noArrow("an expression in parentheses")
}

// refOrArrow reads `name` or `relation->target`.
func (p *parser) refOrArrow() (Expr, bool) {
	at, above := p.tok, inline(p.takeComments())
	p.advance()
	switch {
	case p.at("->"):
		p.advance()
		a := &Arrow{Pos: at.pos, Relation: at.text, TargetPos: p.tok.pos}
		var ok bool
		if a.Target, ok = p.name("a relation or permission behind `->`"); !ok {
			return nil, false
		}
		a.Above = append(above, p.takeLoose()...)
		return a, p.noArrow("another arrow")
	case p.at("."):
		return nil, p.arrowFunction(at.text)
	}
	return &Ref{Pos: at.pos, Name: at.text, Comments: Comments{Above: above}}, true
}

// noArrow fails at an arrow whose left side is not a name.
func (p *parser) noArrow(left string) bool {
	if !p.at("->") {
		return true
	}
	return p.fail("give the left side's targets a permission of their own, and point the arrow there",
		"the left side of `->` must be the name of a relation, not %s", left)
}

// groupHint helps where a closing parenthesis is missing.
func (p *parser) groupHint() string {
	if p.tok.kind == newline {
		return "a line that goes on ends with an operator or `(`"
	}
	return p.expressionHint()
}

const followHint = "write `relation->target` to follow a relation"

// operandHint helps where an operand is missing.
func (p *parser) operandHint() string {
	switch {
	case p.at("!"):
		return excludeHint
	case p.at("&") && p.prev.is("&"):
		return "write `&` for an intersection"
	}
	return ""
}

const excludeHint = "write `-` for an exclusion: `all - these`"

// expressionHint helps with what follows an operand.
func (p *parser) expressionHint() string {
	switch p.tok.text {
	case "|", ",", "or":
		return fmt.Sprintf("write `+` instead of `%s` for a union", p.tok.text)
	case "and":
		return "write `&` for an intersection"
	case "#":
		return followHint
	}
	if p.prev.text == "not" || p.at("!") {
		return excludeHint
	}
	return ""
}
