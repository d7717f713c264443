package caveat_test

import (
	"context"
	"fmt"

	"github.com/tupelodb/tupelo/schema/caveat"
)

// A tuple allows ten seats; whether one is free depends on the request.
func Example() {
	number := caveat.Type{Name: "int"}
	seats, err := caveat.Compile([]caveat.Param{{Name: "taken", Type: number}, {Name: "seats", Type: number}}, "taken < seats")
	if err != nil {
		panic(err)
	}
	stored, err := seats.Canonical(map[string]any{"seats": "10"})
	if err != nil {
		panic(err)
	}
	fixed, err := seats.Context(stored)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(stored))
	for _, text := range []string{`{"taken": 9}`, `{"taken": 10, "seats": 99}`, `{}`, `{"taken": "many"}`} {
		request, err := seats.Context([]byte(text))
		if err != nil {
			fmt.Println(err)
			continue
		}
		result, err := seats.Eval(context.Background(), fixed, request)
		fmt.Println(result.Verdict, result.Missing, err)
	}
	// Output:
	// {"seats":10}
	// yes [] <nil>
	// no [] <nil>
	// conditional [taken] <nil>
	// parameter `taken` must be an integer of 64 bits, not the string `many`
}
