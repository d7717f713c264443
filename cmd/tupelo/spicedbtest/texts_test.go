package spicedbtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// texts makes schemas by the grammar, as their tokens, of a few names each, so that what
// they name is often there, and of the kind that is wanted.
type texts struct {
	*rand.Rand
	flags       []string // that the schema uses
	types       []string
	caveats     []string
	partials    []string
	relations   []string // names that any definition may have
	permissions []string
	careless    bool   // what it refers to may not be there, or not fit
	number      string // of the schema, which its caveats are called after: parameters cannot change
	out         []string
}

// randomText makes a schema, and damages it if that is asked for.
func randomText(rng *rand.Rand, n int, damaged bool) string {
	g := &texts{Rand: rng, careless: rng.IntN(4) == 0, number: fmt.Sprint(n)}
	g.schema()
	if damaged {
		for range 1 + rng.IntN(2) {
			g.damage()
		}
	}
	return g.spelled()
}

// chance is true in one of n cases.
func (g *texts) chance(n int) bool { return g.IntN(n) == 0 }

func (g *texts) put(tokens ...string) { g.out = append(g.out, tokens...) }

func (g *texts) one(of ...string) string { return of[g.IntN(len(of))] }

// end ends a statement.
func (g *texts) end() {
	switch {
	case g.chance(6), g.out[len(g.out)-1] == "..." && !g.slip():
		g.put(";")
	default:
		g.put("\n")
	}
}

// slip is true now and then, if the schema is a careless one.
func (g *texts) slip() bool { return g.careless && g.chance(12) }

// schema makes a whole one.
func (g *texts) schema() {
	often := map[string]int{"expiration": 2, "self": 3, "typechecking": 5, "partial": 6, "import": 60, "deprecation": 60}
	for _, flag := range slices.Sorted(maps.Keys(often)) {
		if g.chance(often[flag]) {
			g.flags = append(g.flags, flag)
		}
	}
	for _, flag := range g.flags {
		g.put("use", flag)
		g.end()
	}
	g.types = g.some(1+g.IntN(4), "user", "team", "doc", "org/user", "acme/inc/doc", "folder", "x2y", "any", strings.Repeat("q", 64), strings.Repeat("p", 63)+"/"+strings.Repeat("d", 63))
	g.relations = g.some(2+g.IntN(3), "reader", "member", "parent", "owner", "all", "any", "use", strings.Repeat("r", 64), "abc_def", "deprecated", "a__b")
	g.permissions = g.some(2+g.IntN(3), "view", "edit", "a_1", "admin", "viewer", "one_more", "r2d2")
	g.caveats = g.some(g.IntN(3), "young", "on_day", "acme/near", "hasIP", "A", "_x")
	if slices.Contains(g.flags, "partial") {
		g.partials = g.some(1+g.IntN(2), "base", "part", "Extra")
	}
	for _, list := range []*[]string{&g.types, &g.relations, &g.permissions, &g.caveats} {
		if g.slip() {
			*list = append(*list, g.one("import", "partial", "self", "expiration", "and", "typechecking", "ab", "_hidden", "__x", "x_", "user", "reader", "view", strings.Repeat("n", 65), "caveat"))
		}
	}
	for i := range g.caveats {
		g.caveats[i] += g.number
		g.caveat(g.caveats[i])
	}
	for _, name := range g.partials {
		g.partial(name)
	}
	for _, name := range g.types {
		g.definition(name)
	}
	if g.slip() {
		g.put("import", g.one(`"./x.zed"`, `'y.zed'`, `"../z.zed"`, `""`))
	}
}

