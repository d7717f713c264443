package rewrite

import (
	"strings"

	"github.com/tupelodb/tupelo/store/tuple"
)

// Text draws the tree for people, one node or subject a line:
//
//	document:plan#view
//	└── union
//	    ├── document:plan#viewer
//	    │   ├── user:alice
//	    │   └── team:core#member
//	    └── parent->view
//	        └── folder:root#view (shown above)
//
// What a relation stores stands directly under it; what a node leaves out is
// said beside or under it.
func (t *Tree) Text(names *tuple.Names) string {
	d := drawing{names: names}
	d.node(t, "", "")
	return d.text.String()
}

type drawing struct {
	names *tuple.Names
	text  strings.Builder
}

// line is something that stands under a node: a subtree, or words.
type line struct {
	tree  *Tree
	words string // of a line without a subtree; else what comes before its label
}

// node draws a node; indent is what its lines below begin with.
func (d *drawing) node(t *Tree, before, indent string) {
	d.text.WriteString(before)
	d.text.WriteString(d.label(t))
	d.text.WriteByte('\n')
	below := d.below(t)
	for i, l := range below {
		branch, deeper := "├── ", "│   "
		if i == len(below)-1 {
			branch, deeper = "└── ", "    "
		}
		d.text.WriteString(indent + branch)
		if l.tree == nil {
			d.text.WriteString(l.words + "\n")
			continue
		}
		d.node(l.tree, l.words, indent+deeper)
	}
}

func (d *drawing) label(t *Tree) string {
	switch t.Kind {
	case UsersetTree:
		label := d.subject(tuple.Subject{Type: t.Object.Type, Relation: t.Relation, ID: t.Object.ID}) +
			d.traits(t.Condition) + cutWords(t.Cut)
		if t.Relation == 0 {
			label += " (has no such relation)"
		}
		return label
	case ThisTree:
		return "this"
	case SelfTree:
		return "self: " + d.subject(tuple.Subject{Type: t.Object.Type, ID: t.Object.ID})
	case EveryArrowTree:
		return d.names.RelationName(t.Object.Type, t.Relation) + ".all(" + d.names.RelationName(t.Target.Type, t.Target.Relation) + ")"
	case ArrowTree:
		return d.names.RelationName(t.Object.Type, t.Relation) + "->" + d.names.RelationName(t.Target.Type, t.Target.Relation)
	case UnionTree:
		return "union"
	case IntersectionTree:
		return "intersection"
	case ExclusionTree:
		return "exclusion"
	default:
		return "nothing"
	}
}

func cutWords(c Cut) string {
	switch c {
	case Folded:
		return " (not opened: too deep)"
	case Repeated:
		return " (shown above)"
	default:
		return ""
	}
}

// below lists what stands under a node.
func (d *drawing) below(t *Tree) []line {
	if t.Kind == UsersetTree && len(t.Children) == 1 {
		switch body := t.Children[0]; {
		case body.Kind == ThisTree:
			return d.below(body)
		case body.Kind == NothingTree && t.Relation == 0:
			return nil
		}
	}
	var lines []line
	for i, s := range t.Subjects {
		words := d.subject(s)
		if i < len(t.Conditions) {
			words += d.traits(t.Conditions[i])
		}
		lines = append(lines, line{words: words})
	}
	for i, child := range t.Children {
		words := ""
		if t.Kind == ExclusionTree && i > 0 {
			words = "except "
		}
		lines = append(lines, line{child, words})
	}
	stores := t.Kind == ThisTree || t.Kind == ArrowTree || t.Kind == EveryArrowTree
	switch {
	case t.Cut == Truncated:
		lines = append(lines, line{words: "... (more: the limit on subjects is reached)"})
	case stores && len(lines) == 0:
		lines = append(lines, line{words: "(none)"})
	}
	return lines
}

func (d *drawing) subject(s tuple.Subject) string {
	text := d.names.TypeName(s.Type) + ":" + string(s.ID)
	if s.Relation >= tuple.FirstRelation {
		text += "#" + d.names.RelationName(s.Type, s.Relation)
	}
	return text
}

// traits spells what a tuple carries, as its text form does.
func (d *drawing) traits(t tuple.Traits) string {
	text := d.names.Named(tuple.Tuple{Traits: t}).String()
	if at := strings.IndexByte(text, '['); at >= 0 {
		return text[at:]
	}
	return ""
}
