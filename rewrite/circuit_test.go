package rewrite

import (
	"errors"
	"testing"
)

func unlimited(int) error { return nil }

func solved(t *testing.T, c *circuit) *model {
	t.Helper()
	m, err := c.solve(unlimited)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *model) word(g gate) string {
	switch {
	case m.isTrue(g):
		return "true"
	case m.isFalse(g):
		return "false"
	default:
		return "undefined"
	}
}

func TestGatesThatOnlySupportOneAnotherAreFalse(t *testing.T) {
	c := newCircuit()
	a, b, both := c.add(), c.add(), c.add()
	c.define(a, anyGate, b)
	c.define(b, anyGate, a)
	c.define(both, allGate, a, gateTrue)
	m := solved(t, c)
	for _, g := range []gate{a, b, both, gateFalse} {
		if got := m.word(g); got != "false" {
			t.Errorf("gate %d is %s; want false", g, got)
		}
	}
	if got := m.word(gateTrue); got != "true" {
		t.Errorf("the true gate is %s", got)
	}
}

func TestOneReasonFromOutsideMakesACycleTrue(t *testing.T) {
	c := newCircuit()
	a, b, twice := c.add(), c.add(), c.add()
	c.define(a, anyGate, b)
	c.define(b, anyGate, a, gateTrue)
	c.define(twice, allGate, a, a)
	m := solved(t, c)
	for _, g := range []gate{a, b, twice} {
		if got := m.word(g); got != "true" {
			t.Errorf("gate %d is %s; want true", g, got)
		}
	}
}

func TestAGateThatNeedsItsOwnNegationIsUndefined(t *testing.T) {
	c := newCircuit()
	paradox, shadow, certain, refused := c.add(), c.add(), c.add(), c.add()
	c.define(paradox, exceptGate, gateTrue, paradox)
	c.define(shadow, exceptGate, gateTrue, paradox)
	c.define(certain, anyGate, paradox, gateTrue)
	c.define(refused, exceptGate, paradox, gateTrue)
	m := solved(t, c)
	for g, want := range map[gate]string{paradox: "undefined", shadow: "undefined", certain: "true", refused: "false"} {
		if got := m.word(g); got != want {
			t.Errorf("gate %d is %s; want %s", g, got, want)
		}
	}
}

func TestAParadoxIsNotBlamedOnAnUnknownGateThatWasDecidedAnyway(t *testing.T) {
	c := newCircuit()
	unknown, paradox, decided, both := c.add(), c.add(), c.add(), c.add()
	c.define(paradox, exceptGate, gateTrue, paradox)
	c.define(decided, anyGate, unknown, gateTrue)
	c.define(both, allGate, paradox, decided)
	m := solved(t, c)
	if got := m.word(both); got != "undefined" {
		t.Fatalf("both is %s; want undefined", got)
	}
	if far := c.unknowns(both, m); len(far) > 0 {
		t.Errorf("the paradox is blamed on gate %d", far)
	}
}

// A chain of exceptions is settled from its end, one gate a round.
func TestAChainOfExceptionsAlternates(t *testing.T) {
	c := newCircuit()
	links := make([]gate, 20)
	for i := range links {
		links[i] = c.add()
	}
	for i, g := range links {
		next := gateFalse
		if i+1 < len(links) {
			next = links[i+1]
		}
		c.define(g, exceptGate, gateTrue, next)
	}
	m := solved(t, c)
	for i, g := range links {
		want := "false"
		if (len(links)-1-i)%2 == 0 {
			want = "true"
		}
		if got := m.word(g); got != want {
			t.Errorf("link %d is %s; want %s", i, got, want)
		}
	}
}

func TestAnUnknownGateMattersOnlyWhereItCanDecide(t *testing.T) {
	c := newCircuit()
	unknown, open, closed, decided, without := c.add(), c.add(), c.add(), c.add(), c.add()
	c.define(open, anyGate, unknown, gateFalse)
	c.define(closed, allGate, unknown, gateFalse)
	c.define(decided, anyGate, unknown, gateTrue)
	c.define(without, exceptGate, gateTrue, open)
	m := solved(t, c)
	for g, want := range map[gate]string{open: "undefined", closed: "false", decided: "true", without: "undefined"} {
		if got := m.word(g); got != want {
			t.Errorf("gate %d is %s; want %s", g, got, want)
		}
	}
	for _, g := range []gate{open, without} {
		if far := c.unknowns(g, m); len(far) != 1 || far[0] != unknown {
			t.Errorf("gate %d is blamed on gates %d; want %d", g, far, unknown)
		}
	}
}

func TestSolvingStopsWhenTheStepsAreSpent(t *testing.T) {
	c := newCircuit()
	last := gateTrue
	for range 100 {
		g := c.add()
		c.define(g, anyGate, last)
		last = g
	}
	spent := errors.New("spent")
	left := 50
	_, err := c.solve(func(n int) error {
		if left -= n; left < 0 {
			return spent
		}
		return nil
	})
	if !errors.Is(err, spent) {
		t.Errorf("got %v; want %v", err, spent)
	}
}
