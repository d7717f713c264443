package caveat

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
)

// world is one random caveat and the values that its parameters could have.
type world struct {
	*maker
	t      *testing.T
	seed   uint64
	expr   *expr
	caveat *Caveat
}

func newWorld(t *testing.T, seed uint64) *world {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0))}
	e, params := m.caveat()
	c, err := Compile(params, e.String())
	if err != nil {
		t.Fatalf("seed %d: %s: %v", seed, e, err)
	}
	return &world{m, t, seed, e, c}
}

// eval evaluates with values that are divided between the tuple and the request.
// Where both have one, the request's is another.
func (w *world) eval(values map[string]any) (Result, error) {
	fixed, request := w.values(w.caveat.params), w.values(w.caveat.params)
	for name := range fixed {
		value, known := values[name]
		switch side := w.IntN(3); {
		case !known:
			delete(fixed, name)
			delete(request, name)
		case side == 0:
			delete(fixed, name)
			request[name] = value
		case side == 1:
			delete(request, name)
			fixed[name] = value
		default:
			fixed[name] = value
		}
	}
	return w.caveat.Eval(w.t.Context(), w.convert(fixed), w.convert(request))
}

func (w *world) convert(values map[string]any) Context {
	w.t.Helper()
	x, err := w.caveat.FromMap(values)
	if err != nil {
		w.t.Fatal(err)
	}
	return x
}

// subsets calls f with the values of each subset of the parameters.
func (w *world) subsets(f func(known map[string]any)) {
	all := w.values(w.caveat.params)
	for subset := range 1 << len(w.caveat.params) {
		known := make(map[string]any)
		for i, p := range w.caveat.params {
			if subset>>i&1 == 1 {
				known[p.Name] = all[p.Name]
			}
		}
		f(known)
	}
}

// completed adds values for parameters that are not known yet.
func (w *world) completed(known map[string]any, add func(name string) bool) map[string]any {
	completed := w.values(w.caveat.params)
	for name := range completed {
		if _, ok := known[name]; !ok && !add(name) {
			delete(completed, name)
		}
	}
	maps.Copy(completed, known)
	return completed
}

const worlds = 600

func TestPartialContextsAreDecidedAsTheDefinitionsSay(t *testing.T) {
	outcomes := make(map[string]int)
	for seed := range uint64(worlds) {
		w := newWorld(t, seed)
		w.subsets(func(known map[string]any) {
			want := w.expr.eval(known).String()
			result, err := w.eval(known)
			got := say(result, err)
			if err != nil {
				got = "error"
			}
			if got != want {
				t.Errorf("seed %d: %s with %v: got %s (%v), want %s", seed, w.expr, known, got, err, want)
			}
			outcomes[want[:2]]++
		})
	}
	for _, kind := range []string{"ye", "no", "co", "er"} {
		if outcomes[kind] < worlds {
			t.Errorf("the worlds are dull: %v", outcomes)
		}
	}
}

func TestADecisionHoldsHoweverTheContextIsCompleted(t *testing.T) {
	for seed := range uint64(worlds / 3) {
		w := newWorld(t, seed)
		w.subsets(func(known map[string]any) {
			result, err := w.eval(known)
			if err != nil || result.Verdict == Conditional {
				return
			}
			for range 5 {
				completed := w.completed(known, func(string) bool { return true })
				after, err := w.eval(completed)
				if err == nil && after.Verdict != result.Verdict {
					t.Errorf("seed %d: %s is %v with %v, and %v with %v", seed, w.expr, result.Verdict, known, after.Verdict, completed)
				}
			}
		})
	}
}

func TestAConditionalNamesWhatDecides(t *testing.T) {
	for seed := range uint64(worlds / 3) {
		w := newWorld(t, seed)
		w.subsets(func(known map[string]any) {
			before, err := w.eval(known)
			if err != nil || before.Verdict != Conditional {
				return
			}
			if len(before.Missing) == 0 || !slices.IsSorted(before.Missing) {
				t.Errorf("seed %d: %s with %v misses %v", seed, w.expr, known, before.Missing)
			}
			for _, name := range before.Missing {
				if _, ok := known[name]; ok {
					t.Errorf("seed %d: %s with %v misses %s", seed, w.expr, known, name)
				}
			}
			// Others do not matter as long as these are missing.
			others := w.completed(known, func(name string) bool { return !slices.Contains(before.Missing, name) })
			after, err := w.eval(others)
			if say(after, err) != say(before, nil) {
				t.Errorf("seed %d: %s is %s with %v, and %s with %v", seed, w.expr, say(before, nil), known, say(after, err), others)
			}
			// With all of them, it depends on others only.
			named := w.completed(known, func(name string) bool { return slices.Contains(before.Missing, name) })
			after, _ = w.eval(named)
			for _, name := range after.Missing {
				if slices.Contains(before.Missing, name) {
					t.Errorf("seed %d: %s with %v still misses %s", seed, w.expr, named, name)
				}
			}
		})
	}
}

func TestRandomExpressionsAreWrittenAsTheyMean(t *testing.T) {
	for seed := range uint64(worlds / 3) {
		w := newWorld(t, seed)
		again, err := Compile(w.caveat.Params(), w.caveat.Expression())
		if err != nil || again.Expression() != w.caveat.Expression() {
			t.Fatalf("seed %d: %s becomes %s: %v", seed, w.expr, w.caveat.Expression(), err)
		}
		other := &world{w.maker, t, seed, w.expr, again}
		other.subsets(func(known map[string]any) {
			want := w.expr.eval(known).String()
			got := say(other.eval(known))
			if got != want && !(want == "error" && got[:5] == want) {
				t.Errorf("seed %d: %s became %s, which is %s with %v, want %s", seed, w.expr, again.Expression(), got, known, want)
			}
		})
	}
}
