package oracle

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// The scenarios of package rewrite, whose answers were written by hand, run
// through the oracle too. Here is what they do not show.

func userset(t *testing.T, text string) Userset {
	t.Helper()
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		t.Fatal(err)
	}
	return Userset{Object{typeName, id}, relation}
}

func build(t *testing.T, text string, tuples ...string) *Oracle {
	t.Helper()
	s, err := schema.Parse("schema", text)
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Check(s); err != nil {
		t.Fatal(err)
	}
	var named []tuple.Named
	for _, text := range tuples {
		n, err := tuple.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		named = append(named, n)
	}
	return New(s, named)
}

func TestContainingIsTheWholeSet(t *testing.T) {
	o := build(t, `
definition user {}
definition folder {
	relation parent: folder
	relation viewer: user
	relation banned: user
	permission view = (viewer + parent->view) - banned
}`,
		"folder:root#viewer@user:ann", "folder:mid#parent@folder:root", "folder:leaf#parent@folder:mid", "folder:mid#banned@user:ann")
	want := Set{userset(t, "folder:root#viewer"): true, userset(t, "folder:root#view"): true, userset(t, "folder:mid#banned"): true}
	if diff := cmp.Diff(want, o.Containing(userset(t, "user:ann"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestASubtractedExpressionMeansWhatItMeansUnderAName(t *testing.T) {
	const schemaText = `
definition user {}
definition folder {
	relation parent: folder
	relation viewer: user
	permission inline = viewer - (viewer - parent->inline)
	permission inner = viewer - parent->named
	permission named = viewer - inner
}`
	o := build(t, schemaText, "folder:a#parent@folder:b", "folder:b#parent@folder:a",
		"folder:a#viewer@user:ann", "folder:b#viewer@user:ann")
	for _, object := range []string{"folder:a", "folder:b", "folder:c"} {
		inline, named := o.Check(userset(t, object+"#inline"), userset(t, "user:ann")), o.Check(userset(t, object+"#named"), userset(t, "user:ann"))
		if inline != named {
			t.Errorf("%s: inline is %t, named %t", object, inline, named)
		}
	}
}
