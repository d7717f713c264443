package api

import (
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

func TestASchemaAndTuplesAreWrittenAndQuestionsAnswered(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t,
		"team:core#member@user:alice",
		"repository:club#maintainer@team:core#member",
		"repository:club#reader@user:*",
		"repository:club#banned@user:mallory",
		"job:build#repo@repository:club",
		"job:build#creator@user:bob",
	)
	for question, want := range map[string]tupelov1.Result{
		"job:build#cancel@user:alice":                  tupelov1.Result_RESULT_YES,
		"job:build#cancel@user:bob":                    tupelov1.Result_RESULT_YES,
		"job:build#cancel@user:carol":                  tupelov1.Result_RESULT_NO,
		"repository:club#pull@user:carol":              tupelov1.Result_RESULT_YES,
		"repository:club#pull@user:mallory":            tupelov1.Result_RESULT_NO,
		"repository:club#push@team:core#member":        tupelov1.Result_RESULT_YES,
		"repository:other#push@user:alice":             tupelov1.Result_RESULT_NO,
		"repository:club#maintainer@team:other#member": tupelov1.Result_RESULT_NO,
	} {
		if got := w.check(t, nil, question).Result; got != want {
			t.Errorf("%s: %v, want %v", question, got, want)
		}
	}
}

func TestABatchIsAnsweredInOrderWithErrorsInTheirPlaces(t *testing.T) {
	w := newWorld(t, gitclub)
	w.touch(t, "repository:club#owner@user:alice")
	zookie := w.touch(t, "repository:club#owner@user:bob")
	unknown := checkItem(t, "repository:club#push@user:alice")
	unknown.Relation = "pusk"
	response, err := w.client.BatchCheck(w.ctx, &tupelov1.BatchCheckRequest{Items: []*tupelov1.BatchCheckItem{
		checkItem(t, "repository:club#push@user:alice"),
		checkItem(t, "repository:club#push@user:carol"),
		unknown,
		{},
		nil,
		checkItem(t, "repository:club#push@user:bob"),
		checkItem(t, "repository:club#push@user:alice"),
	}})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range response.Results {
		if r.Error != nil {
			got = append(got, codes.Code(r.Error.Code).String()+" "+r.Error.Message)
			continue
		}
		got = append(got, r.Result.String())
	}
	want := []string{
		"RESULT_YES",
		"RESULT_NO",
		`FailedPrecondition items[2].relation: repository has no relation or permission "pusk"; did you mean "push"?`,
		"InvalidArgument items[3].object: an object is needed",
		"InvalidArgument items[4].object: an object is needed",
		"RESULT_YES",
		"RESULT_YES",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if response.Zookie != zookie {
		t.Errorf("the zookie is %s, not that of the newest revision, %s", response.Zookie, zookie)
	}
}
