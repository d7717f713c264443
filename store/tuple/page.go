package tuple

// Page is a reusable list of object ids in one buffer, so that reading a
// tupleset allocates nothing once the buffer has grown.
type Page struct {
	buf  []byte
	ends []int
	// More says that the reader stopped at its limit and there may be more
	// after the last id.
	More bool
}

// Reset empties the page and keeps its memory.
func (p *Page) Reset() {
	p.buf, p.ends, p.More = p.buf[:0], p.ends[:0], false
}

// Append copies id onto the end of the page.
func (p *Page) Append(id []byte) {
	p.buf = append(p.buf, id...)
	p.ends = append(p.ends, len(p.buf))
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
