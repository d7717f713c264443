package rewrite

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/tupelodb/tupelo/schema/caveat"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Given is what a request brings along for the conditions of tuples.
type Given struct {
	// Context is a JSON object with values for parameters of caveats; what a
	// tuple fixes wins over it. Nil gives none.
	Context []byte
	// NowNanos is the instant of the request in nanoseconds since 1970. A tuple
	// does not count from the instant on at which it expires. 0 is no instant:
	// an answer that depends on a tuple which expires is an error then.
	NowNanos int64
}

func (g *Given) equal(o *Given) bool {
	return g.NowNanos == o.NowNanos && bytes.Equal(g.Context, o.Context)
}

// condition says whether a tuple counts. The zero value says no.
type condition struct {
	verdict Verdict
	missing []string // the fields that a conditional verdict depends on
	// err says why it cannot be known whether the tuple counts; the verdict is
	// conditional then. It is the answer only if that depends on it.
	err error
}

var (
	counts   = condition{verdict: Yes}
	isAbsent = condition{}
)

// value is what the search takes a condition for: to the exact path it leaves
// what is not decided (R4).
func (c *condition) value() value {
	switch c.verdict {
	case Yes:
		return yes
	case No:
		return no
	default:
		return undecided
	}
}

// givenContext is the request's context as one caveat takes it.
type givenContext struct {
	context caveat.Context
	err     error
}

// condition finds whether a tuple with traits counts for the run's request. It
// fails only if the context has ended.
func (r *run) condition(t tuple.Traits) (condition, error) {
	if t.None() {
		return counts, nil
	}
	if t.ExpiresNanos != 0 {
		switch now := r.given.NowNanos; {
		case now == 0:
			return unknowable(errNoInstant), nil
		case t.ExpiresNanos <= now:
			return isAbsent, nil
		}
	}
	if t.Caveat == 0 {
		return counts, nil
	}
	r.cost.Caveats++
	found, err := r.evaluate(t)
	switch {
	case err != nil && r.ctx.Err() != nil:
		return isAbsent, fmt.Errorf("evaluation stopped: %w", r.ctx.Err())
	case err != nil:
		return unknowable(&CaveatError{Caveat: r.engine.program.CaveatName(uint16(t.Caveat)), Err: err}), nil
	case found.Verdict == caveat.Conditional:
		return condition{verdict: Conditional, missing: found.Missing}, nil
	case found.Verdict == caveat.Yes:
		return counts, nil
	default:
		return isAbsent, nil
	}
}

// evaluate asks the caveat of a tuple.
func (r *run) evaluate(t tuple.Traits) (caveat.Result, error) {
	c := r.engine.program.Caveats[uint16(t.Caveat)]
	if c == nil {
		return caveat.Result{}, fmt.Errorf("%w: it has no caveat %d", ErrProgram, t.Caveat)
	}
	request, known := r.contexts[t.Caveat]
	if !known {
		request.context, request.err = r.engine.kept.convert(c, t.Caveat, r.given.Context)
		if r.contexts == nil {
			r.contexts = make(map[tuple.CaveatID]givenContext)
		}
		r.contexts[t.Caveat] = request
	}
	if request.err != nil {
		return caveat.Result{}, fmt.Errorf("the request's context: %w", request.err)
	}
	fixed, err := r.engine.kept.convert(c, t.Caveat, t.Context)
	if err != nil {
		return caveat.Result{}, fmt.Errorf("the tuple's context: %w", err)
	}
	return c.Eval(r.ctx, fixed, request.context)
}

func unknowable(err error) condition { return condition{verdict: Conditional, err: err} }

// depend adds the fields of another condition to a sorted list.
func depend(fields, more []string) []string {
	for _, name := range more {
		if at, found := slices.BinarySearch(fields, name); !found {
			fields = slices.Insert(fields, at, name)
		}
	}
	return fields
}
