package validate

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/store"
	"github.com/tupelodb/tupelo/store/tuple"
)

// cacheBytes is what the store of a fixture may keep of its blocks.
const cacheBytes = 8 << 20

// world is a fixture's schema and tuples, as a server would have them.
type world struct {
	schema   *schema.Schema
	names    *tuple.Names
	program  *schema.Program
	engine   *rewrite.Engine
	store    *store.Store
	snapshot *store.Snapshot
}

// newWorld compiles a schema, and opens a store that has it.
func newWorld(s *schema.Schema) (*world, error) {
	kept, err := store.Open(store.Options{FS: vfs.NewMem(), Dir: "fixture", CacheBytes: cacheBytes})
	if err != nil {
		return nil, fmt.Errorf("opening the fixture's store: %w", err)
	}
	w := &world{schema: s, store: kept}
	if err := w.begin(); err != nil {
		return nil, errors.Join(err, w.close())
	}
	return w, nil
}

func (w *world) begin() error {
	write := store.WriteSchema{Text: schema.Format(w.schema), Definitions: definitions(w.schema)}
	for _, c := range w.schema.Caveats {
		write.Caveats = append(write.Caveats, c.Name)
	}
	if err := w.apply(write); err != nil {
		return fmt.Errorf("storing the fixture's schema: %w", err)
	}
	if err := w.look(); err != nil {
		return err
	}
	w.names = w.snapshot.Names()
	var err error
	if w.program, err = schema.Compile(w.schema, w.names); err != nil {
		return err
	}
	w.engine = rewrite.New(w.program, rewrite.Limits{})
	return nil
}

// definitions says what the store must know of a schema.
func definitions(s *schema.Schema) []store.Definition {
	list := make([]store.Definition, len(s.Definitions))
	for i, d := range s.Definitions {
		list[i] = store.Definition{Type: d.Name, Relations: d.MemberNames()}
		for r := range d.Relations() {
			for _, t := range r.Types {
				list[i].Allowed = append(list[i].Allowed, store.Allowed{
					Relation: r.Name, SubjectType: t.Type, SubjectRelation: t.Relation, Wildcard: t.Wildcard,
					Caveat: t.Caveat, Expires: t.Expiration,
				})
			}
		}
	}
	return list
}

// fill stores a fixture's tuples.
func (w *world) fill(r *resolver, relationships []fixture.Relationship) error {
	var write store.Write
	for i := range relationships {
		if t, ok := r.relationship(&relationships[i]); ok {
			write.Updates = append(write.Updates, store.Update{Op: store.Create, Tuple: t})
		}
	}
	if r.failed() || len(write.Updates) == 0 {
		return nil
	}
	if err := w.apply(write); err != nil {
		return fmt.Errorf("storing the fixture's tuples: %w", err)
	}
	return w.look()
}

// apply applies a command as the next entry of a log.
func (w *world) apply(c store.Command) error {
	results, err := w.store.Apply([]uint64{w.store.Applied() + 1}, [][]byte{store.Encode(c)})
	if err != nil {
		return err
	}
	if result, ok := results[0].(store.Result); ok {
		return result.Err
	}
	return fmt.Errorf("the store answers with %T", results[0])
}

// look takes a snapshot of what is stored now.
func (w *world) look() (err error) {
	if w.snapshot != nil {
		w.snapshot.Close()
	}
	w.snapshot, err = w.store.Snapshot(w.store.Applied())
	return err
}

func (w *world) close() error {
	if w.snapshot != nil {
		w.snapshot.Close()
	}
	return w.store.Close()
}

// takes reports whether the schema allows a tuple.
func (w *world) takes(t tuple.Tuple) bool {
	slot, ok := w.program.SlotByNumber(uint16(t.Object.Type), uint16(t.Relation))
	if !ok {
		return false
	}
	carried := schema.Traits{Caveat: uint16(t.Traits.Caveat), Expiration: t.Traits.ExpiresNanos != 0}
	return slices.ContainsFunc(w.program.Slots[slot].Direct, func(d schema.Direct) bool {
		return kindOf(&d) == t.Subject.Kind() && slices.Contains(d.Traits, carried)
	})
}

func kindOf(d *schema.Direct) tuple.Kind {
	return tuple.Kind{Type: tuple.TypeID(d.SubjectType), Relation: tuple.RelationID(d.SubjectRelation)}
}

// canonical spells the context of a tuple as the store keeps it.
func (w *world) canonical(c tuple.CaveatID, context string) ([]byte, error) {
	values := map[string]any{}
	if context != "" {
		decoder := json.NewDecoder(strings.NewReader(context))
		decoder.UseNumber() // integers are exact
		if err := decoder.Decode(&values); err != nil {
			return nil, err
		}
	}
	return w.program.Caveats[uint16(c)].Canonical(values)
}
