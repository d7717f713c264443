package caveat

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// The oracle evaluates random expressions from the definition of CEL's operators:
// on values, on errors, and on what is missing. It shares no code with what it is
// the oracle of.

// parameters of all random expressions.
var randomParams = []Param{
	{"b0", scalar("bool")}, {"b1", scalar("bool")}, {"i0", scalar("int")}, {"i1", scalar("int")},
	{"l0", generic("list", "int")}, {"m0", generic("map", "int")},
}

// expr is an expression: an operator and its operands, or a name, or a literal.
type expr struct {
	op    string
	args  []*expr
	name  string
	value any
}

// outcome is what an expression comes to: a value, an error, or what is missing.
type outcome struct {
	value   any
	failed  bool
	missing map[string]bool
}

func (o outcome) known() bool { return !o.failed && o.missing == nil }

func (o outcome) String() string {
	switch {
	case o.failed:
		return "error"
	case o.missing != nil:
		return fmt.Sprint("conditional ", slices.Sorted(maps.Keys(o.missing)))
	case o.value == true:
		return "yes"
	default:
		return "no"
	}
}

func merge(outcomes ...outcome) outcome {
	merged := outcome{missing: make(map[string]bool)}
	for _, o := range outcomes {
		maps.Copy(merged.missing, o.missing)
	}
	return merged
}

var failure = outcome{failed: true}

func (e *expr) String() string {
	operand := func(i int) string { return e.args[i].String() }
	switch e.op {
	case "name":
		return e.name
	case "literal":
		return fmt.Sprint(e.value)
	case "!":
		return "!(" + operand(0) + ")"
	case "?":
		return fmt.Sprintf("(%s ? %s : %s)", operand(0), operand(1), operand(2))
	case "size":
		return "size(" + operand(0) + ")"
	case "list":
		return fmt.Sprintf("[%s, %s]", operand(0), operand(1))
	case "index":
		return fmt.Sprintf("l0[%s]", operand(0))
	case "select":
		return "m0." + e.name
	case "has":
		return "has(m0." + e.name + ")"
	case "exists", "all":
		return fmt.Sprintf("l0.%s(%s, %s)", e.op, e.name, operand(0))
	default:
		return fmt.Sprintf("(%s %s %s)", operand(0), e.op, operand(1))
	}
}

// names adds the parameters that an expression mentions.
func (e *expr) names(to map[string]bool) {
	switch e.op {
	case "name":
		to[e.name] = true
	case "index", "exists", "all":
		to["l0"] = true
	case "select", "has":
		to["m0"] = true
	}
	for _, arg := range e.args {
		arg.names(to)
	}
}

func (e *expr) eval(env map[string]any) outcome {
	named := func(name string) outcome {
		if v, ok := env[name]; ok {
			return outcome{value: v}
		}
		return outcome{missing: map[string]bool{name: true}}
	}
	switch e.op {
	case "name":
		return named(e.name)
	case "literal":
		return outcome{value: e.value}
	case "&&", "||":
		return decide(e.op == "||", e.args[0].eval(env), e.args[1].eval(env))
	case "exists", "all":
		return e.loop(named("l0"), env)
	case "?":
		condition := e.args[0].eval(env)
		switch {
		case !condition.known():
			return condition
		case condition.value == true:
			return e.args[1].eval(env)
		default:
			return e.args[2].eval(env)
		}
	case "index":
		return e.index(named("l0"), env)
	case "select", "has":
		return e.member(named("m0"))
	default:
		var operands []outcome
		for _, arg := range e.args {
			operands = append(operands, arg.eval(env))
		}
		return strict(e.op, operands)
	}
}

// decide is || if winner is true, else &&: a winner wins, then what is missing,
// then an error.
func decide(winner bool, operands ...outcome) outcome {
	result := outcome{value: !winner}
	for _, o := range operands {
		switch {
		case o.known() && o.value == winner:
			return o
		case o.missing != nil && result.missing != nil:
			result = merge(result, o)
		case o.missing != nil || o.failed && result.missing == nil:
			result = o
		}
	}
	return result
}

func (e *expr) loop(list outcome, env map[string]any) outcome {
	if !list.known() {
		return list
	}
	var bodies []outcome
	for _, element := range list.value.([]any) {
		inner := maps.Clone(env)
		inner[e.name] = element
		bodies = append(bodies, e.args[0].eval(inner))
	}
	return decide(e.op == "exists", bodies...)
}

// index evaluates its operand only where the list is known.
func (e *expr) index(list outcome, env map[string]any) outcome {
	if !list.known() {
		return list
	}
	i := e.args[0].eval(env)
	if !i.known() {
		return i
	}
	elements, at := list.value.([]any), i.value.(int64)
	if at < 0 || at >= int64(len(elements)) {
		return failure
	}
	return outcome{value: elements[at]}
}

func (e *expr) member(m outcome) outcome {
	if !m.known() {
		return m
	}
	v, ok := m.value.(map[string]any)[e.name]
	switch {
	case e.op == "has":
		return outcome{value: ok}
	case !ok:
		return failure
	default:
		return outcome{value: v}
	}
}

