package caveat

import (
	"errors"
	"slices"
	"testing"
)

func TestTypesAreValidWithTheirArgumentsOnly(t *testing.T) {
	deep := scalar("int")
	for range maxTypeDepth {
		deep = Type{Name: "list", Args: []Type{deep}}
	}
	for _, test := range []struct {
		typ  Type
		text string
		want string // "": valid
	}{
		{scalar("int"), "int", ""},
		{scalar("ipaddress"), "ipaddress", ""},
		{generic("list", "string"), "list<string>", ""},
		{Type{Name: "map", Args: []Type{generic("list", "any")}}, "map<list<any>>", ""},
		{Type{}, "", "unknown type ``"},
		{scalar("Int"), "Int", "unknown type `Int`"},
		{scalar("map"), "map", "type `map` takes one argument, as in `map<string>`, found 0"},
		{Type{Name: "map", Args: []Type{scalar("string"), scalar("int")}}, "map<string, int>", "type `map` takes one argument, as in `map<string>`, found 2"},
		{generic("int", "int"), "int<int>", "type `int` takes no argument, found 1"},
		{generic("list", "ip"), "list<ip>", "unknown type `ip`"},
		{deep.Args[0], deep.Args[0].String(), ""},
		{deep, deep.String(), "types nest at most 16 deep"},
	} {
		if got := test.typ.String(); got != test.text {
			t.Errorf("got %s, want %s", got, test.text)
		}
		err := test.typ.Validate()
		if test.want == "" {
			if err != nil {
				t.Errorf("%s: %v", test.text, err)
			}
			continue
		}
		var wrong *TypeError
		if !errors.As(err, &wrong) || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.text, err, test.want)
		}
	}
}

func TestEveryTypeThatIsNamedIsOne(t *testing.T) {
	names := TypeNames()
	if len(names) != 12 || !slices.IsSorted(names) {
		t.Errorf("got %v", names)
	}
	for _, name := range names {
		if scalar(name).Validate() != nil && generic(name, "any").Validate() != nil {
			t.Errorf("%s is not valid", name)
		}
		if wants[name] == "" {
			t.Errorf("%s has no words for errors", name)
		}
	}
}
