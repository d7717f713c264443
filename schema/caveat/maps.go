package caveat

import (
	"cmp"
	"slices"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"
)

// orderedMap is a map whose entries are visited in the order of its keys. CEL's
// own go in Go's order, which changes from run to run, and an expression can
// make its outcome depend on it: `m.map(k, k)[0] == "a"`. It is used by pointer, as
// CEL uses values as keys of Go's maps.
type orderedMap struct {
	traits.Mapper
	keys []ref.Val // sorted; nil: not yet known
}

// Iterator visits the keys in their order.
func (m *orderedMap) Iterator() traits.Iterator {
	keys := m.keys
	if keys == nil {
		for it := m.Mapper.Iterator(); it.HasNext() == types.True; {
			keys = append(keys, it.Next())
		}
		slices.SortFunc(keys, compareKeys)
	}
	return types.NewRefValList(types.DefaultTypeAdapter, keys).Iterator()
}

// compareKeys orders bools, then numbers, then strings, and equals among themselves.
func compareKeys(a, b ref.Val) int {
	if byKind := cmp.Compare(keyKind(a), keyKind(b)); byKind != 0 {
		return byKind
	}
	if comparer, ok := a.(traits.Comparer); ok {
		if order, ok := comparer.Compare(b).(types.Int); ok {
			return int(order)
		}
	}
	return 0
}

func keyKind(key ref.Val) int {
	switch key.(type) {
	case types.Bool:
		return 0
	case types.Int, types.Uint, types.Double:
		return 1
	default:
		return 2
	}
}

// orderMapLiterals makes the maps that an expression spells out ordered ones.
func orderMapLiterals() cel.ProgramOption {
	return cel.CustomDecoratorV2(func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		if c, ok := i.(interpreter.InterpretableConstructor); ok && c.Type() == types.MapType {
			return orderedLiteral{i}, nil
		}
		return i, nil
	})
}

type orderedLiteral struct{ interpreter.InterpretableV2 }

// Exec makes the map, and orders it.
func (l orderedLiteral) Exec(frame *interpreter.ExecutionFrame) ref.Val {
	return ordered(l.InterpretableV2.Exec(frame))
}

// Eval is Exec of CEL's older interface.
func (l orderedLiteral) Eval(activation interpreter.Activation) ref.Val {
	return ordered(l.InterpretableV2.Eval(activation))
}

func ordered(v ref.Val) ref.Val {
	if m, ok := v.(traits.Mapper); ok {
		return &orderedMap{Mapper: m}
	}
	return v
}

// isSubtreeOf declares `a.isSubtreeOf(b)`: b has all that a has, and perhaps more,
// at every level of maps.
func isSubtreeOf() cel.EnvOption {
	tree := cel.MapType(cel.StringType, cel.DynType)
	return cel.Function("isSubtreeOf",
		cel.MemberOverload(subtreeOverload, []*cel.Type{tree, tree}, cel.BoolType,
			cel.BinaryBinding(func(a, b ref.Val) ref.Val {
				return types.Bool(subtree(a, b))
			})))
}

// subtreeOverload is isSubtreeOf where costs are counted.
const subtreeOverload = "map_is_subtree_of_map"

func subtree(a, b ref.Val) bool {
	small, ok := a.(traits.Mapper)
	if !ok {
		return types.Equal(a, b) == types.True
	}
	large, ok := b.(traits.Mapper)
	if !ok {
		return false
	}
	it := small.Iterator()
	for it.HasNext() == types.True {
		key := it.Next()
		found, ok := large.Find(key)
		if !ok || !subtree(small.Get(key), found) {
			return false
		}
	}
	return true
}

// AggregateSize says how much there is in the map, for the limit on steps.
func (m *orderedMap) AggregateSize(sizer types.AggregateSizer) uint32 {
	return sizer.AggregateSize(m.Mapper)
}
