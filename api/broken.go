package api

import "github.com/tupelodb/tupelo/internal/broken"

// Break has the server, which must not have answered anything yet, break
// promises, so that a test can see whether it would be noticed. Nobody outside
// this module can name one.
func (s *Server) Break(promises ...broken.Promise) {
	for _, p := range promises {
		switch p {
		case broken.ZookieWait:
			s.ignoreZookies = true
		case broken.SchemaOfRevision:
			s.models.late = true
		}
	}
}
