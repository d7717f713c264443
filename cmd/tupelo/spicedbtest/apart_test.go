package spicedbtest

import (
	"fmt"
	"testing"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
)

// TestWhatIsApart asks where the two are apart by intent: circles in the data, depth,
// values for what a relationship fixes, and tokens of another store.
func TestWhatIsApart(t *testing.T) {
	both, other := start(t), start(t)
	other.spicedb.t = t
	foreign := other.spicedb.given(office, papers)
	both.compare(t, func(s *side) {
		s.given(office, `
			team:a#member@team:b#member
			team:b#member@team:a#member
			team:b#member@user:ann
			document:ring#reader@team:a#member
			document:fixed#banned@user:young[adult:{"age":17}]`)
		check := func(step, about, context string) {
			r := rel(about)
			unary(s, step, s.CheckPermission, &v1.CheckPermissionRequest{Consistency: full(), Resource: r.Resource, Permission: r.Relation, Subject: r.Subject, Context: values(context)})
		}
		check("in a circle", "document:ring#view@user:ann", "")
		check("not in a circle", "document:ring#view@user:bo", "")
		s.resources("resources of a circle", &v1.LookupResourcesRequest{Consistency: full(), ResourceObjectType: "document", Permission: "view", Subject: subject("user:ann")})
		s.subjects("subjects of a circle", &v1.LookupSubjectsRequest{Consistency: full(), Resource: object("document:ring"), Permission: "view", SubjectObjectType: "user"})
		unary(s, "the tree of a circle", s.ExpandPermissionTree, &v1.ExpandPermissionTreeRequest{Consistency: full(), Resource: object("document:ring"), Permission: "view"})
		check("a value that is fixed", "document:fixed#banned@user:young", `{"age":40}`)
		check("a wrong value that is fixed", "document:fixed#banned@user:young", `{"age":"old"}`)
		for _, n := range []int{20, 45, 60} {
			s.wrote(updates(touch, rel(fmt.Sprintf("folder:f%d-0#viewer@user:deep", n)))...)
			for i := range n {
				s.wrote(updates(touch, rel(fmt.Sprintf("folder:f%d-%d#parent@folder:f%d-%d", n, i+1, n, i)))...)
			}
			check(fmt.Sprintf("%d folders deep", n), fmt.Sprintf("folder:f%d-%d#view@user:deep", n, n), "")
		}
		ask := &v1.CheckPermissionRequest{Resource: object("document:ring"), Permission: "nobody", Subject: subject("user:ann")}
		ask.Consistency = exactly(foreign)
		unary(s, "at the snapshot of another's token", s.CheckPermission, ask)
		ask.Consistency = &v1.Consistency{Requirement: &v1.Consistency_AtLeastAsFresh{AtLeastAsFresh: foreign}}
		unary(s, "as fresh as another's token", s.CheckPermission, ask)
	},
		difference{`^not in a circle|s of a circle`, `FailedPrecondition MAXIMUM_DEPTH_EXCEEDED`, ``, `a circle contributes nothing: the answer is what follows without it`},
		difference{`^a wrong value that is fixed`, `{`, `InvalidArgument CAVEAT_PARAMETER_TYPE_ERROR`, `a value of a wrong type is a mistake, whether it matters or not`},
		difference{`^at the snapshot of another's token`, `Unknown`, `InvalidArgument`, `Unknown tells a client nothing`},
		difference{`^as fresh as another's token`, `{`, `InvalidArgument`, `a token that means nothing is more often a mistake in the wiring than a wish`},
	)
}
