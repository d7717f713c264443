package schema

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
}

// Definition is a type of objects, with its relations and permissions in the
// order of the text.
type Definition struct {
	Pos     Position
	Name    string
	Members []Member
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
	Pos      Position
	Type     string
	Relation string // "" for the object itself
	Wildcard bool
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

// Binary applies an operator to two expressions. Chains lean to the left.
type Binary struct {
	Pos         Position // of the operator
	Op          Op
	Left, Right Expr
	Comments
}

// Comment is one comment of the text, with its markers.
type Comment struct {
	Pos  Position
	Text string // as written: "// ...", "/* ... */" or "/** ... */"
}

// Comments are those that belong to a node: on the lines above it, and behind
// it on its last line.
type Comments struct {
	Above  []Comment
	Behind []Comment
}

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
