package caveat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/interpreter"
)

// Verdict is what a caveat says about a tuple.
type Verdict int

// The verdicts. Conditional means that it depends on parameters that no context
// has a value for.
const (
	No Verdict = iota
	Conditional
	Yes
)

// String returns the verdict as a word.
func (v Verdict) String() string {
	switch v {
	case No:
		return "no"
	case Yes:
		return "yes"
	default:
		return "conditional"
	}
}

// Result is the outcome of an evaluation.
type Result struct {
	Verdict Verdict
	// Missing are the parameters without a value that a conditional verdict
	// depends on, sorted.
	Missing []string
}

// Eval evaluates the caveat with the values that the tuple fixes and, for the
// parameters that it leaves open, those of the request.
//
// It returns an *[EvalError] if the expression has no value, [ErrCost] if it takes
// too long to find it, and the cause of ctx if that ended it.
func (c *Caveat) Eval(ctx context.Context, fixed, request Context) (Result, error) {
	if !fixed.fits(c) || !request.fits(c) {
		return Result{}, ErrForeignContext
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx)
	}
	a := c.activations.Get().(*activation)
	a.fixed, a.request = fixed.values, request.values
	out, err := c.run(ctx, a, max(fixed.bytes, request.bytes))
	a.fixed, a.request = nil, nil
	c.activations.Put(a)
	if err != nil {
		return Result{}, c.evalError(ctx, err)
	}
	switch out := out.(type) {
	case types.Bool:
		if out {
			return Result{Verdict: Yes}, nil
		}
		return Result{Verdict: No}, nil
	case *types.Unknown:
		return Result{Verdict: Conditional, Missing: missing(out)}, nil
	default:
		return Result{}, &EvalError{Message: fmt.Sprintf("the expression must be a bool, and is a %s", out.Type())}
	}
}

func (c *Caveat) run(ctx context.Context, a *activation, contextBytes int) (ref.Val, error) {
	if contextBytes <= c.cheapBytes { // then it ends soon, and asking ctx costs more than it does
		out, _, err := c.plain.Eval(a)
		return out, err
	}
	out, _, err := c.counted.ContextEval(ctx, a)
	return out, err
}

func (c *Caveat) evalError(ctx context.Context, err error) error {
	var canceled interpreter.EvalCancelledError
	if errors.As(err, &canceled) && canceled.Cause == interpreter.CostLimitExceeded {
		return ErrCost
	}
	if errors.Is(err, interpreter.InterruptError{}) {
		return context.Cause(ctx)
	}
	e := &EvalError{Message: err.Error()}
	if panicked, ok := strings.CutPrefix(e.Message, "internal error: "); ok {
		e.Message = "CEL has no answer for these values (" + panicked + ")"
	}
	var failed *types.Err
	if errors.As(err, &failed) {
		at := place(c.source, c.ast.NativeRep().SourceInfo().GetStartLocation(failed.NodeID()))
		e.Line, e.Column = at.Line, at.Column
	}
	return e
}

// missing returns the parameters that an unknown value depends on.
func missing(unknown *types.Unknown) []string {
	var names []string
	for _, id := range unknown.IDs() {
		trails, _ := unknown.GetAttributeTrails(id)
		for _, trail := range trails {
			names = append(names, trail.Variable())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// activation gives an expression the values of its parameters. One that no
// context has is an unknown which carries the parameter's name.
type activation struct {
	caveat         *Caveat
	fixed, request []ref.Val
}

// ResolveName returns the value of a parameter.
func (a *activation) ResolveName(name string) (any, bool) {
	i, ok := a.caveat.index[name]
	switch {
	case !ok:
		return nil, false
	case i < len(a.fixed) && a.fixed[i] != nil:
		return a.fixed[i], true
	case i < len(a.request) && a.request[i] != nil:
		return a.request[i], true
	default:
		return a.caveat.unknown[i], true
	}
}

// Parent says that there is no other place to look.
func (a *activation) Parent() cel.Activation { return nil }
