package schema

import "fmt"

// topKind is a kind of statement outside of bodies.
type topKind uint8

// The kinds that stand on lines of their own, close to their like, and all others.
const (
	bodied topKind = iota
	useLine
	importLine
)

// schema reads the whole text.
func (p *parser) schema() *Schema {
	s := &Schema{}
	for p.tok.kind != endOfText {
		kind := bodied
		switch {
		case p.tok.kind == newline, p.at(";"):
			p.advance()
			continue
		case p.atWord("use"):
			p.use(s)
			kind = useLine
		case p.at("import"):
			p.importLine(s)
			kind = importLine
		case p.at("definition"):
			s.Definitions = append(s.Definitions, p.definition())
		case p.at("partial"):
			s.Partials = append(s.Partials, p.partial())
		case p.at("caveat"):
			s.Caveats = append(s.Caveats, p.caveat())
		default:
			p.fail(p.definitionHint(), "expected `definition`, found %s", p.tok)
			p.skipToStatement()
		}
		p.last = kind
	}
	s.Trailing = p.lead().Above
	if len(s.statements()) == 0 && len(s.Trailing) > 0 {
		s.Trailing[0].Gap = false
	}
	return s
}

func (p *parser) definitionHint() string {
	if p.atWord("import") || p.atWord("partial") {
		return fmt.Sprintf("write `use %s` at the top of the file", p.tok.text)
	}
	if hint := didYouMean(p.tok.text, []string{"definition", "caveat"}); hint != "" {
		return hint
	}
	return "a schema is a list of `definition name { … }`"
}

// skipToStatement goes past at least one token, to where a definition or its
// like can begin.
func (p *parser) skipToStatement() {
	for {
		p.advance()
		if p.tok.kind == endOfText || p.atBody() || p.atLineStart() && (p.at("import") || p.atWord("use")) {
			return
		}
	}
}

// atBody reports whether a statement with a body begins here.
func (p *parser) atBody() bool { return p.at("definition") || p.at("caveat") || p.at("partial") }

// definition reads `definition name { … }`.
func (p *parser) definition() *Definition {
	d := &Definition{Comments: p.lead()}
	d.clearGap() // definitions always stand apart
	d.Name, d.Pos = p.bodyOf("definition", &d.Body, &d.Comments)
	return d
}

// partial reads `partial name { … }`.
func (p *parser) partial() *Partial {
	t := &Partial{Comments: p.lead()}
	t.clearGap()
	t.Name, t.Pos = p.bodyOf("partial", &t.Body, &t.Comments)
	return t
}

// bodyOf reads the rest of a statement that has a body, from its first word on.
func (p *parser) bodyOf(what string, b *Body, c *Comments) (name string, pos Position) {
	p.advance()
	pos = p.tok.pos
	name, ok := p.path("a " + what)
	if !ok || !p.expect("{", fmt.Sprintf("a %s is `%s name { … }`, with `{` on the first line", what, what)) {
		p.skipHeader()
		if !p.at("{") {
			return name, pos
		}
		p.advance()
	}
	c.Above = append(c.Above, p.takeLoose()...)
	b.Opening = p.takeBehind()
	if p.members(b) {
		c.Behind, _ = p.behindStatement()
	} else {
		p.notClosed(name, pos)
	}
	return name, pos
}

// skipHeader goes on to the brace that opens a body, if one is near.
func (p *parser) skipHeader() {
	for !p.at("{") && !p.at("}") && !p.at("definition") && !p.at("relation") && p.tok.kind != endOfText {
		p.advance()
	}
}

// members reads a body and its closing brace; it returns false if that is missing.
func (p *parser) members(b *Body) bool {
	for {
		switch {
		case p.tok.kind == newline, p.at(";"):
			p.advance()
		case p.at("}"):
			b.Trailing = p.lead().Above
			if b.empty() && len(b.Trailing) > 0 {
				b.Trailing[0].Gap = false
			}
			p.advance()
			return true
		case p.tok.kind == endOfText, p.atBody():
			return false
		case p.at("relation"):
			p.add(b, p.relation())
		case p.at("permission"):
			p.add(b, p.permission())
		case p.at("..."):
			p.partialReference(b)
		default:
			p.fail(p.statementHint(), "expected `relation`, `permission` or `}`, found %s", p.tok)
			p.skipStatement()
		}
	}
}

// notClosed reports a body that lacks its closing brace.
func (p *parser) notClosed(name string, pos Position) {
	if !p.broken {
		p.report.at(pos, len(name), fmt.Sprintf("the body of `%s` is not closed: `}` is missing before %s in line %d",
			name, p.tok, p.tok.pos.Line), "")
	}
}

func (p *parser) add(b *Body, m Member) {
	if b.empty() {
		memberComments(m).clearGap()
	}
	b.Members = append(b.Members, m)
}

// empty reports whether nothing stands in the body but comments.
func (b *Body) empty() bool { return len(b.Members)+len(b.Includes) == 0 }

