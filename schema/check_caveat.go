package schema

// caveat checks a caveat's parameters and its expression.
func (c *checker) caveat(m *Caveat) {
	if len(m.Params) == 0 {
		c.report.name(m.Pos, m.Name, nil, "caveat `%s` has no parameter", m.Name)
	}
	seen := make(map[string]Position, len(m.Params))
	for _, p := range m.Params {
		if first, ok := seen[p.Name]; ok {
			c.report.name(p.Pos, p.Name, c.firstAt(first, p.Pos), "caveat `%s` has the parameter `%s` twice", m.Name, p.Name)
			continue
		}
		seen[p.Name] = p.Pos
	}
}
