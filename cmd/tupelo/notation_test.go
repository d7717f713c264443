package main

import (
	"bytes"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func TestPatternsSelectByThePartsThatTheyName(t *testing.T) {
	for pattern, want := range map[string]*tupelov1.Filter{
		"":                              {},
		"repository":                    {ObjectType: "repository"},
		"repository:":                   {ObjectType: "repository"},
		"repository:gitclub":            {ObjectType: "repository", ObjectId: "gitclub"},
		":gitclub":                      {ObjectId: "gitclub"},
		"#maintainer":                   {Relation: "maintainer"},
		"repository#maintainer":         {ObjectType: "repository", Relation: "maintainer"},
		"@":                             {},
		"@user":                         {SubjectType: "user"},
		"@user:alice":                   {SubjectType: "user", SubjectId: "alice"},
		"@user:*":                       {SubjectType: "user", SubjectId: "*"},
		"@:alice":                       {SubjectId: "alice"},
		"@user:alice#...":               {SubjectType: "user", SubjectId: "alice", SubjectRelation: proto.String("")},
		"@#...":                         {SubjectRelation: proto.String("")},
		"@#member":                      {SubjectRelation: proto.String("member")},
		"@team:core#member":             {SubjectType: "team", SubjectId: "core", SubjectRelation: proto.String("member")},
		"doc:a/b#viewer@team:c=#member": {ObjectType: "doc", ObjectId: "a/b", Relation: "viewer", SubjectType: "team", SubjectId: "c=", SubjectRelation: proto.String("member")},
	} {
		got, err := parseFilter(pattern)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%q selects %v, %v; want %v", pattern, got, err, want)
		}
	}
}

func FuzzPatterns(f *testing.F) {
	for _, seed := range []string{"repository:gitclub#maintainer@team:core#member", "@user:*", "#", "@#...", "a:b:c", "::", "@@", "##"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, pattern string) {
		filter, err := parseFilter(pattern)
		if err != nil {
			return
		}
		again, err := parseFilter(filterText(filter))
		if err != nil || !proto.Equal(filter, again) {
			t.Errorf("%q is %v, and spelled %q is %v, %v", pattern, filter, filterText(filter), again, err)
		}
	})
}

// filterText spells a filter as a pattern.
func filterText(f *tupelov1.Filter) string {
	part := func(typeName, id string, relation *string) string {
		text := typeName
		if id != "" {
			text += ":" + id
		}
		if relation != nil {
			text += "#" + *relation
		}
		return text
	}
	var relation *string
	if f.Relation != "" {
		relation = &f.Relation
	}
	subjectRelation := f.SubjectRelation
	if subjectRelation != nil && *subjectRelation == "" {
		subjectRelation = proto.String(noRelation)
	}
	return part(f.ObjectType, f.ObjectId, relation) + "@" + part(f.SubjectType, f.SubjectId, subjectRelation)
}

func TestTuplesAreSpelledAsTheyAreRead(t *testing.T) {
	for _, text := range []string{
		"repository:gitclub#maintainer@user:alice",
		"repository:gitclub#maintainer@team:core#member",
		"repository:a/b#reader@user:*",
	} {
		parsed, err := parseTuple(text)
		if err != nil || tupleText(parsed) != text {
			t.Errorf("%q is spelled %q, %v", text, tupleText(parsed), err)
		}
	}
}

func TestCommentsEndLines(t *testing.T) {
	text := "a\n\n # one\n//two\n\tb // three\nc#d\ne//f\ng\t#h\r\n  i  \n"
	var got []string
	for l, err := range linesOf(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, at(l.text, l.number))
	}
	if want := "a:1 b:5 c#d:6 e//f:7 g:8 i:9"; strings.Join(got, " ") != want {
		t.Errorf("the lines are %q, want %q", got, want)
	}
}

func TestReadingLinesCanStopInBetween(t *testing.T) {
	for l := range linesOf(strings.NewReader("a\nb\n")) {
		if l.number == 1 {
			break
		}
		t.Error("it went on to", l)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a # b\n\n// c\r\nd"))
	f.Fuzz(func(t *testing.T, text []byte) {
		last := 0
		for l, err := range linesOf(bytes.NewReader(text)) {
			if l.number <= last {
				t.Errorf("line %d comes after line %d", l.number, last)
			}
			last = l.number
			if err == nil && (l.text == "" || strings.TrimSpace(l.text) != l.text || l.text[0] == '#') {
				t.Errorf("line %d is %q", l.number, l.text)
			}
		}
	})
}

func TestTheLinesOfAFixtureAreThoseOfItsFile(t *testing.T) {
	for _, test := range []struct {
		text      string
		firstLine int
		lines     string
	}{
		{"relationships: |\n  a\n  b\n", 2, "a\nb\n"},
		{"\n\nrelationships: |-\n\n  a\n", 4, "\na"},
		{"schema: x\nrelationships: a\n", 2, "a"},
		{"relationships: >\n  a\n\n  b\n", 2, "a\nb\n"},
	} {
		f, err := parseFixture([]byte(test.text), "fixture.yaml")
		if err != nil || f.firstLine != test.firstLine || f.relationships != test.lines {
			t.Errorf("%q has the lines %q from %d on, %v", test.text, f.relationships, f.firstLine, err)
		}
	}
}

func FuzzFixtures(f *testing.F) {
	f.Add([]byte("schema: |\n  definition user {}\nrelationships: |\n  a:b#c@d:e\nassertions:\n  assertTrue: []\n"))
	f.Add([]byte("relationships: &a [*a]"))
	f.Add([]byte("- a"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if bytes.Contains(text, []byte("schemaFile")) {
			return // it would read a file of that name
		}
		parsed, err := parseFixture(text, "fixture.yaml")
		if (parsed == nil) == (err == nil) {
			t.Errorf("%q gives %v and %v", text, parsed, err)
		}
	})
}
