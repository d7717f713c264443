package schema

import (
	"slices"
	"strings"
)

// statement is one relation or permission, or a caveat's head, as it is written.
//
// A line of it can be broken only behind an operator or an open parenthesis,
// or the statement would end there. So a comment that ends its line, behind an
// operand, waits until the next operator is written.
type statement struct {
	out     []byte
	column  int
	widest  int       // the widest line, comments at line ends not counted
	level   int       // of indentation
	depth   int       // parentheses that are open
	flat    bool      // operators do not end their lines
	fresh   bool      // at the start of a line
	spaced  bool      // a space is due before what follows on the line
	waiting []Comment // for the end of the line
}

// text writes what counts for the width.
func (s *statement) text(text string) {
	s.write(text)
	s.widest = max(s.widest, s.column)
}

func (s *statement) write(text string) {
	if s.spaced && !s.fresh {
		text = " " + text
	}
	s.fresh, s.spaced = false, false
	s.out = append(s.out, text...)
	for _, r := range text {
		switch r {
		case '\n':
			s.column = 0
		case '\t':
			s.column += tabColumns
		default:
			s.column++
		}
	}
}

// gap separates what follows from what stands before.
func (s *statement) gap() { s.spaced = true }

func (s *statement) lineBreak() {
	s.spaced = false
	s.write("\n" + s.indent())
	s.fresh = true
}

func (s *statement) indent() string { return strings.Repeat(indentText, 1+s.level+s.depth) }

// operator writes an operator, at whose end the line may be broken.
func (s *statement) operator(op string) {
	s.gap()
	s.separator(op)
}

// separator is operator for what stands close to the operand before it.
func (s *statement) separator(op string) {
	s.close(op)
	if !s.flat && !s.fresh {
		s.lineBreak()
	}
}

// connect is operator for a line that is not broken.
func (s *statement) connect(op string) {
	s.gap()
	s.close(op)
}

// close writes an operator and what has waited for it.
func (s *statement) close(op string) {
	s.text(op)
	s.gap()
	for _, c := range s.waiting {
		s.write(c.Text)
		s.lineBreak()
	}
	s.waiting = nil
}

// leaf writes an operand with its comments.
func (s *statement) leaf(text string, c Comments) {
	s.before(c.Above)
	s.text(text)
	for _, comment := range c.Behind {
		if comment.block() {
			s.gap()
			s.text(indented(comment.Text, s.indent()))
		} else {
			s.waiting = append(s.waiting, comment)
		}
	}
}

// before writes comments before an operand: on its line if all can stand
// there, else on lines of their own.
func (s *statement) before(cs []Comment) {
	apart := slices.ContainsFunc(cs, func(c Comment) bool { return !c.inlineable() })
	for i, c := range cs {
		if apart && i == 0 && !s.fresh {
			s.lineBreak()
		}
		s.text(indented(c.Text, s.indent()))
		if apart {
			s.lineBreak()
		} else {
			s.gap()
		}
	}
}

func (s *statement) expression(e Expr) {
	switch e := e.(type) {
	case *Ref:
		s.leaf(e.Name, e.Comments)
	case *Arrow:
		s.leaf(e.String(), e.Comments)
	case *Itself:
		s.leaf("self", e.Comments)
	case *Nil:
		s.leaf("nil", e.Comments)
	case *Binary:
		s.operand(e.Left, leftGrouped(e))
		s.operator(e.Op.String())
		s.operand(e.Right, rightGrouped(e))
	}
}

// leftGrouped reports whether an operation's left side is written in
// parentheses: a chain of one operator, which leans to the left, is not.
func leftGrouped(b *Binary) bool {
	left, ok := b.Left.(*Binary)
	return ok && left.Op != b.Op
}

// rightGrouped reports whether an operation's right side is written in parentheses.
func rightGrouped(b *Binary) bool {
	_, ok := b.Right.(*Binary)
	return ok
}

// nesting returns how deep the parentheses of a written expression nest.
func nesting(e Expr) int {
	b, ok := e.(*Binary)
	if !ok {
		return 0
	}
	left, right := nesting(b.Left), nesting(b.Right)
	if leftGrouped(b) {
		left++
	}
	if rightGrouped(b) {
		right++
	}
	return max(left, right)
}

// operand writes an operand, in parentheses if wanted.
func (s *statement) operand(e Expr, parentheses bool) {
	if !parentheses {
		s.expression(e)
		return
	}
	outer := s.flat
	s.text("(")
	s.depth++
	s.flat = s.flat || s.fits(e)
	s.expression(e)
	s.depth--
	s.flat = outer
	s.text(")")
}

// fits reports whether an expression fits on the current line, with a closing
// parenthesis and an operator behind it.
func (s *statement) fits(e Expr) bool {
	trial := statement{flat: true, level: s.level, depth: s.depth, column: s.column}
	trial.expression(e)
	return trial.widest+len(") +") <= maxColumns
}

// end writes the comments behind the statement.
func (s *statement) end(cs []Comment) {
	s.write(behind(slices.Concat(s.waiting, cs), indentText))
}
