package schema

import (
	"slices"
	"strings"
)

// cycles reports the permissions of a definition that depend on themselves
// without passing through data: `permission a = b` with `permission b = a`
// would never end and mean nothing. Recursion through an arrow or a userset
// is fine: it ends where the tuples end.
func (c *checker) cycles(sc *scope) {
	f := cycleFinder{checker: c, scope: sc, state: make(map[string]visit, len(sc.Members))}
	for p := range sc.Permissions() {
		f.visit(p)
	}
}

type visit uint8

const (
	unvisited visit = iota
	onPath
	done
)

type cycleFinder struct {
	*checker
	*scope
	state map[string]visit
	path  []*Permission
}

// visit goes through all permissions that p depends on, depth first.
func (f *cycleFinder) visit(p *Permission) {
	if f.state[p.Name] != unvisited {
		return
	}
	f.state[p.Name] = onPath
	f.path = append(f.path, p)
	for leaf := range Leaves(p.Expr) {
		e, ok := leaf.(*Ref)
		if !ok {
			continue
		}
		next, ok := f.scope.members[e.Name].(*Permission)
		if !ok {
			continue
		}
		if f.state[next.Name] == onPath {
			f.found(next, e)
		} else {
			f.visit(next)
		}
	}
	f.path = f.path[:len(f.path)-1]
	f.state[p.Name] = done
}

// found reports the cycle that e closes: from start along the path, back to start.
func (f *cycleFinder) found(start *Permission, e *Ref) {
	var names []string
	for _, p := range f.path {
		if p == start || names != nil {
			names = append(names, p.Name)
		}
	}
	about := About{CircularPermission, f.scope.Name, start.Name, strings.Join(slices.Sorted(slices.Values(names)), ",")}
	names = append(names, start.Name)
	hint := func() string {
		return "only through data, such as `parent->" + start.Name + "`, can a permission depend on itself"
	}
	f.report.meaning(about, e.Pos, e.Name, hint, "permission `%s` depends on itself: %s", start.Name, strings.Join(names, " → "))
}
