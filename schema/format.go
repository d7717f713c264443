package schema

import "strings"

// The canonical layout: members are indented by a tab, which counts as four
// columns; a statement that is wider than maxColumns is broken behind its
// operators.
const (
	indentText = "\t"
	tabColumns = 4
	maxColumns = 100
)

// Format renders a schema in the canonical layout. It keeps all comments, and
// single blank lines between members; it prints parentheses wherever operators
// mix, so that no one needs to know how they bind.
func Format(s *Schema) string {
	var f formatter
	previous := bodied
	for i, t := range s.statements() {
		if kind := t.kind(); i > 0 && (kind == bodied || kind != previous) {
			f.line("", "")
		}
		previous = t.kind()
		f.statement(t)
	}
	f.above(s.Trailing, "")
	return f.out.String()
}

// formatter writes whole lines.
type formatter struct{ out strings.Builder }

// line writes text, which may be several lines, with its first line indented.
func (f *formatter) line(indent, text string) {
	if text != "" {
		f.out.WriteString(indent)
		f.out.WriteString(text)
	}
	f.out.WriteByte('\n')
}

// above writes comments on lines of their own.
func (f *formatter) above(cs []Comment, indent string) {
	for _, c := range cs {
		if c.Gap {
			f.line("", "")
		}
		f.line(indent, indented(c.Text, indent))
	}
}

// lead writes what stands above a node.
func (f *formatter) lead(c Comments, indent string) {
	f.above(c.Above, indent)
	if c.Gap {
		f.line("", "")
	}
}

func (f *formatter) statement(t topStatement) {
	f.lead(*t.comments, "")
	switch node := t.node.(type) {
	case *Use:
		f.line("", "use "+node.Flag+behind(node.Behind, ""))
	case *Import:
		f.line("", `import "`+node.Path+`"`+behind(node.Behind, ""))
	case *Caveat:
		f.line("", caveatText(node)+behind(node.Behind, ""))
	case *Partial:
		f.body("partial "+node.Name, &node.Body, node.Behind)
	case *Definition:
		f.body("definition "+node.Name, &node.Body, node.Behind)
	}
}

func (f *formatter) body(head string, b *Body, comments []Comment) {
	head += " {"
	if b.empty() && len(b.Opening)+len(b.Trailing) == 0 {
		f.line("", head+"}"+behind(comments, ""))
		return
	}
	f.line("", head+behind(b.Opening, indentText))
	next := 0
	for _, i := range b.Includes {
		f.members(b.Members[next:max(next, min(i.At, len(b.Members)))])
		next = max(next, min(i.At+i.Count, len(b.Members)))
		f.lead(i.Comments, indentText)
		f.line(indentText, "..."+i.Name+behind(i.Behind, indentText))
	}
	f.members(b.Members[next:])
	f.above(b.Trailing, indentText)
	f.line("", "}"+behind(comments, ""))
}

func (f *formatter) members(members []Member) {
	for _, m := range members {
		switch m := m.(type) {
		case *Relation:
			f.lead(m.Comments, indentText)
			f.line(indentText, relationText(m))
		case *Permission:
			f.lead(m.Comments, indentText)
			f.line(indentText, permissionText(m))
		}
	}
}

// caveatText renders a caveat up to its closing brace.
func caveatText(c *Caveat) string {
	head := layOut("caveat "+c.Name+"(", 0, func(s *statement) {
		for i, m := range c.Params {
			if i > 0 {
				s.separator(",")
			} else if !s.flat {
				s.lineBreak()
			}
			s.leaf(m.Name+" "+m.Type.String(), m.Comments)
		}
		s.text(") {")
	})
	if verbatim(c.Expression) {
		return head + c.Expression + "}"
	}
	return head + "\n" + indentText + indented(c.Expression, indentText) + "\n}"
}

func relationText(r *Relation) string {
	return layOut("relation "+r.Name+":", 1, func(s *statement) {
		s.gap()
		for i, t := range r.Types {
			if i > 0 {
				s.operator("|")
			}
			s.leaf(t.String(), t.Comments)
		}
		s.end(r.Behind)
	})
}

func permissionText(p *Permission) string {
	head := "permission " + p.Name
	if len(p.Types) > 0 {
		head += ":"
	}
	return layOut(head, 1, func(s *statement) {
		s.gap()
		for i, t := range p.Types {
			if i > 0 {
				s.connect("|")
			}
			s.leaf(t.Name, t.Comments)
		}
		s.connect("=")
		s.expression(p.Expr)
		s.end(p.Behind)
	})
}

// layOut writes a statement, indented by some levels, on one line if it is not
// too wide, else broken behind its outermost operators. The comments behind it
// do not count.
func layOut(head string, level int, write func(*statement)) string {
	var s statement
	for _, flat := range []bool{true, false} {
		s = statement{flat: flat, level: level, column: level * tabColumns}
		s.text(head)
		write(&s)
		if s.widest <= maxColumns {
			break
		}
	}
	return string(s.out)
}

// behind renders comments that end a line. One that ends the line itself, if
// others follow, sends them to lines of their own.
func behind(cs []Comment, indent string) string {
	text, apart := "", " "
	for _, c := range cs {
		text += apart + indented(c.Text, indent)
		apart = " "
		if !c.block() {
			apart = "\n" + indent
		}
	}
	return text
}

// block reports whether the comment has an end of its own.
func (c Comment) block() bool { return strings.HasPrefix(c.Text, "/*") }

// inlineable reports whether the comment can stand before an operand on its line.
func (c Comment) inlineable() bool { return c.block() && lineEnds(c.Text) == 0 }

// indented indents the lines of text after the first.
func indented(text, indent string) string {
	lines := strings.Split(text, "\n")
	for i := 1; i < len(lines); i++ {
		if lines[i] != "" {
			lines[i] = indent + lines[i]
		}
	}
	return strings.Join(lines, "\n")
}
