package caveat

import (
	"strings"

	"cel.dev/cel-go/cel"
)

// Type is the type of a parameter: a name, and for list and map the type of the
// elements.
type Type struct {
	Name string
	Args []Type
}

// maxTypeDepth bounds how deep types nest.
const maxTypeDepth = 16

// typeNames are all types there are, with the number of their arguments.
var typeNames = []struct {
	name string
	args int
}{
	{"any", 0},
	{"bool", 0},
	{"bytes", 0},
	{"double", 0},
	{"duration", 0},
	{"int", 0},
	{"ipaddress", 0},
	{"list", 1},
	{"map", 1},
	{"string", 0},
	{"timestamp", 0},
	{"uint", 0},
}

// TypeNames returns the names of all types, sorted, for those who want to
// suggest one.
func TypeNames() []string {
	var names []string
	for _, t := range typeNames {
		names = append(names, t.name)
	}
	return names
}

// String returns the type as it is written in a schema.
func (t Type) String() string {
	if len(t.Args) == 0 {
		return t.Name
	}
	var args []string
	for _, arg := range t.Args {
		args = append(args, arg.String())
	}
	return t.Name + "<" + strings.Join(args, ", ") + ">"
}

// Validate returns a *[TypeError] unless the type is one that parameters can have.
func (t Type) Validate() error {
	if err := t.problem(0); err != nil {
		return err
	}
	return nil
}

func (t Type) problem(depth int) *TypeError {
	if depth >= maxTypeDepth {
		return &TypeError{Name: t.Name, Kind: TypeTooDeep}
	}
	for _, known := range typeNames {
		if known.name != t.Name {
			continue
		}
		if len(t.Args) != known.args {
			return &TypeError{Name: t.Name, Kind: WrongArguments, Want: known.args, Got: len(t.Args)}
		}
		for _, arg := range t.Args {
			if err := arg.problem(depth + 1); err != nil {
				return err
			}
		}
		return nil
	}
	return &TypeError{Name: t.Name, Kind: UnknownType}
}

// cel returns what CEL's type checker takes a valid type for.
func (t Type) cel() *cel.Type {
	switch t.Name {
	case "bool":
		return cel.BoolType
	case "bytes":
		return cel.BytesType
	case "double":
		return cel.DoubleType
	case "duration":
		return cel.DurationType
	case "int", "uint": // SpiceDB's uint is an int to CEL, so that `n < 5` needs no `5u`
		return cel.IntType
	case "ipaddress":
		return addressType
	case "list":
		return cel.ListType(t.Args[0].cel())
	case "map":
		return cel.MapType(cel.StringType, t.Args[0].cel())
	case "string":
		return cel.StringType
	case "timestamp":
		return cel.TimestampType
	default:
		return cel.DynType
	}
}
