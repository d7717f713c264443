package main

import (
	"bytes"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

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
		"repository:a#reader@user:b[office_hours]",
		"repository:a#reader@user:*[expiration:2030-01-31T12:00:00.000000001Z]",
		`repository:a#reader@team:b#member[c:{"a":[1,2.5,null,{"b":true}],"s":"<]\" // # \n\u2028"}][expiration:2030-01-31T12:00:00Z]`,
		`repository:a#reader@user:b[c:{"big":9007199254740992,"small":-1e-7}]`,
	} {
		parsed, err := parseTuple(text)
		if err != nil || tupleText(parsed) != text {
			t.Errorf("%q is spelled %q, %v", text, tupleText(parsed), err)
		}
	}
}

func TestCommentsEndLines(t *testing.T) {
	text := "q\" // in \\\" #\" r # s \"t\n" + "a\n\n # one\n//two\n\tb // three\nc#d\ne//f\ng\t#h\r\n  i  \n"
	var got []string
	for l, err := range linesOf(strings.NewReader(text)) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, at(l.text, l.number))
	}
	if want := "q\" // in \\\" #\" r:1 a:2 b:6 c#d:7 e//f:8 g:9 i:10"; strings.Join(got, " ") != want {
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

// Whatever read and watch print of a tuple, write and import must take.
func TestWhateverATupleCarriesComesBackFromItsLine(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		given := randomTuple(r)
		text := tupleText(given)
		for l, err := range linesOf(strings.NewReader(text + " // a comment")) {
			if err != nil || l.text != text {
				t.Fatalf("%q is the line %q, %v", text, l.text, err)
			}
			got, err := parseTuple(l.text)
			if err != nil || !proto.Equal(got, given) {
				t.Fatalf("%q is %v, %v; want %v", text, got, err, given)
			}
		}
	}
}

func randomTuple(r *rand.Rand) *tupelov1.Tuple {
	m := &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: "acme/doc", Id: "a|b=" + strconv.Itoa(r.IntN(9))},
		Relation: "reader",
		Subject:  &tupelov1.Subject{Type: "team", Id: "x", Relation: []string{"", "member"}[r.IntN(2)]},
	}
	if r.IntN(3) > 0 {
		m.Caveat = &tupelov1.Caveat{Name: "c"}
		if value := randomValue(r, 3); value.GetStructValue() != nil && len(value.GetStructValue().Fields) > 0 {
			m.Caveat.Context = value.GetStructValue()
		}
	}
	if r.IntN(3) == 0 {
		m.ExpiresAt = &timestamppb.Timestamp{Seconds: r.Int64N(1 << 33), Nanos: r.Int32N(1e9)}
	}
	return m
}

func randomValue(r *rand.Rand, depth int) *structpb.Value {
	switch n := r.IntN(10); {
	case depth == 3 || depth > 0 && n < 3:
		fields := map[string]*structpb.Value{}
		for range r.IntN(4) {
			fields[randomString(r)] = randomValue(r, depth-1)
		}
		return structpb.NewStructValue(&structpb.Struct{Fields: fields})
	case depth > 0 && n < 5:
		list := &structpb.ListValue{}
		for range r.IntN(4) {
			list.Values = append(list.Values, randomValue(r, depth-1))
		}
		return structpb.NewListValue(list)
	case n < 6:
		return structpb.NewNullValue()
	case n < 7:
		return structpb.NewBoolValue(r.IntN(2) == 0)
	case n < 8:
		return structpb.NewNumberValue(math.Ldexp(r.Float64()-0.5, r.IntN(200)-100))
	case n < 9:
		return structpb.NewNumberValue(float64(r.Int64N(1<<60) >> r.IntN(60)))
	}
	return structpb.NewStringValue(randomString(r))
}

func randomString(r *rand.Rand) string {
	var s strings.Builder
	for range r.IntN(6) {
		s.WriteString([]string{"a", "]", "[", `"`, `\`, "//", " # ", " // ", "\n", "\u2028", "<é>", "}", "{", "@", "#"}[r.IntN(15)])
	}
	return s.String()
}

func TestAContextIsOneObjectOfWhichNothingIsLost(t *testing.T) {
	for text, want := range map[string]string{
		``:                            "is not a JSON object",
		`friday`:                      "is not a JSON object",
		`[1]`:                         "is not a JSON object",
		`null`:                        "is not a JSON object",
		`{"day":}`:                    "byte 8",
		`{"a":1}{}`:                   "is not a JSON object",
		`{"a":1,"a":2}`:               `duplicate map key "a"`,
		`{"a":[{"b":1,"b":2}]}`:       `duplicate map key "b"`,
		`{"a":9007199254740993}`:      `write it as a string, "9007199254740993"`,
		`{"a":[-9007199254740993]}`:   "write it as a string",
		`{"a":1e999}`:                 "is not a JSON object",
		`{"a":9007199254740992}`:      "",
		`{"a":"9007199254740993"}`:    "",
		`{"a":0.1,"b":null,"c":[{}]}`: "",
		" {}\n":                       "",
	} {
		given, err := parseContext(text)
		if want == "" {
			if err != nil || given == nil {
				t.Errorf("%s: %v", text, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "proto:") {
			t.Errorf("%s: the error is %v, want %q in it", text, err, want)
		}
	}
}

func FuzzContexts(f *testing.F) {
	f.Add(`{"day":"friday","n":[1,2.5,null,{"a":true}]}`)
	f.Add(`{"a":9007199254740993}`)
	f.Fuzz(func(t *testing.T, text string) {
		given, err := parseContext(text)
		if err != nil {
			return
		}
		again, err := parseContext(contextText(given))
		if err != nil || !proto.Equal(given, again) {
			t.Errorf("%q is %v, and spelled %s is %v, %v", text, given, contextText(given), again, err)
		}
	})
}
