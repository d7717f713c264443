package rewrite

import (
	"context"
	"hash/maphash"
	"sync"
	"sync/atomic"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// Limits bound the work of one question. A field that is zero or less means
// its default.
type Limits struct {
	// Depth is how many objects away from the question's object the answer may
	// depend on: following a stored userset or an arrow is one hop, a computed
	// userset stays at its object. The shortest way counts. See R5.
	Depth int
	// SubProblems is how many distinct (slot, object) pairs a question may
	// meet. It bounds memory: about 60 bytes and the object's id for each.
	SubProblems int
	// Steps is how many edges between sub-problems a question may walk. It
	// bounds time, and the memory of the exact path: about 10 bytes for each.
	Steps int
}

// The defaults of Limits.
const (
	DefaultDepth       = 50
	DefaultSubProblems = 1 << 20
	DefaultSteps       = 1 << 24
)

// Engine answers questions over one compiled program. It is safe for concurrent
// use; all it learns is what follows from the program.
type Engine struct {
	program  *schema.Program
	limits   Limits
	seed     maphash.Seed
	runs     sync.Pool                // of *run
	known    []atomic.Pointer[routes] // by target slot, made when first asked for
	sieves   []atomic.Pointer[sieve]  // by slot, made when first asked for
	keptWays atomic.Int64             // of all that is known
	kept     conversions              // of contexts
	helpers  atomic.Int32             // goroutines that help with batches
	groups   *groups
	// schemaRevision is the revision of the store's schema that the program is
	// compiled from; 0 if it is of none.
	schemaRevision uint64

	siftAfter int // tests change it
}

// New returns an engine for a program. A depth limit that would take more
// stack than is reasonable is lowered: this needs schemas and limits that are
// both thousands deep.
func New(program *schema.Program, limits Limits) *Engine {
	limits = limits.withDefaults()
	limits.Depth = min(limits.Depth, max(1, stackFrames/tallest(program)))
	e := &Engine{
		program: program,
		limits:  limits,
		seed:    maphash.MakeSeed(),
		known:   make([]atomic.Pointer[routes], len(program.Slots)),
		groups:  newGroups(program),
		sieves:  make([]atomic.Pointer[sieve], len(program.Slots)),

		siftAfter: siftAfter,
	}
	e.kept.seed = e.seed
	e.runs.New = func() any {
		return &run{engine: e, goals: goals{seed: e.seed}, kept: kept{all: make([]belonging, len(e.groups.kinds))}}
	}
	return e
}

// UseGroups says that the engine's program is that of the schema which a revision
// wrote to the store that its readers read, so that it may use and add to what is
// kept there of groups. It is called before the first question.
func (e *Engine) UseGroups(schemaRevision uint64) { e.schemaRevision = schemaRevision }

func (l Limits) withDefaults() Limits {
	if l.Depth <= 0 {
		l.Depth = DefaultDepth
	}
	if l.SubProblems <= 0 {
		l.SubProblems = DefaultSubProblems
	}
	if l.Steps <= 0 {
		l.Steps = DefaultSteps
	}
	l.SubProblems = min(l.SubProblems, 1<<28) // goals are numbered in 32 bits
	l.Steps = min(l.Steps, 1<<30)             // and so are the edges of a circuit
	return l
}

// Check answers one question at the reader's revision. The errors are those of
// the question (ErrQuestion, ErrWildcardSubject), of the limits
// (ErrDepthExceeded, ErrTooManySubProblems), of tuples' conditions (ErrCondition),
// of the context, and the reader's.
func (e *Engine) Check(ctx context.Context, reader Reader, q Question) (Result, error) {
	if err := q.validate(e.program); err != nil {
		return Result{}, err
	}
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.begin(q.Subject, q.Given)
	return r.answer(&q)
}

// acquire takes scratch for one call.
func (e *Engine) acquire(ctx context.Context, reader Reader) *run {
	r := e.runs.Get().(*run)
	r.ctx, r.reader = ctx, reader
	if from, ok := reader.(grouped); ok && e.schemaRevision > 0 {
		r.kept.view.Open(from.Groups(e.schemaRevision))
	}
	return r
}

// release gives scratch back, unless a large request has made it large.
func (e *Engine) release(r *run) {
	r.ctx, r.reader, r.subject, r.wildcard, r.given = nil, nil, tuple.Subject{}, tuple.Subject{}, Given{}
	clear(r.contexts)
	r.kept.release()
	if cap(r.goals.list) <= keepGoals && cap(r.goals.ids) <= keepIDBytes && len(r.readings) <= keepReadings {
		e.runs.Put(r)
	}
}

// What pooled scratch may hold: about 2 MiB, most of it in readings.
const (
	keepGoals    = 1 << 14
	keepIDBytes  = 1 << 19
	keepReadings = DefaultDepth + 1
)
