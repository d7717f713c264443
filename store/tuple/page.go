package tuple

import "bytes"

// Page is a reusable list of object ids, with the traits of the tuples that they
// come from, in one buffer, so that reading a tupleset allocates nothing once
// the buffer has grown.
type Page struct {
	buf  []byte
	ends []int
	// traits has those of the ids up to the last one that has some: most pages
	// have none at all.
	traits []Traits
	// More says that the reader stopped at its limit and there may be more
	// after the last id.
	More bool
}

// Reset empties the page and keeps its memory.
func (p *Page) Reset() {
	p.buf, p.ends, p.traits, p.More = p.buf[:0], p.ends[:0], p.traits[:0], false
}

// Append copies an id and its tuple's traits onto the end of the page.
func (p *Page) Append(id []byte, t Traits) {
	p.buf = append(p.buf, id...)
	p.ends = append(p.ends, len(p.buf))
	if t.None() {
		return
	}
	for len(p.traits) < len(p.ends) {
		p.traits = append(p.traits, Traits{})
	}
	t.Context = bytes.Clone(t.Context)
	p.traits[len(p.ends)-1] = t
}

// Traits returns the traits of the tuple that the i-th id comes from.
func (p *Page) Traits(i int) Traits {
	if i < len(p.traits) {
		return p.traits[i]
	}
	return Traits{}
}

// Len returns the number of ids.
func (p *Page) Len() int { return len(p.ends) }

// ID returns the i-th id; it is valid until the next Reset.
func (p *Page) ID(i int) []byte {
	start := 0
	if i > 0 {
		start = p.ends[i-1]
	}
	return p.buf[start:p.ends[i]:p.ends[i]]
}
