package schema

import (
	"iter"
	"slices"
	"strings"
)

// Position is a place in a schema's text; lines and columns count from 1,
// columns in bytes. File says which text: 0 is the one that was parsed, others
// are those that [Resolve] added.
type Position struct {
	File, Offset, Line, Column int
}

// Schema is a parsed schema: its statements of each kind, in the order of the
// text.
type Schema struct {
	Uses        []*Use
	Imports     []*Import
	Caveats     []*Caveat
	Partials    []*Partial
	Definitions []*Definition
	// Trailing holds the comments after the last statement.
	Trailing []Comment

	sources []source // empty for a tree that was built rather than parsed
	// overgrown says that partials bring more members than a schema may have;
	// some are left out.
	overgrown bool
}

// source is a text that a schema was parsed from, for the rendering of problems.
type source struct {
	name, text string
	rank       int // imported texts stand before what imports them
}

// Use switches on a feature of the language, whose words are keywords from then on.
type Use struct {
	Pos  Position // of the feature
	Flag string
	Comments
}

// Import takes in the statements of another file: import "path".
type Import struct {
	Pos  Position // of the path
	Path string
	Comments
}

// Caveat is a condition on tuples, in the Common Expression Language.
type Caveat struct {
	Pos    Position
	Name   string
	Params []*Param
	// Expression is the text between the braces, without the indentation that
	// its lines share. It is kept as it is if it has strings of several lines.
	Expression    string
	ExpressionPos Position
	Comments
}

// Param is a parameter of a caveat, which the context gives a value.
type Param struct {
	Pos  Position
	Name string
	Type *ParamType
	Comments
}

// ParamType is the type of a parameter: int, or list<string>.
type ParamType struct {
	Pos  Position
	Name string
	Args []*ParamType
}

// Definition is a type of objects, with its relations and permissions in the
// order of the text.
type Definition struct {
	Pos  Position
	Name string
	Body
	Comments
}

// Partial is a body, or a part of one, that definitions include by its name.
type Partial struct {
	Pos  Position
	Name string
	Body
	Comments
}

// Body is what stands between the braces of a definition or a partial.
type Body struct {
	// Members are all that it has, those that it includes in their place.
	Members []Member
	// Includes are its lines `...partial`.
	Includes []*Include
	// Opening holds the comments behind the opening brace, on its line.
	Opening []Comment
	// Trailing holds the comments after the last member.
	Trailing []Comment
}

// Include takes in the members of a partial: those of the body from At on,
// Count of them.
type Include struct {
	Pos       Position
	Name      string
	At, Count int
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

// TypeRef is one type restriction: user, team#member or user:*, and what tuples
// of that kind must carry.
type TypeRef struct {
	Pos         Position
	Type        string
	Relation    string // "" for the object itself
	RelationPos Position
	Wildcard    bool
	Caveat      string // "" for none
	CaveatPos   Position
	Expiration  bool
	Comments
}

// Permission is computed by an expression.
type Permission struct {
	Pos  Position
	Name string
	// Types are the types of subject that the permission says it has. They
	// count only with `use typechecking`.
	Types []*TypeName
	Expr  Expr
	Comments
}

// TypeName names a type of subject of a permission.
type TypeName struct {
	Pos  Position
	Name string
	Comments
}

// Expr is the expression of a permission: *Ref, *Arrow, *Itself, *Nil or *Binary.
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
	Form      ArrowForm
	Target    string
	TargetPos Position
	Comments
}

// ArrowForm is how an arrow is written.
type ArrowForm uint8

// The forms of arrows. The first two mean the same.
const (
	ArrowPlain ArrowForm = iota // repo->maintainer
	ArrowAny                    // repo.any(maintainer): of one of them
	ArrowAll                    // repo.all(maintainer): of every one, and there is one
)

// All reports whether a subject must be in the target of every object that the
// relation leads to, of which there must be one.
func (e *Arrow) All() bool { return e.Form == ArrowAll }

// Itself is the object as a subject of its own: the language's self.
type Itself struct {
	Pos Position
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
func (b *Body) Member(name string) (Member, bool) {
	for _, m := range b.Members {
		if m.MemberName() == name {
			return m, true
		}
	}
	return nil, false
}

// Caveat returns the caveat of the given name.
func (s *Schema) Caveat(name string) (*Caveat, bool) {
	for _, c := range s.Caveats {
		if c.Name == name {
			return c, true
		}
	}
	return nil, false
}

// uses reports whether the schema switches a feature on.
func (s *Schema) uses(flag string) bool {
	return slices.ContainsFunc(s.Uses, func(u *Use) bool { return u.Flag == flag })
}

// MemberNames returns the names of all relations and permissions, in the order
// of the text.
func (b *Body) MemberNames() []string {
	names := make([]string, 0, len(b.Members))
	for _, m := range b.Members {
		names = append(names, m.MemberName())
	}
	return names
}

// Relations yields the relations, in the order of the text.
func (b *Body) Relations() iter.Seq[*Relation] {
	return func(yield func(*Relation) bool) {
		for _, m := range b.Members {
			if r, ok := m.(*Relation); ok && !yield(r) {
				return
			}
		}
	}
}

// Permissions yields the permissions, in the order of the text.
func (b *Body) Permissions() iter.Seq[*Permission] {
	return func(yield func(*Permission) bool) {
		for _, m := range b.Members {
			if p, ok := m.(*Permission); ok && !yield(p) {
				return
			}
		}
	}
}

// Leaves yields the operands of an expression that are not operations, from
// left to right: each is a *Ref, an *Arrow, an *Itself or a *Nil.
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
// or user:*, and `with` what its tuples carry.
func (t *TypeRef) String() string {
	text := t.Kind()
	switch {
	case t.Caveat != "" && t.Expiration:
		return text + " with " + t.Caveat + " and expiration"
	case t.Caveat != "":
		return text + " with " + t.Caveat
	case t.Expiration:
		return text + " with expiration"
	}
	return text
}

// Kind returns the kind of subject alone: user, team#member or user:*.
func (t *TypeRef) Kind() string {
	switch {
	case t.Wildcard:
		return t.Type + ":*"
	case t.Relation != "":
		return t.Type + "#" + t.Relation
	}
	return t.Type
}

// String returns the type as the language spells it: int, or map<list<string>>.
func (t *ParamType) String() string {
	switch {
	case t == nil: // only in a tree that was not parsed
		return ""
	case len(t.Args) == 0:
		return t.Name
	}
	args := make([]string, len(t.Args))
	for i, a := range t.Args {
		args[i] = a.String()
	}
	return t.Name + "<" + strings.Join(args, ", ") + ">"
}

// String returns the arrow as the language spells it: repo->maintainer.
func (e *Arrow) String() string {
	switch e.Form {
	case ArrowAny:
		return e.Relation + ".any(" + e.Target + ")"
	case ArrowAll:
		return e.Relation + ".all(" + e.Target + ")"
	}
	return e.Relation + "->" + e.Target
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

// ExprPos returns where the word self stands.
func (e *Itself) ExprPos() Position { return e.Pos }

// ExprPos returns where the word nil stands.
func (e *Nil) ExprPos() Position { return e.Pos }

// ExprPos returns where the operator stands.
func (e *Binary) ExprPos() Position { return e.Pos }
