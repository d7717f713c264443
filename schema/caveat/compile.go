package caveat

import (
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	_ "time/tzdata" // for getHours("Europe/Berlin") where the system has no time zones

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/operators"
	"cel.dev/cel-go/common/types"
)

// Limits on a caveat. No caveat that SpiceDB stores comes near to them.
const (
	MaxExpressionBytes = 8 << 10
	MaxParameters      = 64
	maxNameBytes       = 64
	maxNesting         = 16 // of lists, maps, loops and calls: CEL's type checker takes the cube
)

// Param is a parameter of a caveat.
type Param struct {
	Name string
	Type Type
}

// Caveat is a compiled caveat. It is immutable, and safe for concurrent use.
type Caveat struct {
	params      []Param
	index       map[string]int // of params by name
	unknown     []*types.Unknown
	ast         *cel.Ast
	plain       cel.Program // for contexts up to cheapBytes
	counted     cel.Program // for larger ones, with a limit on its steps
	cheapBytes  int
	source      string // the expression as it was given
	expression  string
	fingerprint [sha256.Size]byte
	activations sync.Pool
}

// Compile makes a caveat of its parameters and its expression. It returns an
// *[Error] if they do not make one.
func Compile(params []Param, expression string) (*Caveat, error) {
	c := &Caveat{params: slices.Clone(params), source: expression, index: make(map[string]int, len(params))}
	problems := newProblems(expression)
	c.declare(problems)
	if !problems.found() {
		c.check(expression, problems)
	}
	if err := problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Params returns the parameters, in the order of their declaration.
func (c *Caveat) Params() []Param { return slices.Clone(c.params) }

// Expression returns the expression in one way of writing it: two that differ in
// spaces, comments and needless parentheses only have the same. A long one is wrapped
// where CEL's own printer does it, as clients of SpiceDB know it.
func (c *Caveat) Expression() string { return c.expression }

// Fingerprint is the same for two caveats if their expressions are and their
// parameters are, in whatever order.
func (c *Caveat) Fingerprint() [sha256.Size]byte { return c.fingerprint }

// declare takes the parameters, or says what is wrong with them.
func (c *Caveat) declare(problems *problems) {
	if n := len(c.params); n == 0 || n > MaxParameters {
		problems.whole("a caveat has between 1 and %d parameters, not %d", MaxParameters, n)
		return
	}
	for i, p := range c.params {
		if wrong := parameterProblem(p); wrong != "" {
			problems.parameter(p.Name, wrong)
		} else if _, again := c.index[p.Name]; again {
			problems.parameter(p.Name, "is declared twice")
		}
		c.index[p.Name] = i
		c.unknown = append(c.unknown, types.NewUnknown(int64(i)+1, types.NewAttributeTrail(p.Name)))
	}
}

// notNames are the words that CEL keeps for itself. A parameter so called could
// not be used; one that is called like a type or function of CEL's can.
var notNames = []string{
	"as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in", "let", "loop",
	"namespace", "null", "package", "return", "true", "var", "void", "while",
}

func parameterProblem(p Param) string {
	switch {
	case p.Name == "":
		return "has no name"
	case len(p.Name) > maxNameBytes:
		return fmt.Sprintf("has a name of %d bytes, and %d are allowed", len(p.Name), maxNameBytes)
	case slices.Contains(notNames, p.Name):
		return "has a name that is a reserved word of CEL"
	}
	for i := range len(p.Name) {
		letter := p.Name[i] == '_' || 'a' <= p.Name[i]|0x20 && p.Name[i]|0x20 <= 'z'
		if digit := '0' <= p.Name[i] && p.Name[i] <= '9'; !letter && (!digit || i == 0) {
			return "has a name with other characters than letters, digits and `_`"
		}
	}
	if err := p.Type.Validate(); err != nil {
		return "has a bad type: " + err.Error()
	}
	return ""
}

// baseEnv is what all expressions have in common.
var baseEnv = sync.OnceValues(func() (*cel.Env, error) {
	return cel.NewEnv(
		inCIDR(), isSubtreeOf(),
		cel.DefaultUTCTimeZone(true),
		cel.OptionalTypes(cel.OptionalTypesVersion(0)),
		cel.EnableMacroCallTracking(), // so that the expression can be written again as it was
		cel.RegexProgramSizeLimit(maxRegexSize),
		cel.ASTValidators(cel.ValidateRegexLiterals(), cel.ValidateDurationLiterals(), cel.ValidateTimestampLiterals()),
		cel.CostSizingStrategy(cost.AggregateSizingStrategy()),
	)
})

// check compiles the expression, or says what is wrong with it.
func (c *Caveat) check(expression string, problems *problems) {
	if len(expression) > MaxExpressionBytes {
		problems.whole("the expression has %d bytes, and %d are allowed", len(expression), MaxExpressionBytes)
		return
	}
	if strings.TrimSpace(expression) == "" {
		problems.whole("there is no expression")
		return
	}
	env, err := baseEnv()
	if err == nil {
		env, err = env.Extend(c.variables()...)
	}
	if err != nil {
		problems.whole("the parameters cannot be declared: %v", err)
		return
	}
	parsed, issues := env.Parse(expression)
	if issues.Err() != nil {
		problems.issues(issues)
		return
	}
	if deep := tooDeep(ast.NavigateAST(parsed.NativeRep()), 0); deep != 0 {
		problems.at(parsed.NativeRep().SourceInfo().GetStartLocation(deep), fmt.Sprintf("nests more than %d deep", maxNesting))
		return
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		problems.issues(issues)
		return
	}
	if got := checked.OutputType(); !got.IsExactType(cel.BoolType) {
		problems.whole("%s", readableTypes(fmt.Sprintf("the expression must be a bool, and is a %s", got)))
		return
	}
	c.ast = checked
	c.used(problems)
	c.plan(env, problems)
}

// tooDeep returns the first expression inside e that nests too deep, or 0.
func tooDeep(e ast.NavigableExpr, nesting int) int64 {
	switch e.Kind() {
	case ast.CallKind:
		if _, operator := operators.FindReverse(e.AsCall().FunctionName()); !operator {
			nesting++
		}
	case ast.ListKind, ast.MapKind, ast.ComprehensionKind:
		nesting++
	}
	if nesting > maxNesting {
		return e.ID()
	}
	for _, child := range e.Children() {
		if deep := tooDeep(child, nesting); deep != 0 {
			return deep
		}
	}
	return 0
}

func (c *Caveat) variables() (options []cel.EnvOption) {
	for _, p := range c.params {
		options = append(options, cel.Variable(p.Name, p.Type.cel()))
	}
	return options
}

// used objects to parameters that the expression does not mention, as SpiceDB does.
func (c *Caveat) used(problems *problems) {
	mentioned := make(map[string]bool)
	for _, reference := range c.ast.NativeRep().ReferenceMap() {
		mentioned[reference.Name] = true
	}
	for _, p := range c.params {
		if !mentioned[p.Name] {
			problems.unused(p.Name)
		}
	}
}

// plan makes the programs, and the one text that the expression has.
func (c *Caveat) plan(env *cel.Env, problems *problems) {
	options := []cel.ProgramOption{orderMapLiterals(), cel.EvalOptions(cel.OptOptimize)}
	var err error
	if c.cheapBytes = cheapUpToBytes(env, c.ast, c.params); c.cheapBytes >= 0 {
		c.plain, err = env.Program(c.ast, options...)
	}
	if c.cheapBytes < MaxContextBytes && err == nil {
		c.counted, err = env.Program(c.ast, append(options, limitCost()...)...)
	}
	if err != nil {
		problems.whole("the expression cannot be planned: %v", err)
		return
	}
	line, err := cel.AstToString(c.ast, cel.FormatWrapOnColumn(math.MaxInt32))
	if err == nil {
		c.expression, err = cel.AstToString(c.ast)
	}
	if err != nil {
		problems.whole("the expression cannot be written: %v", err)
		return
	}
	c.fingerprint = fingerprint(c.params, line)
	c.activations.New = func() any { return &activation{caveat: c} }
}

func fingerprint(params []Param, expression string) [sha256.Size]byte {
	var lines []string
	for _, p := range params {
		lines = append(lines, p.Name+" "+p.Type.String())
	}
	slices.Sort(lines)
	return sha256.Sum256([]byte(strings.Join(lines, "\n") + "\n\n" + expression))
}
