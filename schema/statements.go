package schema

import (
	"cmp"
	"slices"
)

// topStatement is a statement outside of bodies.
type topStatement struct {
	node     any // *Use, *Import, *Caveat, *Partial or *Definition
	pos      Position
	comments *Comments
}

func (t topStatement) kind() topKind {
	switch t.node.(type) {
	case *Use:
		return useLine
	case *Import:
		return importLine
	}
	return bodied
}

// statements returns the statements of a schema in the order in which they are
// written: that of the text, or kind by kind if the tree was built.
func (s *Schema) statements() []topStatement {
	var all []topStatement
	for _, u := range s.Uses {
		all = append(all, topStatement{u, u.Pos, &u.Comments})
	}
	for _, i := range s.Imports {
		all = append(all, topStatement{i, i.Pos, &i.Comments})
	}
	for _, c := range s.Caveats {
		all = append(all, topStatement{c, c.Pos, &c.Comments})
	}
	for _, p := range s.Partials {
		all = append(all, topStatement{p, p.Pos, &p.Comments})
	}
	for _, d := range s.Definitions {
		all = append(all, topStatement{d, d.Pos, &d.Comments})
	}
	slices.SortStableFunc(all, func(a, b topStatement) int {
		aFile, aOffset := s.place(a)
		bFile, bOffset := s.place(b)
		return cmp.Or(cmp.Compare(aFile, bFile), cmp.Compare(aOffset, bOffset))
	})
	return all
}

// place returns where a statement stands among those of all texts: what was
// imported before what imports it, and `use` lines of several texts before
// everything, as they come.
func (s *Schema) place(t topStatement) (file, offset int) {
	switch {
	case len(s.sources) < 2:
		return 0, t.pos.Offset
	case t.kind() == useLine:
		return -1, 0
	}
	return s.sources[t.pos.File].rank, t.pos.Offset
}
