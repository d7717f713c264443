package rewrite

import (
	"testing"

	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
)

func TestTheTallestSlotIsMeasuredThroughComputedUsersets(t *testing.T) {
	for text, want := range map[string]int{
		"relation viewer: user":                                                                                2, // slot, this
		"relation viewer: user\npermission view = viewer":                                                      4,
		"relation viewer: user\npermission view = viewer + (viewer & viewer)":                                  6,
		"relation viewer: user\npermission one = viewer\npermission two = one - one\npermission six = two":     9,
		"relation viewer: user\nrelation parent: folder\npermission view = viewer & parent->view":              5,
		"relation parent: folder\npermission view = parent->view + parent->parent + nil\npermission see = nil": 3,
	} {
		w, err := rewritetest.Parse("definition user {}\ndefinition folder {\n" + text + "\n}\n")
		if err != nil {
			t.Fatal(err)
		}
		if got := tallest(w.Program); got != want {
			t.Errorf("%s: got %d; want %d", text, got, want)
		}
	}
}

// The compiler refuses such a program; measuring it must end all the same.
func TestAProgramThatComputesInCirclesIsMeasured(t *testing.T) {
	p := &schema.Program{
		Slots: []schema.Slot{{Root: 0}, {Root: 1}},
		Nodes: []schema.Node{{Op: schema.ComputedUserset, Slot: 1}, {Op: schema.ComputedUserset, Slot: 0}},
	}
	if got := tallest(p); got != len(p.Slots)+len(p.Nodes) {
		t.Errorf("got %d; want %d", got, len(p.Slots)+len(p.Nodes))
	}
}

func TestLimitsThatAreNotSetAreTheDefaults(t *testing.T) {
	w, err := rewritetest.Parse("definition user {}\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Limits{{}, {Depth: -1, SubProblems: -1, Steps: -1}} {
		got := New(w.Program, l).limits
		if want := (Limits{DefaultDepth, DefaultSubProblems, DefaultSteps}); got != want {
			t.Errorf("%+v became %+v; want %+v", l, got, want)
		}
	}
	if got := New(w.Program, Limits{Depth: 3, SubProblems: 4, Steps: 5}).limits; got != (Limits{3, 4, 5}) {
		t.Errorf("limits of 3, 4 and 5 became %+v", got)
	}
}