// strict operators have a value only if their operands have. An error in front of
// what is missing is an error; so is any error of == and of a list.
func strict(op string, operands []outcome) outcome {
	var missing []outcome
	for _, o := range operands {
		if o.failed && (len(missing) == 0 || op == "==" || op == "list") {
			return o
		}
		if o.missing != nil {
			missing = append(missing, o)
		}
	}
	if len(missing) > 0 {
		return merge(missing...)
	}
	a := operands[0].value
	switch op {
	case "!":
		return outcome{value: a != true}
	case "size":
		return outcome{value: int64(len(a.([]any)))}
	}
	b := operands[1].value
	switch op {
	case "list":
		return outcome{value: []any{a, b}}
	case "==":
		return outcome{value: a == b}
	case "in":
		return outcome{value: slices.Contains(b.([]any), a)}
	}
	x, y := a.(int64), b.(int64)
	switch {
	case op == "<":
		return outcome{value: x < y}
	case op == "+":
		return outcome{value: x + y}
	case y == 0:
		return failure
	default:
		return outcome{value: x / y}
	}
}

// maker makes random expressions.
type maker struct {
	*rand.Rand
	loops int // around what is made, whose variables it may use
}

func (m *maker) name() string { return string('x' + rune(m.loops)) }

func (m *maker) boolean(depth int) *expr {
	if depth == 0 {
		return []*expr{
			{op: "name", name: "b0"}, {op: "name", name: "b1"}, {op: "literal", value: m.IntN(2) == 0}, {op: "has", name: m.key()},
		}[m.IntN(4)]
	}
	switch m.IntN(10) {
	case 0, 1:
		return &expr{op: "&&", args: []*expr{m.boolean(depth - 1), m.boolean(depth - 1)}}
	case 2, 3:
		return &expr{op: "||", args: []*expr{m.boolean(depth - 1), m.boolean(depth - 1)}}
	case 4:
		return &expr{op: "!", args: []*expr{m.boolean(depth - 1)}}
	case 5:
		return &expr{op: "?", args: []*expr{m.boolean(depth - 1), m.boolean(depth - 1), m.boolean(depth - 1)}}
	case 6:
		return &expr{op: "in", args: []*expr{m.integer(depth - 1), m.list(depth - 1)}}
	case 7:
		if m.loops == 2 {
			return m.boolean(depth - 1)
		}
		name := m.name()
		m.loops++
		body := m.boolean(depth - 1)
		m.loops--
		return &expr{op: []string{"exists", "all"}[m.IntN(2)], name: name, args: []*expr{body}}
	default:
		return &expr{op: []string{"==", "<"}[m.IntN(2)], args: []*expr{m.integer(depth - 1), m.integer(depth - 1)}}
	}
}

func (m *maker) integer(depth int) *expr {
	if depth == 0 {
		leaves := []*expr{
			{op: "name", name: "i0"}, {op: "name", name: "i1"}, {op: "literal", value: m.Int64N(3)}, {op: "select", name: m.key()},
		}
		if m.loops > 0 {
			leaves = append(leaves, &expr{op: "name", name: string('x' + rune(m.IntN(m.loops)))})
		}
		return leaves[m.IntN(len(leaves))]
	}
	switch m.IntN(5) {
	case 0:
		return &expr{op: "?", args: []*expr{m.boolean(depth - 1), m.integer(depth - 1), m.integer(depth - 1)}}
	case 1:
		return &expr{op: "index", args: []*expr{m.integer(depth - 1)}}
	case 2:
		return &expr{op: "size", args: []*expr{m.list(depth - 1)}}
	default:
		return &expr{op: []string{"+", "/"}[m.IntN(2)], args: []*expr{m.integer(depth - 1), m.integer(depth - 1)}}
	}
}

func (m *maker) list(depth int) *expr {
	if depth == 0 || m.IntN(2) == 0 {
		return &expr{op: "name", name: "l0"}
	}
	return &expr{op: "list", args: []*expr{m.integer(depth - 1), m.integer(depth - 1)}}
}

func (m *maker) key() string { return string('p' + rune(m.IntN(2))) }

// values makes a value for each of some parameters.
func (m *maker) values(params []Param) map[string]any {
	values := make(map[string]any)
	for _, p := range params {
		switch p.Name[0] {
		case 'b':
			values[p.Name] = m.IntN(2) == 0
		case 'i':
			values[p.Name] = m.Int64N(3)
		case 'l':
			list := make([]any, m.IntN(4))
			for i := range list {
				list[i] = m.Int64N(3)
			}
			values[p.Name] = list
		case 'm':
			entries := make(map[string]any)
			for range m.IntN(3) {
				entries[m.key()] = m.Int64N(3)
			}
			values[p.Name] = entries
		}
	}
	return values
}

// caveat makes an expression, and the parameters that it mentions.
func (m *maker) caveat() (*expr, []Param) {
	for {
		e := m.boolean(1 + m.IntN(5))
		names := make(map[string]bool)
		e.names(names)
		var params []Param
		for _, p := range randomParams {
			if names[p.Name] {
				params = append(params, p)
			}
		}
		if len(params) > 0 && !strings.Contains(e.String(), "true in") {
			return e, params
		}
	}
}
