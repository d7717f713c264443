package target

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// jsonServer takes JSON over HTTP. One connection carries one call at a time there,
// and there are as many as calls in flight.
type jsonServer struct {
	client *http.Client
	base   string // of all paths
	token  string
}

// newJSONServer is one at an address, by HTTP if it is no URL.
func newJSONServer(addr, path, token string) *jsonServer {
	if !strings.Contains(addr, "://") {
		addr = "http://" + addr
	}
	return &jsonServer{&http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 4096}}, addr + path, token}
}

// post sends a message and takes in its answer.
func (s *jsonServer) post(ctx context.Context, path string, body []byte, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.base+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return &HTTPError{response.StatusCode, path + ": " + string(text)}
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return noAnswer("%s: %v", path, err)
	}
	return nil
}

func (s *jsonServer) close() { s.client.CloseIdleConnections() }