// partialReference reads `...partial`.
func (p *parser) partialReference(b *Body) {
	i := &Include{At: len(b.Members), Comments: p.lead()}
	if b.empty() {
		i.clearGap()
	}
	p.advance()
	i.Pos = p.tok.pos
	var ok bool
	if i.Name, ok = p.path("a partial"); !ok {
		p.skipStatement()
		return
	}
	i.Above = append(i.Above, p.takeLoose()...)
	i.Behind = p.endStatement("")
	b.Includes = append(b.Includes, i)
}

func memberComments(m Member) *Comments {
	switch m := m.(type) {
	case *Relation:
		return &m.Comments
	case *Permission:
		return &m.Comments
	}
	return &Comments{}
}

// statementHint helps with what cannot begin a statement.
func (p *parser) statementHint() string {
	switch p.tok.text {
	case "+", "&", "-", "->", "|":
		return fmt.Sprintf("a line that goes on ends with its operator: put `%s` at the end of the line before", p.tok.text)
	}
	if hint := didYouMean(p.tok.text, []string{"relation", "permission"}); hint != "" {
		return hint
	}
	return "a definition holds `relation name: type` and `permission name = expression`"
}

// relation reads `relation name: type | …`.
func (p *parser) relation() *Relation {
	r := &Relation{Comments: p.lead()}
	p.advance()
	r.Pos = p.tok.pos
	var ok bool
	if r.Name, ok = p.name("a relation"); !ok || !p.colon(r) {
		p.skipStatement()
		return r
	}
	r.Above = append(r.Above, p.takeLoose()...)
	if ok = p.types(r); !ok {
		p.skipStatement()
		return r
	}
	r.Behind = p.endStatement(p.typesHint())
	return r
}

// colon reads what stands between a relation's name and its types.
func (p *parser) colon(r *Relation) bool {
	if p.at("=") {
		return p.fail("relations store tuples, `relation name: type`; a computed one is a `permission`",
			"relation `%s` has an expression instead of types", r.Name)
	}
	return p.expect(":", "a relation is `relation name: type | type#relation | type:*`")
}

// types reads the type restrictions of a relation.
func (p *parser) types(r *Relation) bool {
	if p.tok.kind != word && (p.cutOff() || p.at(";") || p.at("}")) {
		return p.fail(fmt.Sprintf("name at least one type: `relation %s: user`", r.Name),
			"relation `%s` has no type restriction", r.Name)
	}
	for {
		t := &TypeRef{Pos: p.tok.pos, Comments: Comments{Above: inline(p.takeComments())}}
		r.Types = append(r.Types, t)
		if !p.typeRef(t) {
			return false
		}
		t.Above = append(t.Above, p.takeLoose()...)
		if !p.at("|") {
			return true
		}
		t.Behind = p.takeComments()
		p.advance()
		t.Behind = append(t.Behind, p.takeBehind()...)
	}
}

// typeRef reads one type restriction.
func (p *parser) typeRef(t *TypeRef) (ok bool) {
	if t.Type, ok = p.path("a type"); !ok {
		return false
	}
	switch {
	case p.at(":"):
		if ok = p.wildcard(t); !ok {
			return false
		}
	case p.at("#"):
		p.advance()
		t.RelationPos = p.tok.pos
		if p.at("...") { // SpiceDB's spelling of the object itself
			p.advance()
			break
		}
		if t.Relation, ok = p.name("a relation or permission of `" + t.Type + "`"); !ok {
			return false
		}
	}
	if p.at("with") {
		return p.with(t)
	}
	return true
}

// with reads `with caveat`, `with expiration` or both, behind a type.
func (p *parser) with(t *TypeRef) (ok bool) {
	p.advance()
	if !p.at("expiration") {
		t.CaveatPos = p.tok.pos
		if t.Caveat, ok = p.path("a caveat"); !ok {
			return false
		}
		if p.atWord("and") {
			return p.fail(withoutExpiration, "unexpected `and`")
		}
		if !p.at("and") {
			return true
		}
		p.advance()
		if !p.at("expiration") {
			return p.fail("a tuple has one caveat; write one caveat that means both", "expected `expiration` after `and`, found %s", p.found())
		}
	}
	p.advance()
	t.Expiration = true
	if p.at("and") {
		return p.fail("write `with caveat and expiration`", "the caveat must come before `expiration`")
	}
	return true
}

const withoutExpiration = "write `use expiration` at the top of the file for tuples that expire"

// wildcard reads the rest of `type:*`.
func (p *parser) wildcard(t *TypeRef) bool {
	p.advance()
	if !p.at("*") {
		return p.fail(fmt.Sprintf("a relation takes `%s`, `%s:*` or `%s#relation`", t.Type, t.Type, t.Type),
			"expected `*`, found %s", p.found())
	}
	p.advance()
	t.Wildcard = true
	if p.at("#") {
		return p.fail("", "the wildcard `%s:*` stands for objects and cannot have a relation", t.Type)
	}
	return true
}

// typesHint helps with what follows a list of types.
func (p *parser) typesHint() string {
	switch p.tok.text {
	case "+", ",", "&", "||", "-":
		return "separate types with `|`"
	case "=", "->":
		return "only a permission has an expression"
	}
	return ""
}
