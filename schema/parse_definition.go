package schema

import "fmt"

// schema reads the whole text.
func (p *parser) schema() *Schema {
	s := &Schema{source: p.report.source}
	for p.tok.kind != endOfText {
		switch {
		case p.tok.kind == newline, p.at(";"):
			p.advance()
		case p.at("definition"):
			s.Definitions = append(s.Definitions, p.definition())
		case p.atLater():
			p.later()
		default:
			p.fail(p.definitionHint(), "expected `definition`, found %s", p.tok)
			p.skipToDefinition()
		}
	}
	s.Trailing = p.lead().Above
	if len(s.Definitions) == 0 && len(s.Trailing) > 0 {
		s.Trailing[0].Gap = false
	}
	return s
}

func (p *parser) definitionHint() string {
	if hint := didYouMean(p.tok.text, []string{"definition"}); hint != "" {
		return hint
	}
	return "a schema is a list of `definition name { … }`"
}

// skipToDefinition goes past at least one token, to where a definition or its
// like can begin.
func (p *parser) skipToDefinition() {
	for {
		p.advance()
		if p.tok.kind == endOfText || p.at("definition") || p.atLineStart() && p.atLater() {
			return
		}
	}
}

// definition reads `definition name { … }`.
func (p *parser) definition() *Definition {
	d := &Definition{Comments: p.lead()}
	d.clearGap() // definitions always stand apart
	p.advance()
	d.Pos = p.tok.pos
	var ok bool
	d.Name, ok = p.path("a definition")
	if !ok || !p.expect("{", "a definition is `definition name { … }`, with `{` on the first line") {
		p.skipHeader()
		if !p.at("{") {
			return d
		}
		p.advance()
	}
	d.Above = append(d.Above, p.takeLoose()...)
	d.Opening = p.takeBehind()
	if p.members(d) {
		d.Behind, _ = p.behindStatement()
	}
	return d
}

// skipHeader goes on to the brace that opens a body, if one is near.
func (p *parser) skipHeader() {
	for !p.at("{") && !p.at("}") && !p.at("definition") && !p.at("relation") && p.tok.kind != endOfText {
		p.advance()
	}
}

// members reads a definition's body and its closing brace.
func (p *parser) members(d *Definition) bool {
	for {
		switch {
		case p.tok.kind == newline, p.at(";"):
			p.advance()
		case p.at("}"):
			d.Trailing = p.lead().Above
			if len(d.Members) == 0 && len(d.Trailing) > 0 {
				d.Trailing[0].Gap = false
			}
			p.advance()
			return true
		case p.tok.kind == endOfText, p.at("definition"), p.at("caveat"):
			return p.notClosed(d)
		case p.at("relation"):
			p.add(d, p.relation())
		case p.at("permission"):
			p.add(d, p.permission())
		case p.at("..."):
			p.partialReference()
		default:
			p.fail(p.statementHint(), "expected `relation`, `permission` or `}`, found %s", p.tok)
			p.skipStatement()
		}
	}
}

// notClosed reports a body that lacks its closing brace; it returns false.
func (p *parser) notClosed(d *Definition) bool {
	if !p.broken {
		p.report.at(d.Pos, len(d.Name), fmt.Sprintf("the body of `%s` is not closed: `}` is missing before %s in line %d",
			d.Name, p.tok, p.tok.pos.Line), "")
	}
	return false
}

func (p *parser) add(d *Definition, m Member) {
	if len(d.Members) == 0 {
		memberComments(m).clearGap()
	}
	d.Members = append(d.Members, m)
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
		return p.with()
	}
	return true
}

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
