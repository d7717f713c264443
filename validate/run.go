package validate

import (
	"context"
	"errors"
	"time"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema/fixture"
)

// Options say how a fixture is run.
type Options struct {
	// Now is the instant of all questions: a tuple that expires then or earlier
	// does not count.
	Now time.Time
	// Coverage asks for the report's Coverage, which takes as many runs as the
	// schema has parts.
	Coverage bool
}

// Report is what a run of a fixture came to.
type Report struct {
	// Relationships is how many tuples were stored.
	Relationships int
	Assertions    []Assertion
	Lists         []List
	// Coverage is nil unless it was asked for.
	Coverage *Coverage
}

// Failures counts the assertions and the lists that do not hold.
func (r *Report) Failures() (assertions, lists int) {
	for i := range r.Assertions {
		if !r.Assertions[i].Holds() {
			assertions++
		}
	}
	for i := range r.Lists {
		if !r.Lists[i].Holds() {
			lists++
		}
	}
	return assertions, lists
}

// Holds reports whether everything in the fixture does.
func (r *Report) Holds() bool {
	assertions, lists := r.Failures()
	return assertions+lists == 0
}

// Assertion is an assertion and its answer.
type Assertion struct {
	fixture.Assertion
	Got rewrite.Verdict
	// Missing are the fields that a conditional answer depends on.
	Missing []string
	// Err says why there is no answer.
	Err error
	// Disagreement says how a list differs from the answer. It is empty, but for
	// mistakes in the evaluator itself.
	Disagreement string
	// Explanation is how the answer came about, of an assertion that does not hold.
	Explanation string
}

// Holds reports whether the answer is the one that is asserted.
func (a *Assertion) Holds() bool {
	return a.Err == nil && a.Disagreement == "" && a.Got == verdicts[a.Outcome]
}

// Want is the answer that is asserted.
func (a *Assertion) Want() rewrite.Verdict { return verdicts[a.Outcome] }

var verdicts = map[fixture.Outcome]rewrite.Verdict{
	fixture.True: rewrite.Yes, fixture.False: rewrite.No, fixture.Conditional: rewrite.Conditional,
}

// Run runs a fixture. Read gives the text of a file by its path from the
// fixture's folder, for the schema. Problems of the fixture or its schema are a
// *schema.Errors.
func Run(ctx context.Context, f *fixture.Fixture, read func(path string) (string, error), o Options) (_ *Report, err error) {
	s, err := f.LoadSchema(read)
	if err != nil {
		return nil, err
	}
	w, err := newWorld(s)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r := &runner{resolver: &resolver{world: w, fixture: f}, nowNanos: o.Now.UnixNano()}
	if err := r.resolve(); err != nil {
		return nil, err
	}
	report := &Report{Relationships: len(f.Relationships)}
	for i := range r.questions {
		a, err := r.assertion(ctx, i)
		if err != nil {
			return nil, err
		}
		report.Assertions = append(report.Assertions, a)
	}
	for i := range r.slots {
		l, err := r.list(ctx, i)
		if err != nil {
			return nil, err
		}
		report.Lists = append(report.Lists, l)
	}
	if o.Coverage {
		report.Coverage, err = r.coverage(ctx)
	}
	return report, err
}

// runner is one run of a fixture.
type runner struct {
	*resolver
	nowNanos  int64
	questions []rewrite.Question // by assertion
	slots     []int32            // by expected list
}

// resolve finds what everything in the fixture means, and stores the tuples.
func (r *runner) resolve() error {
	if err := r.fill(r.resolver, r.fixture.Relationships); err != nil {
		return err
	}
	for i := range r.fixture.Assertions {
		q, _ := r.question(&r.fixture.Assertions[i], r.nowNanos)
		r.questions = append(r.questions, q)
	}
	for i := range r.fixture.Expected {
		slot, _ := r.expected(&r.fixture.Expected[i])
		r.slots = append(r.slots, slot)
	}
	return r.err()
}

// assertion asks an assertion. The error is one that ends the run.
func (r *runner) assertion(ctx context.Context, i int) (Assertion, error) {
	a := Assertion{Assertion: r.fixture.Assertions[i]}
	q := r.questions[i]
	e, err := r.engine.Explain(ctx, r.snapshot, q, rewrite.ExplainOptions{})
	if err != nil {
		a.Err = err
		return a, ctx.Err()
	}
	a.Got, a.Missing = e.Verdict, e.Missing
	if a.Disagreement, err = r.agree(ctx, q, e.Verdict); err != nil {
		return a, err
	}
	if !a.Holds() {
		a.Explanation = e.Text(r.names)
	}
	return a, nil
}
