package gitclub

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/store/tuple"
)

// fixtureName is the file that has GitClub's tuples and assertions. `tupelo
// validate` runs it without a server; here it is what a server is loaded with and asked.
const fixtureName = "fixture.yaml"

var (
	//go:embed schema.zed
	schemaText string
	//go:embed fixture.yaml
	fixtureText string
)

// Schema returns the text of schema.zed.
func Schema() string { return schemaText }

// Tuples returns the tuples of the fixture in the order of the file.
func Tuples() ([]tuple.Named, error) {
	f, err := fixture.Read(fixtureName, fixtureText)
	if err != nil {
		return nil, err
	}
	tuples := make([]tuple.Named, len(f.Relationships))
	for i, r := range f.Relationships {
		tuples[i] = r.Tuple
	}
	return tuples, nil
}

// Assertion is a question and the answer that the policy gives.
type Assertion struct {
	// Line counts the lines of the fixture from 1.
	Line int
	// Tuple is what is asked: is its subject in its relation or permission?
	Tuple tuple.Named
	// Allowed is the answer.
	Allowed bool
}

// String returns the assertion as a sentence.
func (a Assertion) String() string {
	verb := "has"
	if !a.Allowed {
		verb = "has not"
	}
	asked := wire(a.Tuple)
	return fmt.Sprintf("%s %s %s on %s:%s", subjectText(asked.Subject), verb, asked.Relation, asked.Object.Type, asked.Object.Id)
}

func subjectText(s *tupelov1.Subject) string {
	if s.Relation != "" {
		return s.Type + ":" + s.Id + "#" + s.Relation
	}
	return s.Type + ":" + s.Id
}

// question returns what a server is to be asked.
func (a Assertion) question() *tupelov1.BatchCheckItem {
	asked := wire(a.Tuple)
	return &tupelov1.BatchCheckItem{Object: asked.Object, Relation: asked.Relation, Subject: asked.Subject}
}

// Assertions returns the assertions of the fixture in the order of the file.
// GitClub's policy has no conditions, and so each is yes or no.
func Assertions() ([]Assertion, error) {
	f, err := fixture.Read(fixtureName, fixtureText)
	if err != nil {
		return nil, err
	}
	var assertions []Assertion
	for _, a := range f.Assertions {
		if a.Outcome == fixture.Conditional || a.Context != "" {
			return nil, fmt.Errorf("%s:%d: %s is conditional, which is not asked here", fixtureName, a.Pos.Line, a.Text)
		}
		assertions = append(assertions, Assertion{a.Pos.Line, a.Tuple, a.Outcome == fixture.True})
	}
	return assertions, nil
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
		request.Items = append(request.Items, a.question())
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
		return fmt.Errorf("%s:%d: %s: the server says %s", fixtureName, a.Line, a, answer.Error.Message)
	case answer.Result != want:
		return fmt.Errorf("%s:%d: %s: the server says %s", fixtureName, a.Line, a, answer.Result)
	}
	return nil
}
