package schema

import "iter"

// Position is a place in a schema's text; lines and columns count from 1,
// columns in bytes.
type Position struct {
	Offset, Line, Column int
}

// Schema is a parsed schema: its definitions in the order of the text.
type Schema struct {
	Definitions []*Definition
	// Trailing holds the comments after the last definition.
	Trailing []Comment

	source source // empty for a tree that was built rather than parsed
}

// source is the text a schema was parsed from, for the rendering of problems.
type source struct{ name, text string }

// Definition is a type of objects, with its relations and permissions in the
// order of the text.
type Definition struct {
	Pos     Position
	Name    string
	Members []Member
	// Opening holds the comments behind the opening brace, on its line.
	Opening []Comment
	// Trailing holds the comments after the last member.
	Trailing []Comment
	Comments
}

// Member is a *Relation or a *Permission.
type Member interface {
	MemberName() string
	MemberPos() Position
}

// Relation holds stored tuples; Types says which subjects it takes.
type Relation struct {
	Pos   Position
	Name  string
	Types []*TypeRef
	Comments
}

// TypeRef is one type restriction: user, team#member or user:*.
type TypeRef struct {
	Pos         Position
	Type        string
	Relation    string // "" for the object itself
	RelationPos Position
	Wildcard    bool
	Comments
}

// Permission is computed by an expression.
type Permission struct {
	Pos  Position
	Name string
	Expr Expr
	Comments
}

// Expr is the expression of a permission: *Ref, *Arrow, *Nil or *Binary.
type Expr interface {
	ExprPos() Position
}

// Ref names a relation or permission of the same definition (the paper's
// computed userset).
type Ref struct {
	Pos  Position
	Name string
	Comments
}

// Arrow follows the subjects of a relation to a relation or permission of
// theirs (the paper's tuple to userset): repo->maintainer.
type Arrow struct {
	Pos       Position
	Relation  string
	Target    string
	TargetPos Position
	Comments
}

// Nil is the empty set of subjects.
type Nil struct {
	Pos Position
	Comments
}

// Op is a set operator.
type Op byte

// The set operators, from the tightest binding to the loosest.
const (
	Union        Op = '+'
	Intersection Op = '&'
	Exclusion    Op = '-'
)

// String returns the operator as the language spells it.
func (o Op) String() string { return string(rune(o)) }

// Binary applies an operator to two expressions. Chains lean to the left.
type Binary struct {
	Pos         Position // of the operator
	Op          Op
	Left, Right Expr
	Comments
}

// Comment is one comment of the text.
type Comment struct {
	Pos Position
	// Text is the comment with its markers: "// ...", "/* ... */" or "/** ... */".
	// The indentation that the lines of a block comment share is taken out,
	// as are blanks at the ends of lines.
	Text string
	// Gap says that a blank line stands before the comment.
	Gap bool
}

// Comments are those that belong to a node: on the lines above it (for parts
// of an expression: before it), and behind it on its last line. The parser
// hangs comments on the leaves of expressions, never on a Binary.
type Comments struct {
	Above  []Comment
	Behind []Comment
	// Gap says that a blank line stands before the node, after Above. Only
	// definitions and members carry it; the first of a text or body never does.
	Gap bool
}

// Definition returns the definition of the given name.
func (s *Schema) Definition(name string) (*Definition, bool) {
	for _, d := range s.Definitions {
		if d.Name == name {
			return d, true
		}
	}
	return nil, false
}

// Member returns the relation or permission of the given name.
func (d *Definition) Member(name string) (Member, bool) {
	for _, m := range d.Members {
		if m.MemberName() == name {
			return m, true
		}
	}
	return nil, false
}

// MemberNames returns the names of all relations and permissions, in the order
// of the text.
func (d *Definition) MemberNames() []string {
	names := make([]string, 0, len(d.Members))
	for _, m := range d.Members {
		names = append(names, m.MemberName())
	}
	return names
}

// Relations yields the relations, in the order of the text.
func (d *Definition) Relations() iter.Seq[*Relation] {
	return func(yield func(*Relation) bool) {
		for _, m := range d.Members {
			if r, ok := m.(*Relation); ok && !yield(r) {
				return
			}
		}
	}
}

// Permissions yields the permissions, in the order of the text.
func (d *Definition) Permissions() iter.Seq[*Permission] {
	return func(yield func(*Permission) bool) {
		for _, m := range d.Members {
			if p, ok := m.(*Permission); ok && !yield(p) {
				return
			}
		}
	}
}

// Leaves yields the operands of an expression that are not operations, from
// left to right: each is a *Ref, an *Arrow or a *Nil.
func Leaves(e Expr) iter.Seq[Expr] {
	return func(yield func(Expr) bool) { yieldLeaves(e, yield) }
}

func yieldLeaves(e Expr, yield func(Expr) bool) bool {
	b, ok := e.(*Binary)
	if !ok {
		return yield(e)
	}
	return yieldLeaves(b.Left, yield) && yieldLeaves(b.Right, yield)
}

// String returns the restriction as the language spells it: user, team#member
// or user:*.
func (t *TypeRef) String() string {
	switch {
	case t.Wildcard:
		return t.Type + ":*"
	case t.Relation != "":
		return t.Type + "#" + t.Relation
	}
	return t.Type
}

// String returns the arrow as the language spells it: repo->maintainer.
func (e *Arrow) String() string { return e.Relation + "->" + e.Target }

// MemberName returns the relation's name.
func (r *Relation) MemberName() string { return r.Name }

// MemberPos returns where the relation's name stands.
func (r *Relation) MemberPos() Position { return r.Pos }

// MemberName returns the permission's name.
func (p *Permission) MemberName() string { return p.Name }

// MemberPos returns where the permission's name stands.
func (p *Permission) MemberPos() Position { return p.Pos }

// ExprPos returns where the name stands.
func (e *Ref) ExprPos() Position { return e.Pos }

// ExprPos returns where the left name stands.
func (e *Arrow) ExprPos() Position { return e.Pos }

// ExprPos returns where the word nil stands.
func (e *Nil) ExprPos() Position { return e.Pos }

// ExprPos returns where the operator stands.
func (e *Binary) ExprPos() Position { return e.Pos }