// some are n of the names, each once, the first more often than others.
func (g *texts) some(n int, names ...string) (list []string) {
	for len(list) < n {
		name := names[min(g.IntN(len(names)), g.IntN(len(names)))]
		if !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// definition makes a definition of all the relations and permissions.
func (g *texts) definition(name string) {
	g.open("definition", name)
	included := ""
	if len(g.partials) > 0 && g.chance(2) {
		included = g.one(g.partials...)
		g.put("...", included)
		g.end()
	}
	for i, relation := range g.relations {
		if g.slip() {
			continue
		}
		g.relation(relation, i == len(g.relations)-1)
	}
	for i, permission := range g.permissions {
		if g.slip() {
			continue
		}
		g.permission(permission, g.permissions[:i])
	}
	g.closing()
}

// partial makes a partial, of members that no definition has.
func (g *texts) partial(name string) {
	g.open("partial", name)
	if !g.chance(3) {
		own := "of_" + strings.TrimLeft(strings.ReplaceAll(name, "/", "_"), "_")
		g.relation(own, false)
		g.put("permission", own+"_too", "=", own, g.one("+", "-", "&", "->"), own)
		g.end()
	}
	if g.slip() {
		g.put("...", g.one(g.partials...))
		g.end()
	}
	g.closing()
}

func (g *texts) open(keyword, name string) {
	g.put(keyword, name, "{")
	if !g.chance(8) {
		g.put("\n")
	}
}

func (g *texts) closing() {
	g.put("}")
	if g.chance(3) {
		g.end()
	} else if !g.chance(4) {
		g.put("\n")
	}
}

// relation makes a relation, with wildcards only if it is open.
func (g *texts) relation(name string, open bool) {
	g.put("relation", name, ":")
	var seen []string
	for range 1 + g.IntN(3)*g.IntN(2) {
		before := len(g.out)
		if len(seen) > 0 {
			g.put("|")
		}
		g.subject(open || g.slip())
		kind := strings.Join(g.out[before:], "")
		kind = strings.TrimPrefix(kind, "|")
		if slices.Contains(seen, kind) && !g.slip() {
			g.out = g.out[:before]
		}
		seen = append(seen, kind)
	}
	g.end()
}

// subject makes a type that a relation takes.
func (g *texts) subject(open bool) {
	g.put(g.one(g.types...))
	switch n := g.IntN(8); {
	case n == 0 && open:
		g.put(":", "*")
	case n == 1 && len(g.relations) > 1:
		g.put("#", g.one(g.relations[:len(g.relations)-1]...))
	case n == 2:
		g.put("#", "...")
	case n == 3 && g.slip():
		g.put("#", g.one(g.permissions...))
	}
	switch g.IntN(6) {
	case 0:
		if len(g.caveats) > 0 {
			g.put("with", g.one(g.caveats...))
			if slices.Contains(g.flags, "expiration") && g.chance(2) {
				g.put("and", "expiration")
			}
		}
	case 1:
		if slices.Contains(g.flags, "expiration") || g.slip() {
			g.put("with", "expiration")
		}
	}
}

func (g *texts) permission(name string, before []string) {
	g.put("permission", name)
	if slices.Contains(g.flags, "typechecking") && g.chance(2) || g.slip() {
		named := g.types
		if g.slip() {
			named = g.some(1+g.IntN(len(g.types)), g.types...)
		}
		g.put(":", strings.Join(named, " | "))
	}
	g.put("=")
	g.expression(3, before)
	g.end()
}

func (g *texts) expression(depth int, before []string) {
	g.operand(depth, before)
	for range g.IntN(3) {
		g.put(g.one("+", "+", "&", "-"))
		g.operand(depth, before)
	}
}

func (g *texts) operand(depth int, before []string) {
	switch n := g.IntN(12); {
	case n == 0 && depth > 0:
		g.put("(")
		g.expression(depth-1, before)
		g.put(")")
	case n == 1:
		g.put("nil")
	case n == 2 && slices.Contains(g.flags, "self"):
		g.put("self")
	case n < 5:
		g.put(g.followed(), "->", g.member(g.permissions))
	case n == 5:
		g.put(g.followed(), ".", g.one("any", "all"), "(", g.member(g.permissions), ")")
	default:
		g.put(g.member(before))
	}
}

// followed is the name of a relation without wildcards.
func (g *texts) followed() string {
	if g.slip() {
		return g.member(g.permissions)
	}
	return g.one(g.relations[:len(g.relations)-1]...)
}

// member is the name of a relation or of one of the permissions.
func (g *texts) member(permissions []string) string {
	if len(permissions) > 0 && g.chance(2) {
		return g.one(permissions...)
	}
	return g.one(g.relations...)
}

// conditions are expressions over a parameter of a type.
var conditions = map[string][]string{
	"uint":               {"p > 3", "p == 7u"},
	"int":                {"p > 3", "p == 1 || p < -4", "p % 2 == 0", "p in [1, 2, 3]"},
	"double":             {"p > 1.5", "p < 2.0e3"},
	"bool":               {"p", "!p", "p == true"},
	"string":             {`p == "a{b}"`, `p.startsWith('x')`, `p in ["a", "b"]`, `p.matches("^a+$")`, `p == "it's"`, `size(p) > 2`, `p.contains("//")`},
	"bytes":              {`p == b"ab"`, `size(p) > 3`},
	"duration":           {`p > duration("1h")`, `p == duration('90s')`},
	"timestamp":          {`p > timestamp("2024-01-01T00:00:00Z")`, `p.getFullYear() == 2024`},
	"list<int>":          {"1 in p", "p.all(y, y > 1)", "p.exists(y, y == 2)", "size(p) == 0", "p[0] == 1"},
	"list<string>":       {`"a" in p`, `p.exists_one(y, y == "b")`},
	"list<list<string>>": {`p.exists(y, "a" in y)`},
	"map<string>":        {`p["a"] == "b"`, `"k" in p`, `p.k == "x"`, `has(p.k)`},
	"map<int>":           {`p["a"] == 1`, `p.all(k, p[k] > 0)`},
	"map<any>":           {`p.a == 1`, `p.isSubtreeOf({"a": 1})`},
	"ipaddress":          {`p.in_cidr("10.0.0.0/8")`},
	"any":                {"p == 1", `p.a.b == "c"`, "p > 1"},
	"list<any>":          {"1 in p", `p[0] == "a"`},
	"list<ipaddress>":    {`p.exists(y, y.in_cidr("10.0.0.0/8"))`},
	"map<list<int>>":     {`1 in p["a"]`},
	"list<duration>":     {`p.exists(y, y > duration("1h"))`},
}

// doubtful are those that may not be taken.
var doubtful = map[string][]string{
	"list": {"1 in p"}, "map": {`p["a"] == 1`}, "string<int>": {"p == 1"}, "float": {"p > 1.0"}, "list<int, string>": {"1 in p"}, "number": {"p > 1"},
	"int": {"p == 1.0", "p", `p == "a"`, "p > 1u", "p + 1", "1 == 1", "p > q", "", "p >", "p > 3 }", "p > 3 {", "{p: 1}", "timestamp(p) > timestamp(1)", "p > 9223372036854775808"},
	"any": {"p", "!p", "p + 1", "type(p) == int"}, "ipaddress": {`p == ipaddress("1.2.3.4")`, `p == "1.2.3.4"`}, "list<string>": {"p.isSubtreeOf(p)", "p.map(y, y)", `p.filter(y, y == "a") == []`, "p[0]"},
	"map<any>": {"p.a", "p.a.b.c", "p"}, "string": {"p.foo()", "p.lowerAscii() == p", `p.matches("[")`, `p == "\q"`, `p == r"\q"`, `p == """a
}"""`, "p == 'a' // it's }", "p[0] == 'a'"}, "bool": {"p ? true : false", "p == null", "p && p || p", "p // all\n"},
	"double": {"p > 1", "int(p) > 1", "p == 1.0 / 0.0"}, "duration": {`p > "1h"`, `p > duration("x")`}, "timestamp": {"p > now()", "p - p > duration('1h')"},
}

// caveat makes a caveat of one to three parameters, each of which is used.
func (g *texts) caveat(name string) {
	of := conditions
	if g.careless && g.chance(2) {
		of = doubtful
	}
	kinds := slices.Sorted(maps.Keys(of))
	g.put("caveat", name, "(")
	var parts []string
	for i := range 1 + g.IntN(3) {
		if i > 0 {
			g.put(",")
		}
		kind, param := g.one(kinds...), g.one("age", "_place", "day", "Zone", "x", "now", "size2", "any")+strings.Repeat("_", i)
		if g.slip() {
			param = g.one("self", "int", "with", "expiration", "null", "in", "size", "true", "var", "age")
		}
		g.put(param, kind)
		parts = append(parts, renamed(g.one(of[kind]...), param))
	}
	g.put(")", "{")
	if g.chance(10) {
		g.put(g.one("/* why */", "// why }\n"))
	}
	g.put(strings.Join(parts, g.one(" && ", " || ", " ? true : ", "\n\t&& ", " && \n", " != ")))
	g.put("}", "\n")
}

// renamed is an expression over p as one over another name.
func renamed(expression, param string) string {
	var b strings.Builder
	for i := range len(expression) {
		alone := (i == 0 || !letter(expression[i-1])) && (i+1 == len(expression) || !letter(expression[i+1]))
		if expression[i] == 'p' && alone {
			b.WriteString(param)
			continue
		}
		b.WriteByte(expression[i])
	}
	return b.String()
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || c == '_' || c == '"' || c == '\'' }

// damage changes a token, or where it stands.
func (g *texts) damage() {
	i := g.IntN(len(g.out))
	switch g.IntN(9) {
	case 0, 1:
		g.out = slices.Delete(g.out, i, i+1)
	case 2:
		g.out = slices.Insert(g.out, i, g.out[i])
	case 3:
		j := g.IntN(len(g.out))
		g.out[i], g.out[j] = g.out[j], g.out[i]
	case 4, 5:
		g.out[i] = g.odd()
	case 6:
		g.out = slices.Insert(g.out, i, g.odd())
	case 7:
		if word := g.out[i]; word != "" {
			at := g.IntN(len(word))
			g.out[i] = word[:at] + g.one("", "_", "X", "é", " ", "0", "\x00", "\u00a0", "-", "/", "'", `"`, "\r", "\f") + word[at+g.IntN(2):]
		}
	case 8:
		g.out = g.out[:i+1]
	}
}

// odd is a token that may fit nowhere.
func (g *texts) odd() string {
	return g.one("definition", "relation", "permission", "caveat", "with", "nil", "self", "use", "import", "partial", "and", "expiration", "all", "any", "...", ";", ";\n;", "{", "}", "(", ")", "[", "]", "<", ">",
		"+", "-", "&", "|", "||", "&&", "->", "-", "=", "==", ":", "::", "*", "#", "/", "//", "/*", "*/", "@", "@deprecated(warn)", "$", "%", "!", "?", ".", ",", "\n", "\n\n", "\r\n", "x", "User", "user", "team", "reader", "view", "über", "日本", "1", "1a", "a1", "ab", "_", "__", "___", "a_", `"text"`, `'text'`, "`", "\\", "~", "^",
		strings.Repeat("n", 65), "\t", "\v", "\ufeff", "true", "false", "null", "user:*", "user#member", "expiration", "_x", "relation\n", "reader\n->\nview")
}

// spelled joins the tokens by what may stand between them.
func (g *texts) spelled() string {
	var b strings.Builder
	if g.chance(10) {
		b.WriteString(g.one("\n", "// top\n", "/* top */", " ", "/** top\n * more\n */\n", "\ufeff"))
	}
	between := 4 + g.IntN(60)
	if !g.careless || g.chance(2) {
		between = 1000
	}
	for i, token := range g.out {
		b.WriteString(token)
		switch {
		case i+1 < len(g.out) && glued(token, g.out[i+1]) && !g.chance(between):
		case g.chance(between):
			b.WriteString(g.one("\n", " \n\t", "\r\n", "/* é */", " // x\n", "/** doc */", " /* a\n b */ ", "\t", "  ", "\n\n", "/**/", "//\n", " /***/ ", "\r"))
		default:
			b.WriteString(" ")
		}
	}
	return b.String()
}

// glued reports whether two tokens are written without a blank.
func glued(token, next string) bool {
	return strings.Contains(":#/.->(\n", token) || strings.Contains(":#/.->()\n;,", next) && next != "/"
}
