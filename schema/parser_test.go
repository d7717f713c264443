package schema

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// problemsOf returns the problems of a text that does not load.
func problemsOf(t *testing.T, text string) *Errors {
	t.Helper()
	_, err := Load("test.zed", text)
	var problems *Errors
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want *Errors", err)
	}
	return problems
}

// spell writes an expression with parentheses around every operation.
func spell(e Expr) string {
	switch e := e.(type) {
	case *Ref:
		return e.Name
	case *Arrow:
		return e.String()
	case *Itself:
		return "self"
	case *Binary:
		return "(" + spell(e.Left) + " " + e.Op.String() + " " + spell(e.Right) + ")"
	}
	return "nil"
}

func TestUnionBindsTightestThenIntersectionThenExclusion(t *testing.T) {
	cases := map[string]string{
		"aaa":                             "aaa",
		"aaa + bbb + ccc":                 "((aaa + bbb) + ccc)",
		"aaa & bbb & ccc":                 "((aaa & bbb) & ccc)",
		"aaa - bbb - ccc":                 "((aaa - bbb) - ccc)",
		"aaa + bbb & ccc":                 "((aaa + bbb) & ccc)",
		"aaa & bbb + ccc":                 "(aaa & (bbb + ccc))",
		"aaa - bbb & ccc":                 "(aaa - (bbb & ccc))",
		"aaa & bbb - ccc":                 "((aaa & bbb) - ccc)",
		"aaa - bbb + ccc":                 "(aaa - (bbb + ccc))",
		"aaa + bbb - ccc":                 "((aaa + bbb) - ccc)",
		"aaa + bbb & ccc - ddd & eee + f": "(((aaa + bbb) & ccc) - (ddd & (eee + f)))",
		"aaa - (bbb - ccc)":               "(aaa - (bbb - ccc))",
		"(aaa - bbb) + ccc":               "((aaa - bbb) + ccc)",
		"aaa + (bbb + ccc)":               "(aaa + (bbb + ccc))",
		"((aaa))":                         "aaa",
		"aaa->bbb + nil - ccc->ddd":       "((aaa->bbb + nil) - ccc->ddd)",
		"aaa-bbb":                         "(aaa - bbb)",
		"aaa->bbb-ccc":                    "(aaa->bbb - ccc)",
	}
	for text, want := range cases {
		s, err := Parse("test.zed", "definition doc {\npermission all = "+text+"\n}")
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		m, _ := s.Definitions[0].Member("all")
		if got := spell(m.(*Permission).Expr); got != want {
			t.Errorf("%s is read as %s, want %s", text, got, want)
		}
	}
}

func TestAStatementGoesOnWhereSomethingIsPending(t *testing.T) {
	mustLoad(t, "definition user {}\n\n;definition doc {\n"+
		"relation one:\n\nuser |\nuser:*\n"+
		"relation two: user; relation three: user#...\n"+
		"relation four: doc;;;\n"+
		"permission five =\n(\none +\n// why\ntwo &\n\n(four->\ntwo)) -\nnil\r\n"+
		"permission six = one; permission seven = two;}definition bot {}")
}

