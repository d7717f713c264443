package rewritetest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tupelodb/tupelo/store/tuple"
)

const teams = `
definition user {}
definition team {
	relation member: user | user:* | team#member
}`

func member(team, subjectType, subjectID, subjectRelation string) tuple.Named {
	return tuple.Named{
		ObjectType: "team", ObjectID: team, Relation: "member",
		SubjectType: subjectType, SubjectID: subjectID, SubjectRelation: subjectRelation,
	}
}

func TestSubjectsComeInOrderAndInPages(t *testing.T) {
	w, err := Parse(teams)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, i := range []int{7, 3, 9, 1, 5, 3, 0, 8, 2, 6, 4} {
		if err := w.Add(member("red", "user", fmt.Sprint("u", i), "")); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 10 {
		want = append(want, fmt.Sprint("u", i))
	}
	if err := w.Add(member("red", "team", "u5", "member")); err != nil {
		t.Fatal(err)
	}
	ann, err := w.Subject("user:ann")
	if err != nil {
		t.Fatal(err)
	}
	slot, id, err := w.Userset("team:red#member")
	if err != nil {
		t.Fatal(err)
	}
	s := w.Program.Slots[slot]
	object := tuple.Object{Type: tuple.TypeID(w.Program.Types[s.Type].Number), ID: id}
	for limit := 1; limit < 12; limit++ {
		var got []string
		var page tuple.Page
		var after []byte
		for page.More = true; page.More; {
			if err := w.Tuples.Subjects(object, tuple.RelationID(s.Number), ann.Kind(), after, limit, &page); err != nil {
				t.Fatal(err)
			}
			for i := range page.Len() {
				got = append(got, string(page.ID(i)))
				after = []byte(got[len(got)-1])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestContainsKnowsTheTupleAndNothingElse(t *testing.T) {
	w, err := Parse(teams, "team:red#member@user:ann", "team:red#member@team:blue#member", "team:blue#member@user:*")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"team:red#member@user:ann":         true,
		"team:red#member@user:bob":         false,
		"team:red#member@user:*":           false,
		"team:red#member@team:blue":        false,
		"team:red#member@team:blue#member": true,
		"team:blue#member@user:*":          true,
		"team:blue#member@user:ann":        false,
	} {
		named, err := tuple.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		tuple, _ := w.Names.Tuple(named)
		if _, got, err := w.Tuples.Find(tuple.Object, tuple.Relation, tuple.Subject); err != nil || got != want {
			t.Errorf("%s: got %t, %v; want %t", text, got, err, want)
		}
	}
}

func TestAWorldRefusesWhatItsSchemaDoesNotAllow(t *testing.T) {
	w, err := Parse(teams)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []tuple.Named{
		member("red", "team", "blue", ""),
		member("red", "robot", "r2", ""),
		{ObjectType: "team", ObjectID: "red", Relation: "lead", SubjectType: "user", SubjectID: "ann"},
	} {
		if err := w.Add(bad); err == nil {
			t.Errorf("%s was stored", bad)
		}
	}
	if len(w.Named) != 0 {
		t.Errorf("%d tuples are listed", len(w.Named))
	}
}

func TestAScenarioIsWrittenAsItWasRead(t *testing.T) {
	const text = "A story.\n\n== schema\ndefinition user {}\n== tuples\n// none\n== questions now=7 context={}\nyes  a:b#c@d:e\n\n== expand a:b#c depth=2\na:b#c\n"
	s := ParseScenario(text)
	if diff := cmp.Diff(text, s.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	want := []Expectation{{Answer: "yes", Userset: "a:b#c", Subject: "d:e", NowNanos: 7, Context: "{}"}}
	got, err := s.Expectations()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("questions (-want +got):\n%s", diff)
	}
	s.Sections = append(s.Sections, Section{Name: "questions", Body: "perhaps a:b#c@d:e\n"})
	if _, err := s.Expectations(); err == nil {
		t.Error("an answer that is neither yes nor no was taken")
	}
}
