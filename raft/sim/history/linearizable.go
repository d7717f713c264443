package history

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"
)

// searchLimit bounds porcupine on one register. What it does not decide by then
// is left to the other rules.
const searchLimit = 10 * time.Second

// registerModel is a register as its clients see it: an Event is input and
// output at once.
var registerModel = porcupine.Model{
	Init: func() any { return 0 },
	Step: func(state, input, _ any) (bool, any) {
		e, value := input.(Event), state.(int)
		switch {
		case e.Kind == KindRead:
			return e.Value == value, value
		case e.Outcome == Unmet:
			return e.If != nil && e.If.of(value) != e.If.Set, value
		case e.If == nil || e.If.of(value) == e.If.Set:
			return true, e.Value
		}
		// The precondition does not hold: an acknowledged write cannot stand
		// here, one whose outcome is unknown may, without effect.
		return e.Outcome == Unknown, value
	},
	DescribeOperation: func(input, _ any) string {
		e := input.(Event)
		return fmt.Sprintf("%s %d %s", e.Kind, e.Value, e.Outcome)
	},
}

// of reports whether the bit is set in a value.
func (b *Bit) of(value int) bool { return value&(1<<b.Bit) != 0 }

func checkLinearizable(events []Event, _ *changelog) (texts []string) {
	var registers []string
	operations := map[string][]porcupine.Operation{}
	for i, e := range events {
		if !e.linear() {
			continue
		}
		if operations[e.Register] == nil {
			registers = append(registers, e.Register)
		}
		o := porcupine.Operation{ClientId: i, Input: e, Call: e.Call, Return: e.Return}
		if e.Outcome == Unknown {
			o.Return = forever
		}
		operations[e.Register] = append(operations[e.Register], o)
	}
	for _, register := range registers {
		if porcupine.CheckOperationsTimeout(registerModel, operations[register], searchLimit) == porcupine.Illegal {
			texts = append(texts, fmt.Sprintf("the %d operations on %s are not those of one register", len(operations[register]), register))
		}
	}
	return texts
}

// linear reports whether a call is one of those that together must be linearizable.
func (e *Event) linear() bool {
	switch e.Outcome {
	case OK:
		return e.writes() || e.Kind == KindRead && e.Mode == Full
	case Unmet, Unknown:
		return e.writes()
	}
	return false
}
