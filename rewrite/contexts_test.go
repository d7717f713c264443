package rewrite

import (
	"context"
	"fmt"
	"hash/maphash"
	"strings"
	"sync"
	"testing"

	"github.com/tupelodb/tupelo/schema/caveat"
	"github.com/tupelodb/tupelo/store/tuple"
)

func compiled(t *testing.T, expression, typeName string) *caveat.Caveat {
	t.Helper()
	c, err := caveat.Compile([]caveat.Param{{Name: "n", Type: caveat.Type{Name: typeName}}}, expression)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// wantVerdict converts a text and evaluates a caveat with it.
func wantVerdict(t *testing.T, k *conversions, c *caveat.Caveat, id tuple.CaveatID, text string, want caveat.Verdict) {
	t.Helper()
	x, err := k.convert(c, id, []byte(text))
	if err != nil {
		t.Errorf("%.40s: %v", text, err)
		return
	}
	if got, err := c.Eval(context.Background(), x, caveat.Context{}); err != nil || got.Verdict != want {
		t.Errorf("caveat %d with %.40s is %v, %v; want %v", id, text, got.Verdict, err, want)
	}
}

// Many more texts than there are places, of caveats that read one text
// differently, from several goroutines.
func TestAKeptContextIsThatOfItsTextAndCaveat(t *testing.T) {
	k := &conversions{seed: maphash.MakeSeed()}
	even, short := compiled(t, "n % 2 == 0", "int"), compiled(t, "n == 1.5 || n == 4.0", "double")
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for i := range 3 * conversionPlaces {
				text := fmt.Sprintf(`{"n":%d}`, i%(2*conversionPlaces))
				wantVerdict(t, k, even, 1, text, []caveat.Verdict{caveat.Yes, caveat.No}[i%2])
				want := caveat.No
				if i%(2*conversionPlaces) == 4 {
					want = caveat.Yes
				}
				wantVerdict(t, k, short, 1+conversionPlaces, text, want) // at the same place
			}
		})
	}
	all.Wait()
}

func TestWhatIsLongOrWrongIsNotKept(t *testing.T) {
	k := &conversions{seed: maphash.MakeSeed()}
	any := compiled(t, "n == n", "any")
	wantVerdict(t, k, any, 1, `{"n":"`+strings.Repeat("x", maxKeptBytes)+`"}`, caveat.Yes)
	wantVerdict(t, k, any, 1, "", caveat.Conditional)
	for range 2 {
		if _, err := k.convert(any, 1, []byte("[")); err == nil {
			t.Error("a text that is no context was converted")
		}
	}
	for i := range k.places {
		if kept := k.places[i].Load(); kept != nil {
			t.Errorf("%.40q is kept", kept.text)
		}
	}
	wantVerdict(t, k, any, 1, `{"n":1}`, caveat.Yes)
	kept := 0
	for i := range k.places {
		if k.places[i].Load() != nil {
			kept++
		}
	}
	if kept != 1 {
		t.Errorf("%d conversions are kept; want 1", kept)
	}
}
