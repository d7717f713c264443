package schema

import (
	"strings"
	"testing"
)

func TestSuggestFindsTheNearestCandidate(t *testing.T) {
	candidates := []string{"owner", "maintainer", "reader", "writer", "to"}
	cases := []struct{ name, want string }{
		{"maintaner", "maintainer"},   // a letter lost
		{"mainttainer", "maintainer"}, // a letter too many
		{"maintaimer", "maintainer"},  // a wrong letter
		{"maintianer", "maintainer"},  // two swapped
		{"reeder", "reader"},
		{"riter", "writer"},
		{"ot", "to"},          // a swap is one change
		{"owner", ""},         // itself is no suggestion
		{"xyz", ""},           // nothing is near
		{"administrator", ""}, // nothing is near
		{"", ""},              // nothing to go by
		{"readerwriter", ""},  // more than a third would change
		{"Owner", "owner"},    // case counts as a change
		{"ownér", "owner"},    // bytes count, two here
		{"maintained", "maintainer"},
	}
	for _, c := range cases {
		got, ok := Suggest(c.name, candidates)
		if got != c.want || ok != (c.want != "") {
			t.Errorf("Suggest(%q) = %q, %t; want %q", c.name, got, ok, c.want)
		}
	}
}

func TestOfEquallyNearCandidatesTheFirstIsSuggested(t *testing.T) {
	if got, _ := Suggest("reade", []string{"readx", "reader", "ready"}); got != "readx" {
		t.Errorf("got %q", got)
	}
	if got, _ := Suggest("reade", []string{"ready", "reader", "readx"}); got != "ready" {
		t.Errorf("got %q", got)
	}
}

func TestSuggestIgnoresNamesThatAreTooLong(t *testing.T) {
	long := strings.Repeat("a", maxSuggestBytes+1)
	if got, ok := Suggest(long, []string{long + "b"}); ok {
		t.Errorf("suggested %q", got)
	}
	if got, ok := Suggest(long[1:], []string{long}); ok {
		t.Errorf("suggested %q", got)
	}
	if got, ok := Suggest(long[2:], []string{long[1:]}); !ok {
		t.Errorf("suggested %q for a name that is just not too long", got)
	}
}

func TestEditDistanceIsThatOfTheDefinition(t *testing.T) {
	words := []string{"", "a", "b", "ab", "ba", "abc", "acb", "bca", "abcd", "badc", "reader", "raeder", "redaer"}
	for _, a := range words {
		for _, b := range words {
			for limit := range 8 {
				if got, want := editDistance(a, b, limit), min(limit, slowDistance(a, b)); got != want {
					t.Errorf("distance of %q and %q up to %d is %d, want %d", a, b, limit, got, want)
				}
			}
		}
	}
}

// slowDistance is the recursive definition of the distance.
func slowDistance(a, b string) int {
	if a == "" || b == "" {
		return len(a) + len(b)
	}
	replace := slowDistance(a[1:], b[1:])
	if a[0] != b[0] {
		replace++
	}
	d := min(replace, slowDistance(a[1:], b)+1, slowDistance(a, b[1:])+1)
	if len(a) > 1 && len(b) > 1 && a[0] == b[1] && a[1] == b[0] {
		d = min(d, slowDistance(a[2:], b[2:])+1)
	}
	return d
}
