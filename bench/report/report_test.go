package report

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/internal/golden"
)

// goldenDir is a run that has a little of everything: wrong answers, errors, what is
// not supported, what was not loaded, a target in process, an open loop.
const goldenDir = "testdata/run"

func goldenRun(t *testing.T) *Run {
	t.Helper()
	r, err := ReadRun(goldenDir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func written(t *testing.T, r *Run) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := Write(dir, r); err != nil {
		t.Fatal(err)
	}
	return filesOf(t, dir)
}

func filesOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = string(text)
	}
	return files
}

func TestThePageFollowsFromTheResultsAlone(t *testing.T) {
	if golden.Update() {
		if err := Write(goldenDir, goldenRun(t)); err != nil {
			t.Fatal(err)
		}
	}
	want, got := filesOf(t, goldenDir), written(t, goldenRun(t))
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s is not what %s holds; -update rewrites it", name, goldenDir)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s is written, and %s has none", name, goldenDir)
		}
	}
	if len(want) != 2+2*5 {
		t.Errorf("%s has %d files", goldenDir, len(want))
	}
}

// shape is an element of a drawing, with its attributes.
type shape struct {
	name       string
	attributes map[string]string
	text       string
}

func (s shape) number(name string) float64 {
	v, err := strconv.ParseFloat(s.attributes[name], 64)
	if err != nil {
		return math.NaN()
	}
	return v
}

func shapesOf(t *testing.T, drawing string) []shape {
	t.Helper()
	var all []shape
	for d := xml.NewDecoder(strings.NewReader(drawing)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			s := shape{name: e.Name.Local, attributes: make(map[string]string)}
			for _, a := range e.Attr {
				s.attributes[a.Name.Local] = a.Value
			}
			all = append(all, s)
		case xml.CharData:
			if len(all) > 0 {
				all[len(all)-1].text += string(e)
			}
		}
	}
}

// box is where a text stands: from left to right, upon its baseline.
type box struct{ left, right, base float64 }

func boxOf(s shape) box {
	x, width := s.number("x"), textWidth(strings.TrimSpace(s.text))
	switch s.attributes["text-anchor"] {
	case atMiddle:
		return box{x - width/2, x + width/2, s.number("y")}
	case atEnd:
		return box{x - width, x, s.number("y")}
	}
	return box{x, x + width, s.number("y")}
}

func TestChartsHaveAllTheirTextsInSightAndApart(t *testing.T) {
	for name, file := range written(t, goldenRun(t)) {
		if filepath.Ext(name) != ".svg" {
			continue
		}
		shapes := shapesOf(t, file)
		width, height := shapes[0].number("width"), shapes[0].number("height")
		var boxes []box
		for _, s := range shapes {
			if s.name != "text" {
				continue
			}
			b := boxOf(s)
			if !(b.left >= 0 && b.right <= width && b.base >= textSize && b.base <= height) {
				t.Errorf("%s: %q stands at %v, out of %g × %g", name, s.text, b, width, height)
			}
			for _, other := range boxes {
				if math.Abs(b.base-other.base) < textSize && b.left < other.right && other.left < b.right {
					t.Errorf("%s: %q stands upon another text", name, s.text)
				}
			}
			boxes = append(boxes, b)
		}
		if len(boxes) < 10 {
			t.Errorf("%s has %d texts", name, len(boxes))
		}
	}
}

func TestLabelsAreMovedApartAndStayInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 500 {
		labels := make([]label, 1+r.IntN(15))
		for i := range labels {
			labels[i] = label{name: "a", from: point{0, 100 + 300*r.Float64()*r.Float64()}}
		}
		placeLabels(labels, 100, 400)
		slices.SortStableFunc(labels, func(a, b label) int {
			if a.y < b.y {
				return -1
			}
			return 1
		})
		for i, l := range labels {
			if l.y < 100-1e-9 || l.y > 400+1e-9 {
				t.Fatalf("label %d of %d is at %g", i, len(labels), l.y)
			}
			if i > 0 && (l.y-labels[i-1].y < labelHeight-1e-9 || l.from.y < labels[i-1].from.y) {
				t.Fatalf("labels %v", labels)
			}
		}
	}
}