func TestTheTreeHasPositions(t *testing.T) {
	s := mustLoad(t, "definition user {}\ndefinition git/team {\n\trelation member: user | git/team#member\n\tpermission all = member + (nil - member)\n\trelation upp: git/team; permission upper = upp->all\n}\n")
	d, _ := s.Definition("git/team")
	places := map[string]Position{
		"2:12": d.Pos,
		"3:11": d.Members[0].MemberPos(),
		"3:19": d.Members[0].(*Relation).Types[0].Pos,
		"3:26": d.Members[0].(*Relation).Types[1].Pos,
		"3:35": d.Members[0].(*Relation).Types[1].RelationPos,
		"4:13": d.Members[1].MemberPos(),
		"4:26": d.Members[1].(*Permission).Expr.ExprPos(),
		"4:19": d.Members[1].(*Permission).Expr.(*Binary).Left.ExprPos(),
		"4:29": d.Members[1].(*Permission).Expr.(*Binary).Right.(*Binary).Left.ExprPos(),
		"5:45": d.Members[3].(*Permission).Expr.ExprPos(),
		"5:50": d.Members[3].(*Permission).Expr.(*Arrow).TargetPos,
	}
	for want, pos := range places {
		if got := fmt.Sprintf("%d:%d", pos.Line, pos.Column); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestTheTreeIsPleasantToWalk(t *testing.T) {
	s := mustLoad(t, "definition user {}\ndefinition doc {\n\trelation owner: user | user:* | doc#read\n\tpermission read = owner\n\trelation parent: doc\n}\n")
	d, ok := s.Definition("doc")
	if !ok {
		t.Fatal("no doc")
	}
	if diff := cmp.Diff([]string{"owner", "read", "parent"}, d.MemberNames()); diff != "" {
		t.Error(diff)
	}
	var relations, permissions, types []string
	for r := range d.Relations() {
		relations = append(relations, r.Name)
		for _, ref := range r.Types {
			types = append(types, ref.String())
		}
	}
	for p := range d.Permissions() {
		permissions = append(permissions, p.Name)
	}
	if diff := cmp.Diff([][]string{{"owner", "parent"}, {"read"}, {"user", "user:*", "doc#read", "doc"}}, [][]string{relations, permissions, types}); diff != "" {
		t.Error(diff)
	}
	for r := range d.Relations() {
		if r.Name != "owner" {
			t.Error("a walk that was broken off goes on")
		}
		break
	}
	if _, ok := s.Definition("dock"); ok {
		t.Error("found a definition that is not there")
	}
	if _, ok := d.Member("ownr"); ok {
		t.Error("found a member that is not there")
	}
}

func TestATextThatIsTooLongIsNotRead(t *testing.T) {
	filler := strings.Repeat(" ", MaxTextBytes-len("definition user {}"))
	mustLoad(t, "definition user {}"+filler)
	problems := problemsOf(t, "definition user {}"+filler+" ")
	if want := "test.zed: the schema has 1048577 bytes, at most 1048576 are allowed"; problems.Error() != want {
		t.Errorf("got %s", problems)
	}
}

func TestATextThatIsNotUTF8IsNotRead(t *testing.T) {
	problems := problemsOf(t, "definition user {}\n// \uFFFD is a character, \xff is none\n")
	want := "test.zed:2:24: the text is not valid UTF-8\n    // \uFFFD is a character, \uFFFD is none\n                         ^"
	if diff := cmp.Diff(want, problems.Error()); diff != "" {
		t.Error(diff)
	}
}

// permission returns a schema with one permission of the given expression.
func permission(expression string) string {
	return "definition user {}\ndefinition doc {\nrelation own: user\npermission all = " + expression + "\n}"
}

func TestParenthesesNestSoDeepAndNoDeeper(t *testing.T) {
	nested := func(depth int) string {
		return strings.Repeat("(", depth) + "own" + strings.Repeat(")", depth)
	}
	// right nests without parentheses, as operators bind differently.
	right := func(depth int) string {
		return strings.Repeat("own - (own & (", depth/2) + "own + own" + strings.Repeat("))", depth/2)
	}
	mustLoad(t, permission(nested(MaxNesting)))
	mustLoad(t, permission(strings.Repeat("(own) - ", MaxNesting+1)+"own"))
	s := mustLoad(t, permission(right(MaxNesting-2)+" - own & own + own"))
	mustLoad(t, Format(s))
	for _, expression := range []string{nested(MaxNesting + 1), nested(100_000), strings.Repeat("(", 100_000), right(MaxNesting + 2)} {
		if got := problemsOf(t, permission(expression)); len(got.Problems) != 1 || !strings.Contains(got.Error(), "nest deeper") {
			t.Errorf("%.20s…: %.200s", expression, got)
		}
	}
	// Format would need one more level than the text has.
	deep := strings.Repeat("own & own + (", MaxNesting) + "own" + strings.Repeat(")", MaxNesting)
	if got := problemsOf(t, permission(deep)); !strings.Contains(got.Error(), "nest deeper") {
		t.Errorf("%.200s", got)
	}
}

func TestAPermissionHasSoManyOperandsAndNoMore(t *testing.T) {
	chain := func(n int) string { return strings.Repeat("own + ", n-1) + "own" }
	s := mustLoad(t, permission(chain(MaxOperands)))
	p, err := Compile(s, numbered(s))
	if err != nil {
		t.Fatal(err)
	}
	if got := len(p.Nodes[p.Slots[1].Root].Operands); got != MaxOperands {
		t.Errorf("the union has %d operands, want %d", got, MaxOperands)
	}
	mustLoad(t, Format(s))
	if got := problemsOf(t, permission(chain(MaxOperands+1))); !strings.Contains(got.Error(), "more than 4096 operands") {
		t.Errorf("%.200s", got)
	}
}

func TestASchemaHasSoManyMembersAndNoMore(t *testing.T) {
	members := func(n int) string {
		var b strings.Builder
		b.WriteString("definition user {}\ndefinition doc {\n")
		for i := range n {
			fmt.Fprintf(&b, "relation r%04d: user\n", i)
		}
		return b.String() + "}"
	}
	mustLoad(t, members(MaxMembers))
	if got := problemsOf(t, members(MaxMembers+1)); !strings.Contains(got.Error(), "5001 relations and permissions, at most 5000") {
		t.Errorf("%.200s", got)
	}
	var b strings.Builder
	for i := range MaxDefinitions + 1 {
		fmt.Fprintf(&b, "definition d%04d {}\n", i)
	}
	if got := problemsOf(t, b.String()); !strings.Contains(got.Error(), "5001 definitions, at most 5000") {
		t.Errorf("%.200s", got)
	}
}

func TestTheArrowsOfASchemaLeadToSoManyTypesAndNoMore(t *testing.T) {
	const types = 1024
	var b strings.Builder
	restrictions := make([]string, types)
	for i := range types {
		restrictions[i] = fmt.Sprintf("d%04d", i)
		fmt.Fprintf(&b, "definition %s {\nrelation own: %s\n}\n", restrictions[i], restrictions[i])
	}
	schema := func(arrows int) string {
		return b.String() + "definition doc {\nrelation all: " + strings.Join(restrictions, "|") + "\npermission any = " +
			strings.Repeat("all->own +\n", arrows-1) + "all->own\n}"
	}
	mustLoad(t, schema(MaxArrowTargets/types))
	if got := problemsOf(t, schema(MaxArrowTargets/types+1)); !strings.Contains(got.Error(), "lead to 1049600 types in all") {
		t.Errorf("%.200s", got)
	}
}

func TestProblemsBeyondTheShownAreCounted(t *testing.T) {
	text := "definition doc {\n" + strings.Repeat("relation\n", 3000) + "}"
	problems := problemsOf(t, text)
	if len(problems.Problems) != maxShownProblems || problems.Omitted != 3000-maxShownProblems {
		t.Errorf("%d shown, %d omitted of 3000", len(problems.Problems), problems.Omitted)
	}
	if got := problems.Error(); !strings.HasSuffix(got, "\nand 2980 more") {
		t.Errorf("…%s", got[len(got)-40:])
	}
}

func TestOfVeryManyProblemsThoseShownHaveHints(t *testing.T) {
	var b strings.Builder
	b.WriteString("definition user {}\ndefinition doc {\n")
	for i := range MaxMembers - 1 {
		fmt.Fprintf(&b, "relation a_relation_with_a_name_as_long_as_names_can_be_%08d: user\n", i)
	}
	b.WriteString("permission all = ")
	for i := range MaxOperands - 1 {
		fmt.Fprintf(&b, "a_relation_with_a_name_as_long_as_names_can_be_x%07d +\n", i)
	}
	b.WriteString("nil\n}")
	problems := problemsOf(t, b.String())
	if problems.Problems[0].Hint == "" || problems.Omitted != MaxOperands-1-maxShownProblems {
		t.Errorf("hint %q, %d omitted", problems.Problems[0].Hint, problems.Omitted)
	}
}

func TestATreeWithoutATextHasProblemsWithoutPlaces(t *testing.T) {
	s := &Schema{Definitions: []*Definition{
		{Name: "doc", Body: Body{Members: []Member{
			&Relation{Name: "owner", Types: []*TypeRef{{Type: "user"}, {Type: "doc", Relation: "owner", Wildcard: true}}},
			&Relation{Name: "empty"},
			&Permission{Name: "none"},
			&Permission{Name: "half", Expr: &Binary{Op: Union, Left: &Ref{Name: "owner"}}},
			&Permission{Name: "follow", Expr: &Arrow{Relation: "empty", Target: "owner"}},
		}}},
		{Name: "doc"},
	}}
	want := strings.Join([]string{
		"`doc` is defined twice",
		"unknown type `user`",
		"relation `owner`: the wildcard `doc:*` cannot have a relation",
		"relation `empty` has no type restriction",
		"permission `none` lacks an expression or an operand",
		"permission `half` lacks an expression or an operand",
	}, "\n")
	err := Check(s)
	if err == nil {
		t.Fatal("the schema passes")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
