package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub"
	"github.com/tupelodb/tupelo/store/tuple"
)

// roles are the relations of a repository that people are given.
var roles = map[string]bool{"reader": true, "maintainer": true, "admin": true}

// service answers web's requests.
type service struct {
	authz tupelov1.TupeloClient
	known repositories
}

func newHandler(authz tupelov1.TupeloClient, known repositories) http.Handler {
	s := &service{authz, known}
	mux := http.NewServeMux()
	mux.Handle("GET /repositories/{repository}", gitclub.Handler(s.show))
	mux.Handle("POST /repositories/{repository}/roles/{role}/{user}", gitclub.Handler(s.grant))
	mux.Handle("DELETE /repositories/{repository}/roles/{role}/{user}", gitclub.Handler(s.remove))
	return mux
}

// show answers with the repository's record. Other services read the zookie there.
func (s *service) show(_ context.Context, r *http.Request) (any, error) {
	repo, err := s.repository(r)
	if err != nil {
		return nil, err
	}
	return struct {
		ID     string `json:"id"`
		Zookie string `json:"zookie,omitempty"`
	}{repo.id, repo.lastChange()}, nil
}

// grant gives a user a role in the repository.
func (s *service) grant(ctx context.Context, r *http.Request) (any, error) {
	return nil, s.changeRole(ctx, r, tupelov1.Update_OPERATION_TOUCH)
}

// remove takes a role away. Once it has answered, nobody acts on the role any
// more: the zookie that says so is in the record.
func (s *service) remove(ctx context.Context, r *http.Request) (any, error) {
	return nil, s.changeRole(ctx, r, tupelov1.Update_OPERATION_DELETE)
}

func (s *service) changeRole(ctx context.Context, r *http.Request, operation tupelov1.Update_Operation) error {
	actor, err := gitclub.User(r)
	if err != nil {
		return err
	}
	repo, err := s.repository(r)
	if err != nil {
		return err
	}
	role := r.PathValue("role")
	if !roles[role] {
		return gitclub.Refuse(http.StatusNotFound, "a repository has readers, maintainers and admins; %q is no role", role)
	}
	user := r.PathValue("user")
	if user == tuple.WildcardID {
		// Today's schema gives no role to user:*, but it is not for the schema to
		// notice that an id which came from outside means everybody.
		return gitclub.Refuse(http.StatusBadRequest, "a role is given to one user")
	}
	if err := s.mustAdminister(ctx, repo, actor); err != nil {
		return err
	}
	return repo.change(ctx, func() (string, error) {
		response, err := s.authz.Write(ctx, &tupelov1.WriteRequest{Updates: []*tupelov1.Update{{
			Operation: operation,
			Tuple: &tupelov1.Tuple{
				Object:   &tupelov1.Object{Type: "repository", Id: repo.id},
				Relation: role,
				Subject:  &tupelov1.Subject{Type: "user", Id: user},
			},
		}}})
		if err != nil {
			return "", fmt.Errorf("changing the role: %w", err)
		}
		return response.Zookie, nil
	})
}

// mustAdminister fails unless the actor may administer the repository. It asks
// at the zookie of the last change, as jobs does: an admin who was removed a
// moment ago removes nobody else.
func (s *service) mustAdminister(ctx context.Context, repo *repository, actor string) error {
	response, err := s.authz.Check(ctx, &tupelov1.CheckRequest{
		Consistency: gitclub.AtLeastAsFreshAs(repo.lastChange()),
		Object:      &tupelov1.Object{Type: "repository", Id: repo.id},
		Relation:    "administer",
		Subject:     &tupelov1.Subject{Type: "user", Id: actor},
	})
	if err != nil {
		return fmt.Errorf("asking whether %s may administer repository %s: %w", actor, repo.id, err)
	}
	if response.Result != tupelov1.Result_RESULT_YES {
		return gitclub.Refuse(http.StatusForbidden, "%s may not administer repository %s", actor, repo.id)
	}
	return nil
}

func (s *service) repository(r *http.Request) (*repository, error) {
	id := r.PathValue("repository")
	repo, ok := s.known[id]
	if !ok {
		return nil, gitclub.Refuse(http.StatusNotFound, "there is no repository %q", id)
	}
	return repo, nil
}
