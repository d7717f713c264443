package gitclub_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/examples/gitclub"
)

func TestAHandlersErrorBecomesAStatusAndAMessage(t *testing.T) {
	tests := []struct {
		err  error
		want int
	}{
		{gitclub.Refuse(http.StatusForbidden, "%s may not", "zoe"), http.StatusForbidden},
		{fmt.Errorf("in: %w", gitclub.Refuse(http.StatusNotFound, "gone")), http.StatusNotFound},
		{status.Error(codes.InvalidArgument, "bad id"), http.StatusBadRequest},
		{fmt.Errorf("asking: %w", status.Error(codes.InvalidArgument, "bad id")), http.StatusBadRequest},
		{status.Error(codes.DeadlineExceeded, "late"), http.StatusGatewayTimeout},
		{context.DeadlineExceeded, http.StatusGatewayTimeout},
		{status.Error(codes.Unavailable, "away"), http.StatusServiceUnavailable},
		{context.Canceled, http.StatusServiceUnavailable},
		// What is nobody's fault that the client could mend.
		{status.Error(codes.FailedPrecondition, "no schema"), http.StatusBadGateway},
		{status.Error(codes.Unauthenticated, "no token"), http.StatusBadGateway},
		{errors.New("anything else"), http.StatusBadGateway},
	}
	for _, test := range tests {
		handler := gitclub.Handler(func(context.Context, *http.Request) (any, error) { return "ignored", test.err })
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
		if recorder.Code != test.want {
			t.Errorf("%v becomes %d, want %d", test.err, recorder.Code, test.want)
		}
		if body := recorder.Body.String(); !strings.Contains(body, `"error":`) || strings.Contains(body, "ignored") {
			t.Errorf("%v is told as %s", test.err, body)
		}
	}
}

func TestAHandlersBodyIsSentAsJSON(t *testing.T) {
	for _, test := range []struct {
		body any
		code int
		text string
	}{
		{map[string]int{"a": 1}, http.StatusOK, "{\"a\":1}\n"},
		{nil, http.StatusNoContent, ""},
	} {
		handler := gitclub.Handler(func(context.Context, *http.Request) (any, error) { return test.body, nil })
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, "/", nil))
		if recorder.Code != test.code || recorder.Body.String() != test.text {
			t.Errorf("%v is sent as %d %q", test.body, recorder.Code, recorder.Body)
		}
	}
}

func TestAHandlerHasADeadline(t *testing.T) {
	handler := gitclub.Handler(func(ctx context.Context, _ *http.Request) (any, error) {
		if _, ok := ctx.Deadline(); !ok {
			t.Error("a handler could run for ever")
		}
		return nil, nil
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
}

// get returns what a URL answers.
func get(url string) (string, error) {
	response, err := http.Get(url)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func TestServeLetsRequestsUnderWayFinish(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	entered, leave := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-leave
		io.WriteString(w, "finished")
	})
	urls, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- gitclub.Serve(ctx, "127.0.0.1:0", handler, func(url string) { urls <- url }) }()
	url := <-urls
	type answer struct {
		body string
		err  error
	}
	answers := make(chan answer, 1)
	go func() {
		body, err := get(url)
		answers <- answer{body, err}
	}()
	<-entered
	stop()
	select {
	case err := <-ended:
		t.Fatalf("Serve ended with %v while a request was under way", err)
	default:
	}
	close(leave)
	if a := <-answers; a.err != nil || a.body != "finished" {
		t.Errorf("the request under way got %q, %v", a.body, a.err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve ended with %v", err)
	}
	if _, err := get(url); err == nil {
		t.Error("the service still answers")
	}
}

func TestServeSaysWhyItCannotListen(t *testing.T) {
	err := gitclub.Serve(t.Context(), "256.0.0.1:0", http.NotFoundHandler(), func(string) { t.Error("it is not ready") })
	if err == nil {
		t.Error("an address that does not exist is no error")
	}
}
