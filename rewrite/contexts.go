package rewrite

import (
	"hash/maphash"
	"sync/atomic"

	"github.com/tupelodb/tupelo/schema/caveat"
	"github.com/tupelodb/tupelo/store/tuple"
)

// conversions keeps contexts as their caveats take them, since reading JSON costs
// many times what evaluating does: those of tuples, of which there are often few
// (limits, office hours, networks), and those of requests that come again. What
// a text is converted to follows from the program alone, so it is no part of an
// answer (R8).
//
// Each text has one place, which it shares with others: the last one stays. That
// bounds the memory, to about 4 MiB of converted lists and maps at the worst, and
// needs no lock.
type conversions struct {
	seed   maphash.Seed
	places [conversionPlaces]atomic.Pointer[conversion]
}

const (
	conversionPlaces = 1 << 10
	maxKeptBytes     = 256 // of a text; longer ones are converted each time
)

// conversion is a text that was converted.
type conversion struct {
	caveat  tuple.CaveatID
	text    string
	context caveat.Context
}

// convert returns a text as a caveat takes it.
func (k *conversions) convert(c *caveat.Caveat, id tuple.CaveatID, text []byte) (caveat.Context, error) {
	if len(text) == 0 || len(text) > maxKeptBytes {
		return c.Context(text)
	}
	place := &k.places[(maphash.Bytes(k.seed, text)^uint64(id))%conversionPlaces]
	if kept := place.Load(); kept != nil && kept.caveat == id && kept.text == string(text) {
		return kept.context, nil
	}
	converted, err := c.Context(text)
	if err == nil {
		place.Store(&conversion{id, string(text), converted})
	}
	return converted, err
}
