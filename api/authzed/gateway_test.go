package authzed

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/api"
)

// gateway is a node's HTTP form.
type gateway struct {
	url, token string
}

// newGateway serves a new node over HTTP; with a token, if one is given.
func newGateway(t *testing.T, limitBytes int, token ...string) gateway {
	t.Helper()
	handler, err := Gateway(newNode(t, api.Options{Tokens: token}), limitBytes)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return gateway{url: server.URL, token: strings.Join(token, "")}
}

// do makes a request, and returns what came back.
func (g gateway) do(t *testing.T, method, path, body string) (status int, answer string) {
	t.Helper()
	response := g.open(t, t.Context(), method, path, body)
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

func (g gateway) open(t *testing.T, ctx context.Context, method, path, body string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(ctx, method, g.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if g.token != "" {
		request.Header.Set("Authorization", "Bearer "+g.token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// post expects an answer with a status, and returns its one JSON object.
func (g gateway) post(t *testing.T, path, body string, status int) map[string]any {
	t.Helper()
	got, text := g.do(t, http.MethodPost, path, body)
	var answer map[string]any
	if err := json.Unmarshal([]byte(text), &answer); err != nil || got != status {
		t.Fatalf("%s: status %d, want %d: %s (%v)", path, got, status, text, err)
	}
	return answer
}

// load writes GitClub's schema in small, and relationships in text form.
func (g gateway) load(t *testing.T, relationships ...string) (token string) {
	t.Helper()
	schema, _ := json.Marshal(map[string]string{"schema": `definition user {}
definition team {
	relation member: user
}
definition repository {
	relation reader: user | team#member
	permission pull = reader
}`})
	written := g.post(t, "/v1/schema/write", string(schema), http.StatusOK)
	token = written["writtenAt"].(map[string]any)["token"].(string)
	for _, text := range relationships {
		written := g.post(t, "/v1/relationships/write", `{"updates": [{"operation": "OPERATION_CREATE", "relationship": `+relationshipJSON(text)+`}]}`, http.StatusOK)
		token = written["writtenAt"].(map[string]any)["token"].(string)
	}
	return token
}

// relationshipJSON spells type:id#relation@type:id.
func relationshipJSON(text string) string {
	parts := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(":#@", r) })
	return fmt.Sprintf(`{"resource": {"objectType": %q, "objectId": %q}, "relation": %q, "subject": {"object": {"objectType": %q, "objectId": %q}}}`,
		parts[0], parts[1], parts[2], parts[3], parts[4])
}

func TestEachServiceAnswersOverHTTP(t *testing.T) {
	g := newGateway(t, 1<<20)
	token := g.load(t, "team:core#member@user:ana", "repository:site#reader@user:ana", "repository:docs#reader@user:ana")
	if got := g.post(t, "/v1/schema/read", "", http.StatusOK); !strings.Contains(got["schemaText"].(string), "permission pull") {
		t.Errorf("the schema is %v", got)
	}
	check := `{"resource": {"objectType": "repository", "objectId": "site"}, "permission": "pull",
		"subject": {"object": {"objectType": "user", "objectId": "%s"}}, "consistency": {"atLeastAsFresh": {"token": "` + token + `"}}}`
	for user, want := range map[string]string{"ana": "PERMISSIONSHIP_HAS_PERMISSION", "bo": "PERMISSIONSHIP_NO_PERMISSION"} {
		// All that is there is told, empty or not, as by SpiceDB.
		got := g.post(t, "/v1/permissions/check", fmt.Sprintf(check, user), http.StatusOK)
		if info, told := got["partialCaveatInfo"]; got["permissionship"] != want || !told || info != nil {
			t.Errorf("%s: %v", user, got)
		}
	}
	// A stream is an object a line.
	status, text := g.do(t, http.MethodPost, "/v1/permissions/resources",
		`{"resourceObjectType": "repository", "permission": "pull", "subject": {"object": {"objectType": "user", "objectId": "ana"}}}`)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if status != http.StatusOK || len(lines) != 2 {
		t.Fatalf("%d: %s", status, text)
	}
	for i, want := range []string{"docs", "site"} {
		var line struct {
			Result struct{ ResourceObjectID string } `json:"result"`
		}
		if err := json.Unmarshal([]byte(lines[i]), &line); err != nil || line.Result.ResourceObjectID != want {
			t.Errorf("line %d is %s (%v)", i, lines[i], err)
		}
	}
	bulk := g.post(t, "/v1/experimental/permissions/bulkcheckpermission", `{"items": []}`, http.StatusOK)
	if pairs, told := bulk["pairs"].([]any); !told || len(pairs) != 0 {
		t.Errorf("the older bulk check: %v", bulk)
	}
}

func TestAWatchOverHTTPTellsOfAWriteAsItIsMade(t *testing.T) {
	g := newGateway(t, 1<<20)
	token := g.load(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	touch := func(user string) {
		g.post(t, "/v1/relationships/write", `{"updates": [{"operation": "OPERATION_TOUCH", "relationship": `+relationshipJSON("team:core#member@user:"+user)+`}]}`, http.StatusOK)
	}
	touch("ana") // the answer begins with its first line
	response := g.open(t, ctx, http.MethodPost, "/v1/watch", `{"optionalStartCursor": {"token": "`+token+`"}}`)
	defer response.Body.Close()
	lines := bufio.NewReader(response.Body)
	for _, user := range []string{"ana", "bo"} {
		line, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(line, `{"result":`) || !strings.Contains(line, `"objectId":"`+user+`"`) {
			t.Errorf("%s: %q, %v", user, line, err)
		}
		touch("bo")
	}
}

func TestErrorsOverHTTPHaveACodeAMessageAndDetails(t *testing.T) {
	g := newGateway(t, 1<<20)
	g.load(t)
	got := g.post(t, "/v1/permissions/check", `{"resource": {"objectType": "document", "objectId": "d"}, "permission": "pull",
		"subject": {"object": {"objectType": "user", "objectId": "ana"}}}`, http.StatusBadRequest)
	details, _ := got["details"].([]any)
	if got["code"] != 9.0 || got["message"] == "" || len(details) != 1 {
		t.Fatalf("the error is %v", got)
	}
	info := details[0].(map[string]any)
	if info["@type"] != "type.googleapis.com/google.rpc.ErrorInfo" || info["reason"] != "ERROR_REASON_UNKNOWN_DEFINITION" || info["domain"] != Domain {
		t.Errorf("the detail is %v", info)
	}
	// In a stream, too: as its last line, or as all of the answer where none came before.
	status, text := g.do(t, http.MethodPost, "/v1/permissions/resources", `{"resourceObjectType": "document", "permission": "pull",
		"subject": {"object": {"objectType": "user", "objectId": "ana"}}}`)
	if status != http.StatusBadRequest || !strings.Contains(text, "ERROR_REASON_UNKNOWN_DEFINITION") {
		t.Errorf("%d: %s", status, text)
	}
	for name, request := range map[string]struct {
		path, body string
		status     int
		says       string
	}{
		"no JSON":          {"/v1/schema/read", "{", http.StatusBadRequest, "unexpected EOF"},
		"an unknown field": {"/v1/relationships/read", `{"relationshipFilter": {"resourceTyp": "team"}}`, http.StatusBadRequest, "resourceTyp"},
		"an unknown path":  {"/v1/nothing", "{}", http.StatusNotFound, "Not Found"},
	} {
		if got := g.post(t, request.path, request.body, request.status); !strings.Contains(got["message"].(string), request.says) {
			t.Errorf("%s: %v", name, got)
		}
	}
	if status, _ := g.do(t, http.MethodGet, "/v1/schema/read", ""); status != http.StatusNotImplemented && status != http.StatusMethodNotAllowed {
		t.Errorf("another method: status %d", status)
	}
}

func TestARequestOverHTTPNeedsATokenAndItsHealthDoesNot(t *testing.T) {
	g := newGateway(t, 1<<20, "secret")
	g.load(t)
	for _, token := range []string{"", "wrong"} {
		g.token = token
		got := g.post(t, "/v1/schema/read", "", http.StatusUnauthorized)
		if got["code"] != 16.0 {
			t.Errorf("with the token %q: %v", token, got)
		}
		if status, text := g.do(t, http.MethodGet, "/healthz", ""); status != http.StatusOK || !strings.Contains(text, "SERVING") {
			t.Errorf("health: %d %s", status, text)
		}
		status, text := g.do(t, http.MethodGet, "/openapi.json", "")
		if status != http.StatusOK || !json.Valid([]byte(text)) || !strings.Contains(text, "/v1/permissions/check") {
			t.Errorf("the description: %d, %d bytes", status, len(text))
		}
	}
}

func TestAJSONValueIsHeldToItsBoundAndAStreamOfThemIsNot(t *testing.T) {
	g := newGateway(t, 2000)
	g.load(t)
	got := g.post(t, "/v1/permissions/check", `{"permission": "`+strings.Repeat("p", 2000)+`"}`, http.StatusBadRequest)
	if !strings.Contains(got["message"].(string), "over 2000") {
		t.Errorf("the error is %v", got)
	}
	decoder := newBoundedJSON(100).NewDecoder(strings.NewReader(strings.Repeat(`{"token": "one of many"} `, 1000)))
	for i := range 1000 {
		var value map[string]string
		if err := decoder.Decode(&value); err != nil {
			t.Fatalf("value %d: %v", i, err)
		}
	}
}
