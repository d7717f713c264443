package validate

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// gitclub runs GitClub's fixture.
func gitclub(t testing.TB, o Options) *Report {
	t.Helper()
	const folder = "../examples/gitclub/"
	text, err := os.ReadFile(folder + "fixture.yaml")
	if err != nil {
		t.Fatal(err)
	}
	f, err := fixture.Read(folder+"fixture.yaml", string(text))
	if err != nil {
		t.Fatal(err)
	}
	report, err := Run(t.Context(), f, func(path string) (string, error) {
		text, err := os.ReadFile(filepath.Join(folder, path))
		return string(text), err
	}, o)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestGitClubsFixtureHoldsAndCoversTheWholeSchema(t *testing.T) {
	report := gitclub(t, Options{Now: time.Now(), Coverage: true})
	for _, a := range report.Assertions {
		if !a.Holds() {
			t.Errorf("%s: %v %v %s\n%s", a.Text, a.Got, a.Err, a.Disagreement, a.Explanation)
		}
	}
	for _, l := range report.Lists {
		for _, d := range l.Differences {
			t.Errorf("%s: %s", l.Text(), d.String())
		}
	}
	for _, p := range report.Coverage.Parts {
		if !p.Covered {
			t.Errorf("%s:%d: nothing covers %s", p.File, p.Pos.Line, p.String())
		}
	}
	if n := len(report.Coverage.Parts); n != 32 || report.Coverage.Percent() != 100 {
		t.Errorf("%d parts, %v %%", n, report.Coverage.Percent())
	}
}

func BenchmarkRunOfGitClubsFixture(b *testing.B) {
	for _, coverage := range []bool{false, true} {
		b.Run(map[bool]string{false: "plain", true: "with coverage"}[coverage], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				gitclub(b, Options{Now: time.Now(), Coverage: coverage})
			}
		})
	}
}

// covered lists the parts of the documents' schema that some assertions and lists
// cover.
func covered(t *testing.T, text string) (all []string) {
	t.Helper()
	c := run(t, documents+text, Options{Now: noon, Coverage: true}).Coverage
	for _, p := range c.Parts {
		if p.Covered {
			all = append(all, p.String())
		}
	}
	if len(c.Parts) != 16 {
		t.Errorf("the schema has %d parts", len(c.Parts))
	}
	return all
}

func TestAPartIsCoveredIfSomethingNoticesThatItIsGone(t *testing.T) {
	for _, test := range []struct {
		what, text string
		want       []string
	}{
		{"nothing is asked", "", nil},
		{"two ways to a yes, of which either is enough", "assertions: {assertTrue: ['document:plan#view@user:bob']}", nil},
		{"one way", "assertions: {assertTrue: ['document:plan#view@user:ann']}", []string{
			"team#member: user", "document#writer: team#member", "document#view: writer",
		}},
		{"a no that nothing forbids", "assertions: {assertFalse: ['document:plan#view@user:zoe']}", nil},
		{"a no because of an exclusion", "assertions: {assertFalse: ['document:open#view@user:cid']}", []string{
			"document#banned: user", "document#view: banned",
		}},
		{"a no because of one operand of an intersection", "assertions: {assertFalse: ['document:plan#edit@user:ann']}", []string{
			"document#edit: reader",
		}},
		{"both operands of an intersection", "assertions: {assertTrue: ['document:plan#edit@user:bob']}", []string{
			"document#writer: user", "document#reader: user",
		}},
		{"a conditional answer", "assertions: {assertCaveated: ['document:plan#view@user:eve']}", []string{
			"caveat weekday", "document#reader: user with weekday", "document#view: reader",
		}},
		{"a condition that holds anyway", "assertions: {assertTrue: ['document:plan#view@user:fay']}", []string{
			"document#reader: user with weekday", "document#view: reader",
		}},
		{"an assertion that fails", "assertions: {assertFalse: ['document:plan#view@user:ann']}", []string{
			"team#member: user", "document#writer: team#member", "document#view: writer",
		}},
		{"a list", "validation: {'team:core#member': []}", []string{"team#member: user", "team#member: team#member"}},
		{"a list that names both ways", "validation: {'document:open#view': []}", []string{
			"caveat weekday", "document#writer: user", "document#reader: user", "document#reader: user:*",
			"document#banned: user", "document#banned: user with weekday", "document#view: reader", "document#view: writer", "document#view: banned",
		}},
	} {
		if diff := cmp.Diff(test.want, covered(t, test.text)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", test.what, diff)
		}
	}
}

func TestPartsStandWhereTheSchemaHasThem(t *testing.T) {
	lines := strings.Split(documents, "\n")
	c := run(t, documents, Options{Now: noon, Coverage: true}).Coverage
	for _, p := range c.Parts {
		text := p.Text
		if p.Kind == CaveatPart {
			text = p.Owner
		}
		if p.File != "test.yaml" || !strings.HasPrefix(lines[p.Pos.Line-1][p.Pos.Column-1:], text) {
			t.Errorf("%s is not at %s:%d:%d", p.String(), p.File, p.Pos.Line, p.Pos.Column)
		}
	}
}

func TestCoveragesOfOneSchemaAreJoined(t *testing.T) {
	one := run(t, documents+"assertions: {assertTrue: ['document:plan#view@user:ann']}", Options{Now: noon, Coverage: true}).Coverage
	other := run(t, documents+"assertions: {assertFalse: ['document:open#view@user:cid']}", Options{Now: noon, Coverage: true}).Coverage
	if one.Schema != other.Schema || one.Covered() != 3 || other.Covered() != 2 {
		t.Fatalf("%d and %d parts are covered", one.Covered(), other.Covered())
	}
	if one.Join(other); one.Covered() != 5 || one.Percent() != 100*5.0/16 {
		t.Errorf("together %d, %v %%", one.Covered(), one.Percent())
	}
}

// TestCoverageOfRandomSchemasIsFoundOut takes every part out of random schemas:
// what is left must always compile.
func TestCoverageOfRandomSchemasIsFoundOut(t *testing.T) {
	parts, hit := 0, 0
	for n := uint64(1); n <= 12; n++ {
		rng := rand.New(rand.NewPCG(6, n))
		s := schematest.Random(rng, schematest.Options{Caveats: true, Expiration: true, ArrowFunctions: true, Self: true, NegativeRecursion: true})
		w, err := rewritetest.New(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Fill(rng, 2, 30); err != nil {
			t.Fatal(err)
		}
		c := run(t, written(w, 2, nil), Options{Now: time.Unix(0, 2), Coverage: true}).Coverage
		parts += len(c.Parts)
		hit += c.Covered()
	}
	if parts < 200 || hit < 50 || hit == parts {
		t.Errorf("%d of %d parts are covered", hit, parts)
	}
}
