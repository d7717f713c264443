package api

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// model is a schema as requests need it: compiled, with the store's numbers in it.
type model struct {
	revision uint64 // that wrote the schema
	program  *schema.Program
	caveats  map[string]uint16 // numbers by name
	engine   *rewrite.Engine
}

// models keeps the models of the schemas last used. A model never changes:
// names keep their numbers (invariant T1), so it holds for every revision that
// its schema holds for, and the cache is exact.
type models struct {
	limits   rewrite.Limits
	compiled func() // told of each compilation
	late     bool   // see broken.SchemaOfRevision

	last atomic.Pointer[model] // the model used last, without the lock
	mu   sync.Mutex
	// recent holds the models used last, newest use first. Two or three are in
	// use while a schema changes under readers of exact snapshots.
	recent []*model
}

const maxModels = 4

// at returns the model of the schema that holds at a snapshot. Errors are the
// snapshot's, store.ErrNoSchema among them.
func (m *models) at(snapshot *store.Snapshot) (*model, error) {
	text, err := snapshot.Schema()
	if err != nil {
		return nil, err
	}
	if hit := m.last.Load(); hit != nil && hit.revision == text.Revision {
		return hit, nil
	}
	// Compiling under the lock: whoever needs the same schema waits for it
	// instead of compiling it too.
	m.mu.Lock()
	defer m.mu.Unlock()
	i := slices.IndexFunc(m.recent, func(c *model) bool { return c.revision == text.Revision })
	var found *model
	if i >= 0 {
		found = m.recent[i]
		m.recent = slices.Delete(m.recent, i, i+1)
	} else if found, err = m.compile(text, snapshot.Names()); err != nil {
		return nil, err
	}
	m.recent = slices.Insert(m.recent, 0, found)
	if len(m.recent) > maxModels {
		m.recent = slices.Delete(m.recent, maxModels, len(m.recent))
	}
	before := m.last.Swap(found)
	if m.late && before != nil {
		return before, nil
	}
	return found, nil
}

func (m *models) compile(text store.Schema, names *tuple.Names) (*model, error) {
	tree, err := schema.Load("", text.Text)
	if err != nil {
		return nil, fmt.Errorf("reading the stored schema of revision %d: %w", text.Revision, err)
	}
	program, err := schema.Compile(tree, names)
	if err != nil {
		return nil, fmt.Errorf("compiling the stored schema of revision %d: %w", text.Revision, err)
	}
	m.compiled()
	engine := rewrite.New(program, m.limits)
	engine.UseGroups(text.Revision)
	return &model{text.Revision, program, caveatNumbers(program), engine}, nil
}
