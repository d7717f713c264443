package store

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

// merge goes through the keys of several runs in order. It is a tournament: each
// inner node of a tree has the cursor that lost there, and the one that won all is
// on the smallest key. Once that goes on, it plays again against those on its way
// only.
//
// What they play with are codes, which mostly tell which of two keys is the smaller
// without a look at either (offset-value coding; G. Graefe, "Implementing sorting in
// database systems", 2006). A code is of a key and of another that is not above it,
// its base. Keys are taken as words of six bytes: a code has how many words the two
// share, inverted, and the word that follows. Of two keys with one base that with the
// smaller code is the smaller one: it follows the base for longer, or has the smaller
// word then; and the other's code to the base is its code to the smaller one too. All
// that the winner meets on its way have lost against it, or against who did, so that
// it is the base of their codes; and that of its own next key, whose shared bytes the
// run says. Only for equal codes are bytes compared, from the next word on.
//
// Words are what makes it hold. With shared bytes, "abx" and "aby" would have codes to
// "a" of one shared byte each, but share two.
type merge struct {
	cursors []cursor
	codes   []uint64 // of the cursors
	losers  []int32  // of the inner nodes, from 1 on; the children of n are 2n and 2n+1
	winner  int
}

const (
	wordBytes = 6
	// codeEnd is the code of a cursor past its last key, above all others.
	codeEnd = ^uint64(0)
	// codeWords is above the words that any key has: it is shorter than 64 KiB.
	codeWords = 1<<16 - 2
)

// codeOf returns the code of a key that shares some bytes with its base.
func codeOf(key []byte, shared int) uint64 {
	words := shared / wordBytes
	return uint64(codeWords-words)<<(8*wordBytes) | window(key[words*wordBytes:])>>(64-8*wordBytes)
}

// sharedOf returns how many bytes there are in the words that a key shares with its
// base.
func sharedOf(code uint64) int { return (codeWords - int(code>>(8*wordBytes))) * wordBytes }

// openMerge stands before the first key.
func openMerge(runs []run) (*merge, error) {
	n := len(runs)
	m := &merge{cursors: make([]cursor, n), codes: make([]uint64, n), losers: make([]int32, n)}
	if n == 0 {
		return m, nil
	}
	for i := range runs {
		m.cursors[i].run = runs[i]
		if err := m.next(i); err != nil {
			return nil, err
		}
	}
	won := make([]int32, 2*n)
	for i := range n {
		won[n+i] = int32(i)
	}
	for node := n - 1; node >= 1; node-- {
		a, b := won[2*node], won[2*node+1]
		if m.less(int(b), int(a)) {
			a, b = b, a
		}
		won[node], m.losers[node] = a, b
	}
	m.winner = int(won[1])
	return m, nil
}

// next has a cursor go on. Its key before is the base of the new one's code.
func (m *merge) next(i int) error {
	c := &m.cursors[i]
	ok, err := c.advance()
	if err != nil {
		return err
	}
	if m.codes[i] = codeEnd; ok {
		m.codes[i] = codeOf(c.key, c.shared)
	}
	return nil
}

// less reports whether the key of a is below that of b. Where the codes are equal, as
// those of equal keys are, it makes the key of the one that loses its other's base.
func (m *merge) less(a, b int) bool {
	codeA, codeB := m.codes[a], m.codes[b]
	if codeA != codeB || codeA == codeEnd {
		return codeA < codeB
	}
	keyA, keyB := m.cursors[a].key, m.cursors[b].key
	at := sharedOf(codeA)
	at += sharedBytes(keyA[at:], keyB[at:])
	if bytes.Compare(keyA[at:], keyB[at:]) < 0 {
		m.codes[b] = codeOf(keyB, at)
		return true
	}
	m.codes[a] = codeOf(keyA, at)
	return false
}

// top is the cursor of the smallest key, nil after the last, and how many bytes that
// shares at least with the smallest key before.
func (m *merge) top() (c *cursor, shared int) {
	if len(m.cursors) == 0 || m.codes[m.winner] == codeEnd {
		return nil, 0
	}
	return &m.cursors[m.winner], sharedOf(m.codes[m.winner])
}

// pass goes on behind the smallest key.
func (m *merge) pass() error {
	w := m.winner
	if err := m.next(w); err != nil {
		return err
	}
	for node := (w + len(m.cursors)) / 2; node >= 1; node /= 2 {
		other := int(m.losers[node])
		if m.less(other, w) {
			m.losers[node] = int32(w)
			w = other
		}
	}
	m.winner = w
	return nil
}

// sharedBytes is how many bytes two keys have in common from their beginning on.
func sharedBytes(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+8 <= n; i += 8 {
		if differ := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); differ != 0 {
			return i + bits.TrailingZeros64(differ)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}