func summaryOf(t *testing.T, change func(*Cell)) string {
	t.Helper()
	r := goldenRun(t)
	for i := range r.Cells {
		change(&r.Cells[i])
	}
	s, err := Summary(r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWhoAnswersWrongIsInNoRatio(t *testing.T) {
	plain := summaryOf(t, func(*Cell) {})
	for _, want := range []string{"The strongest peer measured, OpenFGA, memory,", "OpenFGA, PostgreSQL, caches on (24 wrong answers of 20 k", "SpiceDB, memory (342 errors of 20 k"} {
		if !strings.Contains(plain, want) {
			t.Errorf("%q does not say %q", plain, want)
		}
	}
	if got := summaryOf(t, func(c *Cell) { c.Wrong = 0 }); !strings.Contains(got, "The strongest peer measured, OpenFGA, PostgreSQL, caches on,") {
		t.Errorf("had it been right, it would be the strongest: %q", got)
	}
	got := summaryOf(t, func(c *Cell) {
		if c.Target == tupeloTarget {
			c.Wrong = 1
		}
	})
	if !strings.HasPrefix(got, "There is no sound measurement of Tupelo's checks") || !strings.Contains(got, "Tupelo (2 wrong answers of 20 k") {
		t.Errorf("Tupelo is wrong: %q", got)
	}
	got = summaryOf(t, func(c *Cell) {
		if c.Target == echoTarget {
			c.Server = nil
			c.Client.CPUMicrosPerOp = 0
		}
	})
	if strings.Contains(got, "a gRPC server that does nothing") {
		t.Errorf("nothing is known of the echo: %q", got)
	}
}

func TestWhoWasNotLoadedIsNamedWithWhatIsKnown(t *testing.T) {
	r := goldenRun(t)
	for i := range r.Loads {
		if l := &r.Loads[i]; l.Target == "openfga-memory" && l.Asked == 100_000 {
			l.Failed = "not loaded within 1m0s"
		}
	}
	r.Cells = slices.DeleteFunc(r.Cells, func(c Cell) bool { return c.Target == "openfga-memory" && c.Asked == 100_000 })
	s, err := Summary(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"With GitClub of 100 k tuples", // though with 10 k more were asked
		"Not there to be asked: OpenFGA, memory (not loaded within 1m0s; with 10 k tuples and 16 in flight it spends 62× of Tupelo's processor time on a check).",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("%q does not say %q", s, want)
		}
	}
}

func TestARunThatWasCutShortHasAPage(t *testing.T) {
	r := goldenRun(t)
	r.Ended = "it was interrupted"
	for _, n := range []int{0, 1, 10} {
		r.Cells = r.Cells[:n]
		page := written(t, r)[PageFile]
		if !strings.Contains(page, "**This run ended before all was measured: it was interrupted.**") || !strings.Contains(page, "## What to beware of") {
			t.Errorf("with %d cells the page is\n%s", n, page)
		}
		r = goldenRun(t)
		r.Ended = "it was interrupted"
	}
}

func TestWhatIsNoResultIsRefused(t *testing.T) {
	for name, text := range map[string]string{
		"version": `{"version":2,"cells":[]}`,
		"json":    `{"version":1,`,
		"others":  `[]`,
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, ResultsFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadRun(dir); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := ReadRun(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	r := goldenRun(t)
	i := slices.IndexFunc(r.Cells, func(c Cell) bool { return c.Mode == "open" })
	r.Cells[i].Latency.Histogram = "HISTFAAAA"
	if _, err := Summary(r); !errors.Is(err, ErrForm) {
		t.Errorf("a histogram that is none: %v", err)
	}
}

func TestMediansAreOfRounds(t *testing.T) {
	var s spread
	for _, v := range []float64{5, 1, 3} {
		s.add(v)
	}
	if s.median != 3 || s.low != 1 || s.high != 5 || s.text(digits) != "3 ± 67 %" {
		t.Errorf("of three: %+v", s)
	}
	s.add(4)
	if s.median != 3.5 {
		t.Errorf("of four: %+v", s)
	}
	if (spread{}).text(digits) != "" || (spread{}).plain(digits) != "" {
		t.Error("what was not measured is spelled")
	}
}

func TestFiguresAreSpelledShortly(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{seconds(0), "0"}, {seconds(320e-9), "320 ns"}, {seconds(999.6e-9), "1 µs"}, {seconds(1.25e-6), "1.2 µs"},
		{seconds(33.3e-6), "33 µs"}, {seconds(999.6e-6), "1 ms"}, {seconds(3.21e-3), "3.2 ms"}, {seconds(75), "75 s"},
		{count(0), "0"}, {count(999), "999"}, {count(1005), "1,005"}, {count(9999.7), "10 k"}, {count(31_400), "31 k"},
		{count(999_600), "1 M"}, {count(10_000_000), "10 M"},
		{times(0.128), "0.13×"}, {times(1), "1×"}, {times(1.36), "1.4×"}, {times(59.4), "59×"}, {times(1234), "1,234×"},
		{size(200 << 20), "200 MiB"}, {size(3 << 29), "1.5 GiB"},
		{minutes(512), "8:32 min"},
	} {
		if test.got != test.want {
			t.Errorf("%q, want %q", test.got, test.want)
		}
	}
}

func TestScalesHoldTheirValuesAndLabelRoundOnes(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		values := make([]float64, 1+r.IntN(6))
		for i := range values {
			values[i] = math.Pow(10, -7+14*r.Float64())
		}
		s := logScale(values, 100, 500)
		for _, v := range values {
			if v < s.low || v > s.high {
				t.Fatalf("%g is not from %g to %g", v, s.low, s.high)
			}
		}
		ticks := s.ticks()
		if len(ticks) < 2 || len(ticks) > 16 {
			t.Fatalf("from %g to %g there are %d ticks", s.low, s.high, len(ticks))
		}
		last := 99.0
		for _, v := range ticks {
			if x := s.at(v); x <= last || x > 500 {
				t.Fatalf("tick %g of %v is at %g", v, ticks, x)
			} else {
				last = x
			}
		}
	}
	if s := logScale(nil, 0, 1); s.at(5) < 0 || s.at(5) > 1 {
		t.Error("a scale of nothing has no ends")
	}
}

func TestWhatPermifyMakesOfFailedChecksIsToldWhereItWasAsked(t *testing.T) {
	r := goldenRun(t)
	const told = "In a batch, Permify answers"
	if strings.Contains(written(t, r)[PageFile], told) {
		t.Error("it is told of Permify, which was not asked")
	}
	r.Targets = append(r.Targets, Target{ID: "permify-postgres", Name: "Permify, PostgreSQL"})
	if !strings.Contains(written(t, r)[PageFile], told) {
		t.Error("it is not told")
	}
}
