package dataset

import (
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/store/tuple"
)

// MaxTuples is the largest set that can be asked for.
const MaxTuples = 1_000_000_000

// Set is a data set of one size and seed.
type Set struct {
	// Name is one of [Names].
	Name string
	// Size is how many tuples were asked for; there are a few more: see [Set.Count].
	Size int
	// Seed says which users are where, and with [Set.Reads] what is asked.
	Seed  uint64
	world *world
}

// world is what a set is made of.
type world struct {
	schema string
	count  int
	tuples iter.Seq[tuple.Named]
	reads  reads
	// written says where writes are done: this relation of new objects of this
	// type, and which permission shows it.
	written written
}

// reads make an operation each, of what their source of randomness says.
type reads struct {
	check, listObjects, listSubjects func(*rand.Rand) Operation
}

type written struct{ objectType, relation, permission string }

var worlds = map[string]func(tuples int, seed uint64) *world{
	"gitclub": gitClub,
	"hot":     hot,
	"nested":  nested,
	"wide":    wide,
	"drive":   drive,
}

// Names returns the names of the sets.
func Names() []string { return slices.Sorted(maps.Keys(worlds)) }

// Open returns the data set of a name, with at least so many tuples. The error
// wraps [ErrUnknown] or [ErrSize].
func Open(name string, tuples int, seed uint64) (*Set, error) {
	make, ok := worlds[name]
	if !ok {
		return nil, fmt.Errorf("%w: %q is none of %s", ErrUnknown, name, strings.Join(Names(), ", "))
	}
	if tuples < 1 || tuples > MaxTuples {
		return nil, fmt.Errorf("%w: %d tuples are none of 1 to %d", ErrSize, tuples, MaxTuples)
	}
	return &Set{Name: name, Size: tuples, Seed: seed, world: make(tuples, seed)}, nil
}

// Schema returns the schema, as Tupelo and SpiceDB read it.
func (s *Set) Schema() string { return s.world.schema }

// Count returns how many tuples there are: Size, and what makes the last place whole.
func (s *Set) Count() int { return s.world.count }

// Tuples returns all tuples, each once. They can be gone through any number of times.
func (s *Set) Tuples() iter.Seq[tuple.Named] { return s.world.tuples }

// Reads returns a source of operations of one kind: checks, batches of checks, lists
// of objects or of subjects. Equal streams of equal sets are equal, others differ.
// It is for one goroutine at a time.
func (s *Set) Reads(kind Kind, stream uint64) func() Operation {
	r := rand.New(rand.NewPCG(s.Seed, stream))
	next := s.world.reads.check
	switch kind {
	case ListObjects:
		next = s.world.reads.listObjects
	case ListSubjects:
		next = s.world.reads.listSubjects
	case BatchCheck:
		next = func(r *rand.Rand) Operation { return batch(r, s.world.reads.check) }
	}
	return func() Operation { return next(r) }
}

// BatchSize is how many checks a batch has: as many as OpenFGA takes if it is not
// told otherwise.
const BatchSize = 50

func batch(r *rand.Rand, check func(*rand.Rand) Operation) Operation {
	all := Operation{Kind: BatchCheck, Batch: make([]tuple.Named, BatchSize), Want: Answer{Each: make([]bool, BatchSize)}}
	for i := range BatchSize {
		one := check(r)
		all.Batch[i], all.Want.Each[i] = one.Ask, one.Want.Yes
	}
	return all
}

// adder adds a tuple.
type adder func(objectType, objectID, relation, subjectType, subjectID, subjectRelation string)

// places is how many places of so many tuples make n or more.
func places(n, tuples int) int { return max(1, (n+tuples-1)/tuples) }

// placesOf returns the tuples of n places, each of which adds its own.
func placesOf(n int, place func(number int, add adder)) iter.Seq[tuple.Named] {
	return func(yield func(tuple.Named) bool) {
		going := true
		add := func(objectType, objectID, relation, subjectType, subjectID, subjectRelation string) {
			going = going && yield(tuple.Named{
				ObjectType: objectType, ObjectID: objectID, Relation: relation,
				SubjectType: subjectType, SubjectID: subjectID, SubjectRelation: subjectRelation,
			})
		}
		for i := 0; i < n && going; i++ {
			place(i, add)
		}
	}
}

// userID is the id of the k-th of a world's users. The factor has none in common
// with the number of ids, so no two are one.
func userID(k int, seed uint64) string {
	const ids = 1_000_000_000
	return fmt.Sprintf("u%d", (uint64(k)*7919+seed%ids*104_729)%ids)
}
