package gitclub

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

var (
	//go:embed schema.zed
	schemaText string
	//go:embed tuples.txt
	tuplesText string
	//go:embed assertions.txt
	assertionsText string
)

// Schema returns the text of schema.zed.
func Schema() string { return schemaText }

// Tuples returns the tuples of tuples.txt in the order of the file.
func Tuples() ([]tuple.Named, error) {
	var tuples []tuple.Named
	for number, line := range lines(tuplesText) {
		t, err := tuple.Parse(line)
		if err != nil {
			return nil, fmt.Errorf("tuples.txt:%d: %w", number, err)
		}
		tuples = append(tuples, t)
	}
	return tuples, nil
}

// Assertion is one line of assertions.txt: a question and the answer that the
// policy gives.
type Assertion struct {
	// Line counts the lines of the file from 1.
	Line int
	// Object and Subject are in text form, such as run:42 and team:core#member.
	Object, Permission, Subject string
	// Allowed is the answer.
	Allowed bool
}

// String returns the assertion as a sentence.
func (a Assertion) String() string {
	verb := "has"
	if !a.Allowed {
		verb = "has not"
	}
	return fmt.Sprintf("%s %s %s on %s", a.Subject, verb, a.Permission, a.Object)
}

// Question returns what a server is to be asked.
func (a Assertion) Question() (*tupelov1.BatchCheckItem, error) {
	object, err := subject(a.Object)
	if err != nil {
		return nil, err
	}
	if object.Relation != "" {
		return nil, fmt.Errorf("%w: %q is a userset, an object is wanted", tuple.ErrSyntax, a.Object)
	}
	who, err := subject(a.Subject)
	if err != nil {
		return nil, err
	}
	return &tupelov1.BatchCheckItem{
		Object:   &tupelov1.Object{Type: object.Type, Id: object.Id},
		Relation: a.Permission,
		Subject:  who,
	}, nil
}

func subject(text string) (*tupelov1.Subject, error) {
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		return nil, err
	}
	return &tupelov1.Subject{Type: typeName, Id: id, Relation: relation}, nil
}

// Assertions returns the assertions of assertions.txt in the order of the file.
func Assertions() ([]Assertion, error) {
	var assertions []Assertion
	for number, line := range lines(assertionsText) {
		fields := strings.Fields(line)
		if len(fields) != 4 || fields[3] != "yes" && fields[3] != "no" {
			return nil, fmt.Errorf("assertions.txt:%d: want `object permission subject yes|no`, found %q", number, line)
		}
		assertions = append(assertions, Assertion{
			Line: number, Object: fields[0], Permission: fields[1], Subject: fields[2], Allowed: fields[3] == "yes",
		})
	}
	return assertions, nil
}

// lines yields the lines that are neither blank nor comments, with their numbers.
func lines(text string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(text) {
			number++
			line = strings.TrimSpace(line)
			if line == "" || strings.HasPrefix(line, "//") {
				continue
			}
			if !yield(number, line) {
				return
			}
		}
	}
}

// Load writes the schema and the tuples to a server. Doing it again changes nothing.
func Load(ctx context.Context, client tupelov1.TupeloClient) error {
	tuples, err := Tuples()
	if err != nil {
		return err
	}
	if _, err := client.WriteSchema(ctx, &tupelov1.WriteSchemaRequest{Text: Schema()}); err != nil {
		return fmt.Errorf("writing GitClub's schema: %w", err)
	}
	request := &tupelov1.WriteRequest{}
	for _, t := range tuples {
		request.Updates = append(request.Updates, &tupelov1.Update{
			Operation: tupelov1.Update_OPERATION_TOUCH,
			Tuple:     wire(t),
		})
	}
	if _, err := client.Write(ctx, request); err != nil {
		return fmt.Errorf("writing GitClub's tuples: %w", err)
	}
	return nil
}

// wire returns the tuple as the protocol spells it.
func wire(t tuple.Named) *tupelov1.Tuple {
	return &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}
}

// Verify asks a server every assertion, all at one revision, and returns those
// that it answers otherwise, joined into one error; asked counts the questions.
func Verify(ctx context.Context, client tupelov1.TupeloClient) (asked int, err error) {
	assertions, err := Assertions()
	if err != nil {
		return 0, err
	}
	request := &tupelov1.BatchCheckRequest{Consistency: AtLeastAsFreshAs("")}
	for _, a := range assertions {
		item, err := a.Question()
		if err != nil {
			return 0, fmt.Errorf("assertions.txt:%d: %w", a.Line, err)
		}
		request.Items = append(request.Items, item)
	}
	response, err := client.BatchCheck(ctx, request)
	if err != nil {
		return 0, fmt.Errorf("asking the assertions: %w", err)
	}
	if len(response.Results) != len(assertions) {
		return 0, fmt.Errorf("asked %d questions and got %d answers", len(assertions), len(response.Results))
	}
	var wrong []error
	for i, a := range assertions {
		wrong = append(wrong, a.judge(response.Results[i]))
	}
	return len(assertions), errors.Join(wrong...)
}

// judge compares a server's answer with the assertion.
func (a Assertion) judge(answer *tupelov1.BatchCheckResult) error {
	want := tupelov1.Result_RESULT_NO
	if a.Allowed {
		want = tupelov1.Result_RESULT_YES
	}
	switch {
	case answer.Error != nil:
		return fmt.Errorf("assertions.txt:%d: %s: the server says %s", a.Line, a, answer.Error.Message)
	case answer.Result != want:
		return fmt.Errorf("assertions.txt:%d: %s: the server says %s", a.Line, a, answer.Result)
	}
	return nil
}
