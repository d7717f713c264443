package registers

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/raft/sim/history"
)

const (
	bits       = 8
	schemaBits = 6 // it has fewer versions
)

// Most returns the greatest number that a register can hold.
func Most(register string) int {
	if register == history.Schema {
		return 1<<schemaBits - 1
	}
	return 1<<bits - 1
}

// Bits returns how many bits the number of a register has.
func Bits(register string) int {
	if register == history.Schema {
		return schemaBits
	}
	return bits
}

// SchemaText is the version of the schema with a number.
func SchemaText(number int) string {
	text := fmt.Sprintf("// %d\ndefinition user {}\ndefinition doc {\n\trelation has: user\n\tpermission view = has\n}\n"+
		"definition sys {\n\trelation yes: user\n\trelation none: user\n", number)
	for bit := range schemaBits {
		is := "none"
		if number&(1<<bit) != 0 {
			is = "yes"
		}
		text += fmt.Sprintf("\tpermission bit%d = %s\n", bit, is)
	}
	return text + "}\n"
}

// SchemaNumber is the number of a version.
func SchemaNumber(text string) (number int, err error) {
	if _, err = fmt.Sscanf(text, "// %d\n", &number); err != nil {
		return 0, fmt.Errorf("%w: the schema %q", ErrAnswer, text)
	}
	return number, nil
}

// Furniture is what must be written after version 0 of the schema: the tuple
// that its permissions lead to.
func Furniture() *tupelov1.WriteRequest {
	return &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
		Operation: tupelov1.Update_OPERATION_TOUCH,
		Tuple:     &tupelov1.Tuple{Object: system(), Relation: "yes", Subject: bitSubject(0)},
	}}}
}

func system() *tupelov1.Object { return &tupelov1.Object{Type: "sys", Id: "sys"} }

func bitSubject(bit uint) *tupelov1.Subject {
	return &tupelov1.Subject{Type: "user", Id: fmt.Sprint("b", bit)}
}

func object(register string) *tupelov1.Object { return &tupelov1.Object{Type: "doc", Id: register} }

// Setting is a write that gives a register a value, bit by bit.
func Setting(register string, value int) *tupelov1.WriteRequest {
	request := &tupelov1.WriteRequest{}
	for bit := range uint(bits) {
		operation := tupelov1.Update_OPERATION_DELETE
		if value&(1<<bit) != 0 {
			operation = tupelov1.Update_OPERATION_TOUCH
		}
		request.Updates = append(request.Updates, &tupelov1.Update{
			Operation: operation,
			Tuple:     &tupelov1.Tuple{Object: object(register), Relation: "has", Subject: bitSubject(bit)},
		})
	}
	return request
}

// Clearing is a deletion that leaves a register with 0.
func Clearing(register string) *tupelov1.DeleteByFilterRequest {
	return &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "doc", ObjectId: register}}
}

// Condition is what a write says that is to be done only if a bit is as told.
func Condition(register string, b *history.Bit) []*tupelov1.Precondition {
	p := &tupelov1.Precondition{
		Condition: tupelov1.Precondition_CONDITION_MUST_NOT_MATCH,
		Filter: &tupelov1.Filter{
			ObjectType: "doc", ObjectId: register, Relation: "has", SubjectType: "user", SubjectId: bitSubject(b.Bit).Id,
		},
	}
	if b.Set {
		p.Condition = tupelov1.Precondition_CONDITION_MUST_MATCH
	}
	return []*tupelov1.Precondition{p}
}

// Questions ask for a register: one for each of its bits.
func Questions(register string) []*tupelov1.BatchCheckItem {
	items := make([]*tupelov1.BatchCheckItem, Bits(register))
	for bit := range items {
		items[bit] = &tupelov1.BatchCheckItem{Object: object(register), Relation: "view", Subject: bitSubject(uint(bit))}
		if register == history.Schema {
			items[bit] = &tupelov1.BatchCheckItem{Object: system(), Relation: fmt.Sprint("bit", bit), Subject: bitSubject(0)}
		}
	}
	return items
}

// Value is what the answer to Questions says.
func Value(answer *tupelov1.BatchCheckResponse) (value int, err error) {
	for bit, result := range answer.Results {
		switch {
		case result.Result == tupelov1.Result_RESULT_YES:
			value |= 1 << bit
		case result.Result != tupelov1.Result_RESULT_NO:
			return 0, fmt.Errorf("%w: bit %d is %v", ErrAnswer, bit, result)
		}
	}
	return value, nil
}

// Changes reads the changes of a watch's message.
func Changes(r *tupelov1.WatchResponse) (changes []history.Change, err error) {
	if r.SchemaChanged {
		changes = append(changes, history.Change{Register: history.Schema})
	}
	for _, t := range r.Changes {
		if t.Tuple.Object.Type != "doc" {
			continue
		}
		change := history.Change{Register: t.Tuple.Object.Id}
		change.Set = t.Operation == tupelov1.TupleChange_OPERATION_TOUCHED
		if _, err := fmt.Sscanf(strings.TrimPrefix(t.Tuple.Subject.Id, "b"), "%d", &change.Bit.Bit); err != nil {
			return nil, fmt.Errorf("%w: a change of %v", ErrAnswer, t.Tuple)
		}
		changes = append(changes, change)
	}
	return changes, nil
}

// Consistency draws how fresh an answer must be for a client with a zookie, and
// notes it in the event.
func Consistency(random *rand.Rand, zookie string, e *history.Event) *tupelov1.Consistency {
	asked, _ := history.Revision(zookie)
	switch dice := random.IntN(100); {
	case dice < 40:
		e.Mode = history.Full
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
	case dice < 80:
		e.Mode, e.Asked = history.AtLeast, asked
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
	case dice < 90:
		e.Mode, e.Asked = history.Exact, asked
		return &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtExactSnapshot{AtExactSnapshot: zookie}}
	}
	e.Mode = history.Latency
	return nil
}
