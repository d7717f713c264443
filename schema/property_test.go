package schema_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/caveat"
	"github.com/tupelodb/tupelo/schema/schematest"
)

// bare returns a schema without its source text, and sets all positions in it
// to zero and empty slices to nil: what is left must survive formatting.
func bare(s *schema.Schema) *schema.Schema {
	tree := &schema.Schema{
		Uses: s.Uses, Imports: s.Imports, Caveats: s.Caveats, Partials: s.Partials,
		Definitions: s.Definitions, Trailing: s.Trailing,
	}
	strip(reflect.ValueOf(tree).Elem())
	return tree
}

func strip(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		strip(v.Elem())
	case reflect.Slice:
		for i := range v.Len() {
			strip(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f := v.Field(i)
			if !f.CanSet() {
				continue
			}
			if f.Type() == reflect.TypeFor[schema.Position]() || f.Kind() == reflect.Slice && f.Len() == 0 {
				f.SetZero()
				continue
			}
			strip(f)
		}
	}
}

func randomSchema(seed uint64) *schema.Schema {
	rng := rand.New(rand.NewPCG(seed, 2))
	s := schematest.Random(rng, schematest.Options{
		MaxDepth: 1 + rng.IntN(5), NegativeRecursion: true,
		Caveats: rng.IntN(2) == 0, Expiration: rng.IntN(2) == 0, ArrowFunctions: rng.IntN(2) == 0, Self: rng.IntN(2) == 0,
	})
	if rng.IntN(4) > 0 {
		(&decorator{rng: rng}).schema(s)
	}
	return s
}

func TestAFormattedSchemaParsesToTheSameTree(t *testing.T) {
	for seed := range uint64(500) {
		s := bare(randomSchema(seed))
		text := schema.Format(s)
		parsed, err := schema.Load("random.zed", text)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		if again := schema.Format(parsed); again != text {
			t.Fatalf("seed %d: formatting again changes the text:\n%s", seed, cmp.Diff(text, again))
		}
		if parsed = bare(parsed); !reflect.DeepEqual(s, parsed) {
			diff := cmp.Diff(s, parsed, cmpopts.IgnoreUnexported(schema.Schema{}))
			t.Fatalf("seed %d: -generated +parsed:\n%s\n%s", seed, diff, text)
		}
	}
}

func TestNoCommentIsLostWhereverItStands(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	parsed := 0
	for seed := range uint64(1000) {
		text, marks := sprinkle(rng, schema.Format(randomSchema(seed)))
		s, err := schema.Load("sprinkled.zed", text)
		if err != nil {
			continue // a line comment or line end where the statement goes on
		}
		parsed++
		once := schema.Format(s)
		for _, mark := range marks {
			if strings.Count(once, mark) != 1 {
				t.Fatalf("seed %d: %s occurs %d times in\n%s\nformatted from\n%s", seed, mark, strings.Count(once, mark), once, text)
			}
		}
		again, err := schema.Load("once.zed", once)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\nformatted from\n%s", seed, err, once, text)
		}
		if twice := schema.Format(again); twice != once {
			t.Fatalf("seed %d: formatting again changes the text:\n%s\nformatted from\n%s", seed, cmp.Diff(once, twice), text)
		}
		if s, again = bare(s), bare(again); !reflect.DeepEqual(s, again) {
			t.Fatalf("seed %d: formatting moves comments: -once +twice\n%s\nformatted from\n%s", seed,
				cmp.Diff(s, again, cmpopts.IgnoreUnexported(schema.Schema{})), text)
		}
	}
	if parsed < 300 {
		t.Errorf("only %d texts parsed: the test tests little", parsed)
	}
}

