package schema

// comments returns the comments of a leaf or, for a tree that was built by
// hand, of a Binary.
func comments(e Expr) *Comments {
	switch e := e.(type) {
	case *Ref:
		return &e.Comments
	case *Arrow:
		return &e.Comments
	case *Itself:
		return &e.Comments
	case *Nil:
		return &e.Comments
	case *Binary:
		return &e.Comments
	}
	return &Comments{}
}

// firstLeaf returns the leftmost leaf of an expression.
func firstLeaf(e Expr) Expr {
	for {
		b, ok := e.(*Binary)
		if !ok {
			return e
		}
		e = b.Left
	}
}

// lastLeaf returns the rightmost leaf of an expression.
func lastLeaf(e Expr) Expr {
	for {
		b, ok := e.(*Binary)
		if !ok {
			return e
		}
		e = b.Right
	}
}

// clearGap says that no blank line stands before the node and its comments.
func (c *Comments) clearGap() {
	if len(c.Above) > 0 {
		c.Above[0].Gap = false
	} else {
		c.Gap = false
	}
}

// inline clears the gaps of comments that stand inside a statement.
func inline(cs []Comment) []Comment {
	for i := range cs {
		cs[i].Gap = false
	}
	return cs
}

// The parser keeps the comments that it passes over where no node takes them,
// such as between `relation` and its name, and gives them to the next node
// that takes comments: none is lost.

// takeComments returns the comments before the current token.
func (p *parser) takeComments() []Comment {
	cs := p.tok.comments
	p.tok.comments = nil
	return cs
}

// takeLoose returns the comments that were passed over.
func (p *parser) takeLoose() []Comment {
	cs := p.loose
	p.loose = nil
	return inline(cs)
}

// lead returns the comments above the definition or member that begins here.
func (p *parser) lead() Comments {
	return Comments{Above: append(p.takeLoose(), p.takeComments()...), Gap: p.tok.gap}
}

// takeBehind returns those of the comments before the current token that stand
// behind the previous one: on its line, with nothing but comments after them.
func (p *parser) takeBehind() []Comment {
	cs := p.tok.comments
	line, n := p.prev.endLine(), 0
	for n < len(cs) && cs[n].Pos.Line == line {
		line = cs[n].endLine()
		n++
	}
	if n == len(cs) && p.tok.pos.Line == line && p.tok.kind != endOfText && p.tok.kind != newline {
		return nil
	}
	p.tok.comments = cs[n:]
	return cs[:n:n]
}
