package rewrite

// gate is one operation of a circuit, by number.
type gate = int32

// The first two gates of every circuit.
const (
	gateFalse gate = 0
	gateTrue  gate = 1
)

// gateKind is what a gate does.
type gateKind uint8

const (
	// constant gates have the truth of gateFalse or gateTrue.
	constant gateKind = iota
	// unknown gates have a truth that the circuit does not know.
	unknown
	// anyGate is true if any operand is, allGate if every operand is.
	anyGate
	allGate
	// exceptGate is true if its first operand is and its second is not.
	exceptGate
)

// circuit is the ground form of a question: each sub-problem and each
// expression under it is a gate, and gates may depend on one another in
// circles. A gate is made as unknown and may be defined later, once.
type circuit struct {
	gates    []gateNode
	operands []gate
}

type gateNode struct {
	kind         gateKind
	first, count int32 // its run in circuit.operands
}

func newCircuit() *circuit {
	return &circuit{gates: []gateNode{gateFalse: {kind: constant}, gateTrue: {kind: constant}}}
}

// add makes an unknown gate.
func (c *circuit) add() gate {
	c.gates = append(c.gates, gateNode{kind: unknown})
	return gate(len(c.gates) - 1)
}

// define says what an unknown gate does.
func (c *circuit) define(g gate, kind gateKind, operands ...gate) {
	c.gates[g] = gateNode{kind: kind, first: int32(len(c.operands)), count: int32(len(operands))}
	c.operands = append(c.operands, operands...)
}

// of returns a gate's operands.
func (c *circuit) of(g gate) []gate {
	n := &c.gates[g]
	return c.operands[n.first : n.first+n.count]
}

// model is the well-founded model of a circuit: a gate is true, false, or
// undefined, which it is if it depends on its own negation or on an unknown
// gate.
type model struct {
	least    []bool // the gates that are true
	greatest []bool // the gates that are true or undefined
}

func (m *model) isTrue(g gate) bool  { return m.least[g] }
func (m *model) isFalse(g gate) bool { return !m.greatest[g] }

// solve finds the well-founded model by the alternating fixpoint (Van Gelder,
// "The alternating fixpoint of logic programs with negation", 1989): what is
// certainly true, taking everything possible as an objection, gives what is
// possible, taking only what is certain as an objection, and so on until
// nothing more is certain. Each round but the last finds a new true gate
// through some exception, so there are at most as many rounds as exceptions.
//
// An expression under an exception is a gate of its own here, so that a - (b - c)
// means what it means when b - c has a name.
func (c *circuit) solve(spend func(steps int) error) (*model, error) {
	users := c.users()
	m := &model{least: make([]bool, len(c.gates)), greatest: make([]bool, len(c.gates))}
	for g := range m.greatest {
		m.greatest[g] = true
	}
	for known := -1; ; {
		least, count, err := c.closure(users, m.greatest, false, spend)
		if err != nil || count == known {
			return m, err
		}
		m.least, known = least, count
		if m.greatest, _, err = c.closure(users, m.least, true, spend); err != nil {
			return nil, err
		}
	}
}

// users lists, for each gate, the gates that it can make true: those it is an
// operand of, other than the second operand of an exception.
type users struct {
	first []int32 // by gate, and one more
	list  []gate
}

func (c *circuit) users() users {
	u := users{first: make([]int32, len(c.gates)+1)}
	c.eachUse(func(_, operand gate) { u.first[operand+1]++ })
	for g := range c.gates {
		u.first[g+1] += u.first[g]
	}
	u.list = make([]gate, u.first[len(c.gates)])
	next := append([]int32(nil), u.first...)
	c.eachUse(func(user, operand gate) {
		u.list[next[operand]] = user
		next[operand]++
	})
	return u
}

func (c *circuit) eachUse(visit func(user, operand gate)) {
	for g := range c.gates {
		operands := c.of(gate(g))
		if c.gates[g].kind == exceptGate {
			operands = operands[:1]
		}
		for _, operand := range operands {
			visit(gate(g), operand)
		}
	}
}

// closure finds the least set of true gates when the gates in objections are
// those whose negation fails, and says how many there are. Unknown gates are
// true if unknownIsTrue. Each use of a gate is looked at once.
func (c *circuit) closure(u users, objections []bool, unknownIsTrue bool, spend func(int) error) (set []bool, count int, err error) {
	set = make([]bool, len(c.gates))
	missing := make([]int32, len(c.gates)) // operands that an allGate waits for
	queue := make([]gate, 0, len(c.gates))
	add := func(g gate) {
		if !set[g] {
			set[g] = true
			queue = append(queue, g)
		}
	}
	add(gateTrue)
	for g := range c.gates {
		missing[g] = c.gates[g].count
		if unknownIsTrue && c.gates[g].kind == unknown {
			add(gate(g))
		}
	}
	for done := 0; done < len(queue); done++ {
		using := u.list[u.first[queue[done]]:u.first[queue[done]+1]]
		if err := spend(1 + len(using)); err != nil {
			return nil, 0, err
		}
		for _, g := range using {
			missing[g]--
			switch c.gates[g].kind {
			case anyGate:
				add(g)
			case allGate:
				if missing[g] == 0 {
					add(g)
				}
			case exceptGate:
				if !objections[c.of(g)[1]] {
					add(g)
				}
			}
		}
	}
	return set, len(queue), nil
}

// unknowns lists the unknown gates on which an undefined gate depends through
// undefined gates only; if there are none, it is undefined whatever they are.
func (c *circuit) unknowns(from gate, m *model) (found []gate) {
	seen := make([]bool, len(c.gates))
	queue := []gate{from}
	for done := 0; done < len(queue); done++ {
		g := queue[done]
		if seen[g] || m.isTrue(g) || m.isFalse(g) {
			continue
		}
		seen[g] = true
		if c.gates[g].kind == unknown {
			found = append(found, g)
			continue
		}
		queue = append(queue, c.of(g)...)
	}
	return found
}