// sprinkle puts a few marked comments, semicolons and line ends between the words of a text.
func sprinkle(rng *rand.Rand, text string) (sprinkled string, marks []string) {
	for range 1 + rng.IntN(3) {
		at := rng.IntN(len(text))
		if !strings.ContainsRune(" \n\t#:>()|+&-", rune(text[at])) || strings.Contains(text[max(0, at-2):min(len(text), at+2)], "->") {
			continue
		}
		mark := fmt.Sprintf("mark_%d!", len(marks))
		marks = append(marks, mark)
		forms := []string{" /* %s */ ", " /* %s */\n", " // %s\n", "\n// %s\n", " /* a\n\t  %s */ ", "\n/* %s */ /*\nx*/\n", "; // %s\n", "\n\n/* %s */\n\n"}
		text = text[:at] + fmt.Sprintf(forms[rng.IntN(len(forms))], mark) + text[at:]
	}
	return text, marks
}

func TestCompilingIsDeterministic(t *testing.T) {
	for seed := range uint64(50) {
		s := randomSchema(seed)
		first, second := mustCompile(t, s), mustCompile(t, s)
		if diff := cmp.Diff(first, second, cmpopts.IgnoreUnexported(schema.Program{}), byFingerprint); diff != "" {
			t.Fatalf("seed %d: -first +second:\n%s", seed, diff)
		}
		for slot := range int32(len(first.Slots)) {
			for kind := range kinds(first) {
				if first.ReachesKind(slot, kind) != second.ReachesKind(slot, kind) {
					t.Fatalf("seed %d: slot %d reaches kind %d in one program only", seed, slot, kind)
				}
			}
		}
	}
}

// byFingerprint compares compiled caveats by what they mean.
var byFingerprint = cmp.Comparer(func(a, b *caveat.Caveat) bool { return a.Fingerprint() == b.Fingerprint() })

// decorator hangs random comments and blank lines on a tree, as the parser would.
type decorator struct {
	rng   *rand.Rand
	count int
}

func (d *decorator) schema(s *schema.Schema) {
	for _, def := range s.Definitions {
		d.definition(def)
	}
	for _, c := range s.Caveats {
		c.Comments = d.apart()
		for i, p := range c.Params {
			p.Comments = d.inside(i == len(c.Params)-1)
		}
	}
	for _, u := range s.Uses {
		u.Comments = schema.Comments{Behind: d.behind()}
	}
	s.Trailing = d.above(2)
}

// apart returns the comments of a statement that stands apart.
func (d *decorator) apart() schema.Comments {
	c := schema.Comments{Above: d.above(2), Behind: d.behind()}
	if len(c.Above) > 0 {
		c.Above[0].Gap = false
		c.Gap = d.chance(30)
	}
	return c
}

func (d *decorator) definition(def *schema.Definition) {
	def.Comments = d.apart()
	def.Opening, def.Trailing = d.behind(), d.above(1)
	if len(def.Members) == 0 && len(def.Trailing) > 0 {
		def.Trailing[0].Gap = false
	}
	for i, m := range def.Members {
		c := schema.Comments{Above: d.above(2), Behind: d.behind(), Gap: d.chance(20)}
		switch {
		case i > 0:
		case len(c.Above) > 0:
			c.Above[0].Gap = false
		default:
			c.Gap = false
		}
		switch m := m.(type) {
		case *schema.Relation:
			m.Comments = c
			d.restrictions(m.Types)
		case *schema.Permission:
			m.Comments = c
			d.leaves(slices.Collect(schema.Leaves(m.Expr)))
		}
	}
}

func (d *decorator) restrictions(types []*schema.TypeRef) {
	for i, t := range types {
		t.Comments = d.inside(i == len(types)-1)
	}
}

func (d *decorator) leaves(leaves []schema.Expr) {
	for i, leaf := range leaves {
		c := d.inside(i == len(leaves)-1)
		switch leaf := leaf.(type) {
		case *schema.Ref:
			leaf.Comments = c
		case *schema.Arrow:
			leaf.Comments = c
		case *schema.Itself:
			leaf.Comments = c
		case *schema.Nil:
			leaf.Comments = c
		}
	}
}

// inside returns the comments of an operand; those behind the last are the statement's.
func (d *decorator) inside(last bool) schema.Comments {
	var c schema.Comments
	if d.chance(10) {
		c.Above = d.above(2)
		for i := range c.Above {
			c.Above[i].Gap = false
		}
	}
	if !last && d.chance(15) {
		c.Behind = d.behind()
	}
	return c
}

