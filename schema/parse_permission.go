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

// annotation reads the types of subject that may stand between a permission's
// name and its expression.
func (p *parser) annotation(m *Permission) bool {
	at := p.tok
	p.advance()
	for {
		t := &TypeName{Pos: p.tok.pos, Comments: Comments{Above: inline(p.takeComments())}}
		m.Types = append(m.Types, t)
		var ok bool
		if t.Name, ok = p.path("a type"); !ok {
			return false
		}
		t.Above = append(t.Above, p.takeLoose()...)
		t.Behind = p.takeComments()
		if !p.at("|") {
			break
		}
		p.advance()
		t.Behind = append(t.Behind, p.takeBehind()...)
	}
	if !p.at("=") {
		p.report.at(at.pos, len(at.text), fmt.Sprintf("permission `%s` has types instead of an expression", m.Name),
			"permissions are computed, `permission name = expression`; one that stores tuples is a `relation`")
		return false
	}
	return true
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

// operand reads a name, an arrow, self, nil, or an expression in parentheses.
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
	case p.at("self"):
		n := &Itself{Pos: p.tok.pos, Comments: Comments{Above: inline(p.takeComments())}}
		p.advance()
		return n, p.noArrow("self")
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

// refOrArrow reads `name`, `relation->target` or `relation.all(target)`.
func (p *parser) refOrArrow() (Expr, bool) {
	at, above := p.tok, inline(p.takeComments())
	p.advance()
	if !p.at("->") && !p.at(".") {
		return &Ref{Pos: at.pos, Name: at.text, Comments: Comments{Above: above}}, true
	}
	a := &Arrow{Pos: at.pos, Relation: at.text}
	var ok bool
	if p.at("->") {
		p.advance()
		a.TargetPos = p.tok.pos
		a.Target, ok = p.name("a relation or permission behind `->`")
	} else {
		ok = p.arrowFunction(a)
	}
	a.Above = append(above, p.takeLoose()...)
	return a, ok && p.noArrow("another arrow")
}

// arrowFunction reads the rest of `relation.any(target)` or `relation.all(target)`.
func (p *parser) arrowFunction(a *Arrow) (ok bool) {
	p.advance()
	switch {
	case p.atWord("any"):
		a.Form = ArrowAny
	case p.atWord("all"):
		a.Form = ArrowAll
	case p.tok.kind == word:
		hint := didYouMean(p.tok.text, []string{"any", "all"})
		if hint == "" {
			hint = followHint
		}
		return p.fail(hint, "`.%s` is no arrow function; there are `.any` and `.all`", p.tok.text)
	default:
		return p.fail(followHint, "expected `any` or `all` after `.`, found %s", p.found())
	}
	hint := fmt.Sprintf("write `%s.%s(target)`", a.Relation, p.tok.text)
	p.advance()
	if !p.expect("(", hint) {
		return false
	}
	a.TargetPos = p.tok.pos
	if a.Target, ok = p.name("a relation or permission in the parentheses"); !ok {
		return false
	}
	p.skipLineEnds()
	return p.expect(")", hint)
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
