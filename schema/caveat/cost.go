package caveat

import (
	"math"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
)

// Limits on an evaluation, in CEL's units: a step of an expression costs one, and
// so do ten bytes that it reads. At 100 to 200 ns for a step that is counted, an
// evaluation ends within a tenth of a second whatever the expression and the context.
const (
	maxCost          = 500_000
	maxRegexSize     = 10_000
	stepsBetweenAsks = 100 // whether the context.Context has ended
)

// smallContextBytes is what few contexts are larger than. Most expressions, loops
// among them, are cheap with every context up to here.
const smallContextBytes = 2 << 10

// cheapUpToBytes returns the size of contexts up to which an expression stays
// below the limit, whatever is in them; -1 if there is none. Counting the steps is
// then for nothing, and costs several times what the steps do.
func cheapUpToBytes(env *cel.Env, checked *cel.Ast, params []Param) int {
	for _, bytes := range []int{MaxContextBytes, smallContextBytes} {
		if worstCost(env, checked, contextSizes{bytes: uint64(bytes)}, params) <= maxCost {
			return bytes
		}
	}
	return -1
}

// maxCollections is how many collections of strings are told apart in estimates.
const maxCollections = 4

// worstCost estimates the cost with the dearest context of a size. What is dearest
// depends on the expression: a list of many short strings, or of a long one. One
// of both extremes is, as costs are sums of products of such sizes; so each of
// them is tried for each parameter.
func worstCost(env *cel.Env, checked *cel.Ast, sizes contextSizes, params []Param) uint64 {
	var collections []string
	for _, p := range params {
		if len(p.Type.Args) == 1 && slices.Contains([]string{"string", "bytes"}, p.Type.Args[0].Name) {
			collections = append(collections, p.Name)
		}
	}
	if len(collections) > maxCollections {
		collections = nil // both extremes at once, which is dearer than either
	}
	worst := uint64(0)
	for extremes := range 1 << len(collections) {
		sizes.long = make(map[string]bool)
		for i, name := range collections {
			sizes.long[name] = extremes>>i&1 == 1
		}
		estimate, err := env.EstimateCost(checked, sizes)
		if err != nil {
			return math.MaxUint64
		}
		worst = max(worst, estimate.Max)
	}
	return worst
}

// limitCost ends an evaluation that takes too many steps, or whose caller has gone.
func limitCost() []cel.ProgramOption {
	return []cel.ProgramOption{
		cel.InterruptCheckFrequency(stepsBetweenAsks),
		cel.CostLimit(maxCost),
		cel.CostTrackerOptions(cost.OverloadTracker(subtreeOverload, subtreeCost)),
	}
}

// contextSizes estimates costs for contexts of up to so many bytes, with
// collections that have many elements, or few that are long. Those that are not
// in the map have many that are long.
type contextSizes struct {
	bytes uint64
	long  map[string]bool
}

// EstimateSize bounds what comes out of a parameter by the size of the context.
func (n contextSizes) EstimateSize(element cost.AstNode) *cost.SizeEstimate {
	path := element.Path()
	if len(path) == 0 {
		return nil
	}
	switch element.Type().Kind() {
	case types.BytesKind, types.DynKind, types.ListKind, types.MapKind, types.StringKind:
	default:
		return nil // its size is fixed
	}
	long, ok := n.long[path[0]]
	if inside := len(path) > 1; ok && inside != long {
		return &cost.SizeEstimate{Max: 1}
	}
	return &cost.SizeEstimate{Max: n.bytes}
}

// EstimateCallCost knows isSubtreeOf, which is ours.
func (n contextSizes) EstimateCallCost(_, overload string, _ *cost.AstNode, _ []cost.AstNode) *cost.CallEstimate {
	if overload != subtreeOverload {
		return nil
	}
	return cost.NewCallEstimate(cost.Estimate{Min: 1, Max: n.bytes}, nil)
}

// subtreeCost counts the values that isSubtreeOf looks at.
func subtreeCost(args []ref.Val, _ ref.Val) *uint64 {
	n := uint64(1)
	if sized, ok := cost.AggregateSizingStrategy().TrackSize(nil, args[0]); ok {
		n += sized
	}
	return &n
}
