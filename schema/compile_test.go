package schema

import (
	"errors"
	"testing"
)

// numbers gives every name of a schema a number, in the order of the text.
type numbers struct {
	types     map[string]uint16
	relations map[[2]string]uint16
	caveats   map[string]uint16
}

func numbered(s *Schema) numbers {
	n := numbers{make(map[string]uint16), make(map[[2]string]uint16), make(map[string]uint16)}
	for i, d := range s.Definitions {
		n.types[d.Name] = uint16(i + 1)
		for j, m := range d.Members {
			n.relations[[2]string{d.Name, m.MemberName()}] = uint16(j) + firstNumber
		}
	}
	for i, c := range s.Caveats {
		n.caveats[c.Name] = uint16(i + 1)
	}
	return n
}

func (n numbers) CaveatNumber(name string) (uint16, bool) {
	number, ok := n.caveats[name]
	return number, ok
}

func (n numbers) TypeNumber(name string) (uint16, bool) {
	number, ok := n.types[name]
	return number, ok
}

func (n numbers) RelationNumber(typeName, name string) (uint16, bool) {
	number, ok := n.relations[[2]string{typeName, name}]
	return number, ok
}

func mustLoad(t testing.TB, text string) *Schema {
	t.Helper()
	s, err := Load("test.zed", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustCompile(t testing.TB, text string) *Program {
	t.Helper()
	s := mustLoad(t, text)
	p, err := Compile(s, numbered(s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNumbersThatDoNotFitAreRefused(t *testing.T) {
	text := "definition user {}\ndefinition doc {\n\trelation owner: user\n\trelation reader: user\n}\n"
	owner, reader := [2]string{"doc", "owner"}, [2]string{"doc", "reader"}
	cases := map[string]func(numbers){
		"a type without a number":      func(n numbers) { delete(n.types, "doc") },
		"a relation without a number":  func(n numbers) { delete(n.relations, owner) },
		"type number 0":                func(n numbers) { n.types["doc"] = 0 },
		"a relation numbered as self":  func(n numbers) { n.relations[owner] = selfNumber },
		"a relation numbered as user*": func(n numbers) { n.relations[owner] = wildcardNumber },
		"two types with one number":    func(n numbers) { n.types["doc"] = n.types["user"] },
		"two relations with one number": func(n numbers) {
			n.relations[owner] = n.relations[reader]
		},
	}
	for name, spoil := range cases {
		t.Run(name, func(t *testing.T) {
			s := mustLoad(t, text)
			n := numbered(s)
			spoil(n)
			if _, err := Compile(s, n); !errors.Is(err, ErrNumbering) {
				t.Errorf("got %v, want ErrNumbering", err)
			}
		})
	}
}

func TestCompileRefusesWhatCheckRefuses(t *testing.T) {
	s, err := Parse("test.zed", "definition doc {\n\trelation owner: user\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	var problems *Errors
	if _, err := Compile(s, numbered(s)); !errors.As(err, &problems) {
		t.Errorf("got %v, want *Errors for the unknown type", err)
	}
}
