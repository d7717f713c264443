package schema

import "slices"

// maxIncluded bounds what partials bring: beyond it a schema has too many members.
const maxIncluded = 4 * MaxMembers

// include puts the members of partials in the place of the lines that include
// them. What cannot be included, for want of the partial or in a circle, is
// left out, and [Check] says so.
func (s *Schema) include() {
	x := includer{partials: make(map[string]*Partial), state: make(map[*Partial]visit)}
	for _, p := range s.Partials {
		if x.partials[p.Name] == nil {
			x.partials[p.Name] = p
		}
	}
	for _, p := range s.Partials {
		x.partial(p)
	}
	for _, d := range s.Definitions {
		x.body(&d.Body)
	}
	s.overgrown = x.brought > maxIncluded
}

type includer struct {
	partials map[string]*Partial
	state    map[*Partial]visit
	brought  int // members, by all includes
}

// partial fills a partial, those that it includes first.
func (x *includer) partial(p *Partial) {
	if x.state[p] != unvisited {
		return
	}
	x.state[p] = onPath
	x.body(&p.Body)
	x.state[p] = done
}

func (x *includer) body(b *Body) {
	own := b.Members
	b.Members = nil
	taken := 0
	for _, i := range b.Includes {
		b.Members = append(b.Members, own[taken:i.At]...)
		taken = i.At
		i.At = len(b.Members)
		b.Members = append(b.Members, x.members(i.Name)...)
		i.Count = len(b.Members) - i.At
	}
	b.Members = append(b.Members, own[taken:]...)
}

// members returns what the partial of a name brings.
func (x *includer) members(name string) []Member {
	p := x.partials[name]
	if p == nil || x.state[p] == onPath {
		return nil
	}
	x.partial(p)
	if x.brought += len(p.Members); x.brought > maxIncluded {
		return nil
	}
	return p.Members
}

// includedBy returns the include that brings the member of an index; nil if
// the body has it of its own.
func (b *Body) includedBy(member int) *Include {
	i := slices.IndexFunc(b.Includes, func(i *Include) bool { return i.At <= member && member < i.At+i.Count })
	if i < 0 {
		return nil
	}
	return b.Includes[i]
}
