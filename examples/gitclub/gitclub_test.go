package gitclub_test

import (
	"context"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/examples/gitclub/gitclubtest"
	"github.com/tupelodb/tupelo/schema"
)

func TestThePolicyAnswersEveryAssertion(t *testing.T) {
	_, client := gitclubtest.Start(t)
	asked, err := gitclub.Verify(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if asked < 60 {
		t.Errorf("only %d assertions were asked", asked)
	}
}

func TestVerifyNamesTheAssertionsThatFail(t *testing.T) {
	_, client := gitclubtest.Start(t)
	change(t, client, tupelov1.Update_OPERATION_DELETE, "repository", "handbook", "reader", "heidi")
	change(t, client, tupelov1.Update_OPERATION_TOUCH, "organization", "acme", "owner", "mallory")
	_, err := gitclub.Verify(t.Context(), client)
	if err == nil {
		t.Fatal("Verify does not notice that heidi reads nothing any more and mallory owns acme")
	}
	for _, want := range []string{
		"user:heidi has read on repository:handbook: the server says RESULT_NO",
		"user:mallory has not cancel on run:47: the server says RESULT_YES",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != 4 {
		t.Errorf("%d assertions fail, not heidi's three and mallory's one:\n%v", n, err)
	}
}

func TestVerifyFailsWhereTheQuestionsHaveNoMeaning(t *testing.T) {
	_, client := gitclubtest.Start(t)
	text := strings.ReplaceAll(gitclub.Schema(), "permission restart", "permission repeat")
	if _, err := client.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: text}); err != nil {
		t.Fatal(err)
	}
	_, err := gitclub.Verify(t.Context(), client)
	if err == nil || !strings.Contains(err.Error(), "restart on run:42: the server says ") {
		t.Errorf("Verify says this of a schema without restart:\n%v", err)
	}
}

func change(t *testing.T, client tupelov1.TupeloClient, operation tupelov1.Update_Operation, object, id, relation, user string) {
	t.Helper()
	_, err := client.Write(t.Context(), &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
		Operation: operation,
		Tuple: &tupelov1.Tuple{
			Object:   &tupelov1.Object{Type: object, Id: id},
			Relation: relation,
			Subject:  &tupelov1.Subject{Type: "user", Id: user},
		},
	}}})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryPermissionIsAssertedBothWays(t *testing.T) {
	s, err := schema.Load("schema.zed", gitclub.Schema())
	if err != nil {
		t.Fatal(err)
	}
	assertions, err := gitclub.Assertions()
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		permission string
		allowed    bool
	}
	asserted := make(map[answer]bool)
	for _, a := range assertions {
		asserted[answer{a.Tuple.ObjectType + " " + a.Tuple.Relation, a.Allowed}] = true
	}
	for _, d := range s.Definitions {
		for p := range d.Permissions() {
			for _, allowed := range []bool{true, false} {
				if !asserted[answer{d.Name + " " + p.Name, allowed}] {
					t.Errorf("no assertion says that %s of %s is %v for somebody", p.Name, d.Name, allowed)
				}
			}
		}
	}
}

func TestNoTwoAssertionsAskTheSame(t *testing.T) {
	assertions, err := gitclub.Assertions()
	if err != nil {
		t.Fatal(err)
	}
	lines := make(map[gitclub.Assertion]int)
	for _, a := range assertions {
		line := a.Line
		a.Line, a.Allowed = 0, false
		if first := lines[a]; first != 0 {
			t.Errorf("lines %d and %d ask the same", first, line)
		}
		lines[a] = line
	}
}

func TestLoadingTwiceChangesNothing(t *testing.T) {
	_, client := gitclubtest.Start(t)
	if err := gitclub.Load(t.Context(), client); err != nil {
		t.Fatal(err)
	}
	tuples, err := gitclub.Tuples()
	if err != nil {
		t.Fatal(err)
	}
	if stored := count(t.Context(), t, client); stored != len(tuples) {
		t.Errorf("%d tuples are stored, %d are in the file", stored, len(tuples))
	}
}

func count(ctx context.Context, t *testing.T, client tupelov1.TupeloClient) (n int) {
	t.Helper()
	page, err := client.Read(ctx, &tupelov1.ReadRequest{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if page.NextCursor != "" {
		t.Fatal("there are more than 1,000 tuples")
	}
	return len(page.Tuples)
}