// above returns comments on lines of their own.
func (d *decorator) above(most int) []schema.Comment {
	if d.chance(70) {
		return nil
	}
	var cs []schema.Comment
	for range 1 + d.rng.IntN(most) {
		text := d.line()
		if d.chance(50) {
			text = d.block()
		}
		cs = append(cs, schema.Comment{Text: text, Gap: d.chance(20)})
	}
	return cs
}

// behind returns comments that end a line: blocks, then perhaps a line comment.
func (d *decorator) behind() []schema.Comment {
	if d.chance(75) {
		return nil
	}
	var cs []schema.Comment
	for d.chance(40) {
		cs = append(cs, schema.Comment{Text: d.block()})
	}
	if cs == nil || d.chance(50) {
		cs = append(cs, schema.Comment{Text: d.line()})
	}
	return cs
}

func (d *decorator) line() string {
	d.count++
	return fmt.Sprintf("// comment %d /* + | */", d.count)
}

func (d *decorator) block() string {
	d.count++
	forms := []string{
		"/* comment %d */", "/** comment %d // */", "/*%d*/",
		"/*\n * comment\n *\n * %d\n */", "/* comment\n\n    %d\n  indented\nend */",
	}
	return fmt.Sprintf(forms[d.rng.IntN(len(forms))], d.count)
}

func (d *decorator) chance(percent int) bool { return d.rng.IntN(100) < percent }

// ordered numbers the names of a schema in the order of the text.
type ordered struct{ *schema.Schema }

func (o ordered) TypeNumber(name string) (uint16, bool) {
	i := slices.IndexFunc(o.Definitions, func(d *schema.Definition) bool { return d.Name == name })
	return uint16(i + 1), i >= 0
}

func (o ordered) RelationNumber(typeName, name string) (uint16, bool) {
	d, ok := o.Definition(typeName)
	if !ok {
		return 0, false
	}
	i := slices.Index(d.MemberNames(), name)
	return uint16(i + 2), i >= 0
}

func (o ordered) CaveatNumber(name string) (uint16, bool) {
	i := slices.IndexFunc(o.Caveats, func(c *schema.Caveat) bool { return c.Name == name })
	return uint16(i + 1), i >= 0
}

func mustCompile(t testing.TB, s *schema.Schema) *schema.Program {
	t.Helper()
	p, err := schema.Compile(s, ordered{s})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// kinds returns the number of kinds that a program knows.
func kinds(p *schema.Program) int32 { return int32(2*len(p.Types) + len(p.Slots)) }

// Only changes that say so disallow tuples, and each of them does.
func TestTuplesAreDisallowedWhereAChangeMayStrandThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	strands := 0
	for range 300 {
		options := schematest.Options{Caveats: true, Expiration: true}
		before, after := schematest.Random(rng, options), schematest.Random(rng, options)
		want, got := make(map[string]bool), make(map[string]bool)
		for _, c := range schema.Diff(before, after) {
			d, _ := before.Definition(c.Type)
			if c.Strands() && (c.Kind != schema.TypeRemoved || hasRelations(d)) {
				want[c.Type+"#"+c.Name] = true
			}
		}
		for _, kind := range schema.Disallowed(before, after) {
			typeName, relation, _ := strings.Cut(kind, "#")
			relation, _, _ = strings.Cut(relation, "@")
			if _, ok := after.Definition(typeName); !ok {
				relation = "" // the type is gone, which is one change
			}
			got[typeName+"#"+relation] = true
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-may strand +disallowed:\n%s", diff)
		}
		strands += len(got)
	}
	if strands < 100 {
		t.Errorf("only %d relations lose tuples", strands)
	}
}

func hasRelations(d *schema.Definition) bool {
	return slices.ContainsFunc(d.Members, func(m schema.Member) bool {
		_, ok := m.(*schema.Relation)
		return ok
	})
}
