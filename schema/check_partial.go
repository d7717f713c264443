package schema

import "strings"

// includes checks the lines of a body that include partials.
func (c *checker) includes(b *Body) {
	for _, i := range b.Includes {
		if c.partials[i.Name] != nil {
			continue
		}
		hint := func() string {
			if !c.uses("partial") {
				return "write `use partial` at the top of the file, and `partial " + i.Name + " { … }`"
			}
			if c.definitions[i.Name] != nil {
				return "`" + i.Name + "` is a definition; only partials can be included"
			}
			var names []string
			for _, p := range c.Partials {
				names = append(names, p.Name)
			}
			return didYouMean(i.Name, names)
		}
		c.report.name(i.Pos, i.Name, hint, "unknown partial `%s`", i.Name)
	}
}

// partialCycles reports partials that include themselves.
func (c *checker) partialCycles() {
	f := inclusions{checker: c, state: make(map[*Partial]visit)}
	for _, p := range c.Partials {
		f.visit(p)
	}
}

// inclusions walks from partials to what they include, depth first.
type inclusions struct {
	*checker
	state map[*Partial]visit
	path  []string
}

func (f *inclusions) visit(p *Partial) {
	if f.state[p] != unvisited {
		return
	}
	f.state[p] = onPath
	f.path = append(f.path, p.Name)
	for _, i := range p.Includes {
		next := f.partials[i.Name]
		switch {
		case next == nil:
		case f.state[next] == onPath:
			f.report.name(i.Pos, i.Name, nil, "partial `%s` includes itself: %s → %s", i.Name, strings.Join(f.path, " → "), i.Name)
		default:
			f.visit(next)
		}
	}
	f.path = f.path[:len(f.path)-1]
	f.state[p] = done
}
