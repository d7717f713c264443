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
	for i, d := range s.Definitions {
		if i > 0 {
			f.line("", "")
		}
		f.definition(d)
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

func (f *formatter) definition(d *Definition) {
	f.lead(d.Comments, "")
	head := "definition " + d.Name + " {"
	if len(d.Members)+len(d.Opening)+len(d.Trailing) == 0 {
		f.line("", head+"}"+behind(d.Behind, ""))
		return
	}
	f.line("", head+behind(d.Opening, indentText))
	for _, m := range d.Members {
		switch m := m.(type) {
		case *Relation:
			f.lead(m.Comments, indentText)
			f.line(indentText, relationText(m))
		case *Permission:
			f.lead(m.Comments, indentText)
			f.line(indentText, permissionText(m))
		}
	}
	f.above(d.Trailing, indentText)
	f.line("", "}"+behind(d.Behind, ""))
}

func relationText(r *Relation) string {
	return layOut("relation "+r.Name+":", r.Behind, func(s *statement) {
		for i, t := range r.Types {
			if i > 0 {
				s.operator("|")
			}
			s.leaf(t.String(), t.Comments)
		}
	})
}

func permissionText(p *Permission) string {
	return layOut("permission "+p.Name+" =", p.Behind, func(s *statement) { s.expression(p.Expr) })
}

// layOut writes a statement on one line if it is not too wide, else broken
// behind its outermost operators. The comments behind it do not count.
func layOut(head string, behind []Comment, write func(*statement)) string {
	var s statement
	for _, flat := range []bool{true, false} {
		s = statement{flat: flat, column: tabColumns}
		s.text(head)
		s.gap()
		write(&s)
		if s.widest <= maxColumns {
			break
		}
	}
	s.end(behind)
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
