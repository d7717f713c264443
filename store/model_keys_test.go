package store

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// modelKey is an idempotency key as the model remembers it, with everything.
type modelKey struct {
	key, content string
	unixMillis   int64
	result       Result
}

// once is what the documentation of Write.Key says.
func (m *model) once(key string, c Command) (failed string, want Result) {
	content, unixMillis := modelContent(c)
	for _, k := range m.keys {
		switch {
		case k.key != key:
		case k.content != content:
			return m.refuse("key reused")
		default:
			m.keep(m.live(), m.counters[len(m.counters)-1])
			k.result.Repeated = true
			return "", k.result
		}
	}
	failed, deleted := m.do(c)
	want = m.result(deleted)
	if failed == "" {
		m.keys = append(m.keys, modelKey{key, content, unixMillis, want})
		m.forget(unixMillis, forgottenByKey)
	}
	return failed, want
}

func (m *model) refuse(failed string) (string, Result) {
	m.keep(m.live(), m.counters[len(m.counters)-1])
	return failed, m.result(0)
}

// modelContent spells what a client asked for.
func modelContent(c Command) (content string, unixMillis int64) {
	switch c := c.(type) {
	case Write:
		return fmt.Sprintf("write %v %v %s", c.Updates, c.Preconditions, c.Metadata), c.UnixMillis
	case RegisterCounter:
		return fmt.Sprintf("register %s %+v", c.Name, c.Filter), c.UnixMillis
	case UnregisterCounter:
		return "unregister " + c.Name, c.UnixMillis
	case DeleteByFilter:
		return fmt.Sprintf("delete %v %v %d %v %s", c.Filter, c.Preconditions, c.Limit, c.AllowPartial, c.Metadata), c.UnixMillis
	case WriteSchema:
		return "schema " + c.Text, c.UnixMillis
	}
	panic(fmt.Sprintf("%T takes no key", c))
}

// forget forgets the oldest, one by one, while they are too many or too old.
func (m *model) forget(unixMillis int64, most int) {
	for ; most > 0 && len(m.keys) > 0; most-- {
		if len(m.keys) <= 12 && unixMillis-m.keys[0].unixMillis < 60 {
			return
		}
		m.keys = m.keys[1:]
	}
}

// compareKeys compares what is stored of idempotency keys, in both its forms.
func (h *history) compareKeys(m *model) {
	h.t.Helper()
	want := make(map[string]uint64)
	for _, k := range m.keys {
		want[k.key] = k.result.Revision
	}
	outcomes, ordered := make(map[string]uint64), make(map[string]uint64)
	db := h.store.current.Load().db
	err := scanTag(db, tagOutcome, func(key, value []byte) error {
		o, err := decodeOutcome(value)
		outcomes[string(key[idsOffset:])] = o.revision
		return err
	})
	if err == nil {
		err = scanTag(db, tagKeyOrder, func(key, value []byte) error {
			k, err := decodeKeyed(key, value)
			ordered[string(k.key)] = k.revision
			return err
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	if diff := cmp.Diff(want, outcomes); diff != "" {
		h.t.Errorf("outcomes (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, ordered); diff != "" {
		h.t.Errorf("order of keys (-want +got):\n%s", diff)
	}
	if got := h.store.Metrics().IdempotencyKeys; got != uint64(len(want)) || h.store.Format() != m.format {
		h.t.Errorf("%d keys in format %d, want %d in %d", got, h.store.Format(), len(want), m.format)
	}
}

// clock is the proposer's: about the revision, with jumps both ways now and then.
func (r *randomHistory) clock() int64 {
	now := int64(len(r.model.revisions))
	switch r.rng.IntN(20) {
	case 0:
		return now + 40
	case 1:
		return now - 40
	}
	return now
}

// again sends a command of before as a client does that lost the answer: the
// proposer's parts are new.
func (r *randomHistory) again() Command {
	switch c := r.keyed[max(0, len(r.keyed)-1-r.rng.IntN(10))].(type) {
	case Write:
		c.UnixMillis = r.clock()
		return c
	case DeleteByFilter:
		c.UnixMillis = r.clock()
		return r.lookUp(c, len(r.model.revisions)-1)
	case WriteSchema:
		c.UnixMillis = r.clock()
		return c
	case RegisterCounter:
		c.UnixMillis = r.clock()
		return c
	case UnregisterCounter:
		c.UnixMillis = r.clock()
		return c
	}
	panic("a command without a key")
}

// TestRandomHistoriesMeetTheirKeysAgain holds the histories above to be worth
// something: that keys are repeated, reused and forgotten in them.
func TestRandomHistoriesMeetTheirKeysAgain(t *testing.T) {
	h, r := startRandom(t, 3, smallCache)
	repeated, reused, remembered := 0, 0, 0
	for range 400 {
		c := r.command()
		result := h.apply(c)
		r.model.apply(c)
		if result.Repeated {
			repeated++
		}
		if _, ok := result.Err.(*KeyReusedError); ok {
			reused++
		}
		if len(keyOf(c)) > 0 && result.Err == nil && !result.Repeated {
			remembered++
		}
	}
	if repeated < 10 || reused < 5 || remembered < len(r.model.keys)+20 {
		t.Errorf("%d repeated, %d reused, %d remembered, of which %d are left", repeated, reused, remembered, len(r.model.keys))
	}
}
