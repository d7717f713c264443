package authzed

import (
	"context"
	"flag"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite/rewritetest"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/schematest"
)

var worldSeed = flag.Uint64("seed", 1, "seed of the random worlds")

// world is a random world that a node has.
type world struct {
	testClient
	*rewritetest.World
	rng     *rand.Rand
	objects int
	zookie  string
}

// newWorld makes a world and gives it to a new node. An open one has all of the
// language, another has not what trees do not tell: caveats, expirations and circles
// that exclude themselves.
func newWorld(t *testing.T, rng *rand.Rand, open bool) *world {
	t.Helper()
	return newWorldOf(t, rng, schematest.Random(rng, schematest.Options{
		Caveats: open, Expiration: open, NegativeRecursion: open, ArrowFunctions: true, Self: true,
	}))
}

// newWorldOf fills a world that has a schema, and gives it to a new node.
func newWorldOf(t *testing.T, rng *rand.Rand, s *schema.Schema) *world {
	t.Helper()
	made, err := rewritetest.New(s)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{testClient: newClient(t), World: made, rng: rng, objects: 1 + rng.IntN(4)}
	if err := w.Fill(rng, w.objects, 20+rng.IntN(60*w.objects)); err != nil {
		t.Fatal(err)
	}
	written, err := w.native.WriteSchema(t.Context(), &tupelov1.WriteSchemaRequest{Text: schema.Format(w.Schema)})
	if err != nil {
		t.Fatal(err)
	}
	w.zookie = written.Zookie
	var all []*tupelov1.Update
	for i := range w.Named {
		all = append(all, &tupelov1.Update{Operation: tupelov1.Update_OPERATION_TOUCH, Tuple: w.tuple(t, i)})
	}
	w.write(t, all)
	return w
}

func (w *world) write(t *testing.T, updates []*tupelov1.Update) {
	t.Helper()
	for part := range slices.Chunk(updates, 500) {
		response, err := w.native.Write(t.Context(), &tupelov1.WriteRequest{Updates: part})
		if err != nil {
			t.Fatal(err)
		}
		w.zookie = response.Zookie
	}
}

// tuple spells the i-th tuple, which expires an hour ago or hence.
func (w *world) tuple(t *testing.T, i int) *tupelov1.Tuple {
	t.Helper()
	n := w.Named[i]
	one := &tupelov1.Tuple{
		Object: &tupelov1.Object{Type: n.ObjectType, Id: n.ObjectID}, Relation: n.Relation,
		Subject: &tupelov1.Subject{Type: n.SubjectType, Id: n.SubjectID, Relation: n.SubjectRelation},
	}
	if n.Caveat != "" {
		one.Caveat = &tupelov1.Caveat{Name: n.Caveat, Context: fields(t, n.Context)}
	}
	if n.ExpiresNanos != 0 {
		one.ExpiresAt = timestamppb.New(time.Now().Add(time.Duration(2*(n.ExpiresNanos%2)-1) * time.Hour))
	}
	return one
}

// fields reads a context's text; "" is none.
func fields(t *testing.T, text string) *structpb.Struct {
	t.Helper()
	if text == "" {
		return nil
	}
	read := &structpb.Struct{}
	if err := read.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return read
}

// at asks at the revision of the last write.
func (w *world) at() *v1.Consistency {
	return &v1.Consistency{Requirement: &v1.Consistency_AtExactSnapshot{AtExactSnapshot: token(w.zookie)}}
}

// questions makes random checks, some about names and ids that nobody has.
func (w *world) questions(t *testing.T, n int) []*v1.CheckBulkPermissionsRequestItem {
	t.Helper()
	var all []*v1.CheckBulkPermissionsRequestItem
	for range n {
		slot := w.Program.Slots[w.rng.IntN(len(w.Program.Slots))]
		about := rel(w.Program.Types[slot.Type].Name, w.object(), slot.Name, w.Program.Types[w.rng.IntN(len(w.Program.Types))].Name, w.object(), "")
		if w.rng.IntN(3) == 0 {
			userset := w.Program.Slots[w.rng.IntN(len(w.Program.Slots))]
			about.Subject.Object.ObjectType, about.Subject.OptionalRelation = w.Program.Types[userset.Type].Name, userset.Name
		}
		if w.rng.IntN(2) == 0 { // what is stored is seldom hit by chance
			stored := w.Named[w.rng.IntN(len(w.Named))]
			about.Resource.ObjectType, about.Resource.ObjectId, about.Relation = stored.ObjectType, stored.ObjectID, stored.Relation
			about.Subject.Object.ObjectType, about.Subject.Object.ObjectId = stored.SubjectType, stored.SubjectID
			about.Subject.OptionalRelation = stored.SubjectRelation
		}
		switch w.rng.IntN(40) {
		case 0:
			about.Relation = "nonsense"
		case 1:
			about.Resource.ObjectType = "nonsense"
		case 2:
			about.Subject.Object.ObjectId = "*"
		case 3:
			about.Subject.OptionalRelation = "nonsense"
		}
		asked := item(about)
		if w.rng.IntN(4) == 0 {
			asked.Context = w.context(t)
		}
		all = append(all, asked)
	}
	return all
}

// context makes values for some of the parameters that caveats have.
func (w *world) context(t *testing.T) *structpb.Struct {
	t.Helper()
	var params []*schema.Param
	for i := range schematest.CaveatParams {
		params = append(params, &schematest.CaveatParams[i])
	}
	return fields(t, rewritetest.Context(w.rng, params))
}

func (w *world) object() string { return rewritetest.ObjectID(w.rng.IntN(w.objects + 1)) }

// answer spells a permissionship or the refusal of it.
func answer(permissionship v1.CheckPermissionResponse_Permissionship, info *v1.PartialCaveatInfo, err error) string {
	if err != nil {
		st := status.Convert(err)
		return st.Code().String() + ": " + st.Message()
	}
	return strings.Join(append([]string{permissionship.String()}, info.GetMissingRequiredContext()...), " ")
}

// TestChecksOfBothProtocolsAgree asks random questions of random worlds in each way
// that there is.
func TestChecksOfBothProtocolsAgree(t *testing.T) {
	tally := make(map[string]int)
	for n := uint64(1); n <= 20 && !t.Failed(); n++ {
		w := newWorld(t, rand.New(rand.NewPCG(*worldSeed, n)), n%4 > 0)
		asked := w.questions(t, 100)
		bulk, err := w.CheckBulkPermissions(t.Context(), &v1.CheckBulkPermissionsRequest{Consistency: w.at(), Items: asked, WithTracing: n%2 == 0})
		if err != nil {
			t.Fatal(err)
		}
		for i, q := range asked {
			native, err := w.native.Check(t.Context(), &tupelov1.CheckRequest{
				Consistency: exactly(w.zookie), Object: object(q.Resource), Relation: q.Permission, Subject: subject(q.Subject), Context: q.Context,
			})
			want := answer(permissionship(native.GetResult()), partialCaveatInfo(native.GetMissingContext()), translated(nil, err))
			got, err := w.CheckPermission(t.Context(), &v1.CheckPermissionRequest{
				Consistency: w.at(), Resource: q.Resource, Permission: q.Permission, Subject: q.Subject, Context: q.Context, WithTracing: i%3 == 0,
			})
			alone := answer(got.GetPermissionship(), got.GetPartialCaveatInfo(), err)
			pair := bulk.Pairs[i].GetItem()
			among := answer(pair.GetPermissionship(), pair.GetPartialCaveatInfo(), status.ErrorProto(bulk.Pairs[i].GetError()))
			if alone != want || among != want {
				t.Errorf("world %d of -seed=%d: %v: %s alone, %s in bulk, %s natively", n, *worldSeed, q, alone, among, want)
			}
			traceHolds(t, got.GetDebugTrace().GetCheck())
			traceHolds(t, pair.GetDebugTrace().GetCheck())
			word, _, _ := strings.Cut(strings.TrimSuffix(strings.Fields(want)[0], ":"), " ")
			tally[word]++
		}
	}
	t.Log(tally)
	for _, word := range []string{
		"PERMISSIONSHIP_HAS_PERMISSION", "PERMISSIONSHIP_NO_PERMISSION", "PERMISSIONSHIP_CONDITIONAL_PERMISSION",
		codes.FailedPrecondition.String(), codes.InvalidArgument.String(),
	} {
		if tally[word] < 20 {
			t.Errorf("the worlds are dull: %s %d times", word, tally[word])
		}
	}
}

// traceHolds fails where clients would: they read of each conditional node what its
// caveats lack, without looking whether it is there.
func traceHolds(t *testing.T, node *v1.CheckDebugTrace) {
	t.Helper()
	if node == nil {
		return
	}
	if info := node.CaveatEvaluationInfo; node.Result == v1.CheckDebugTrace_PERMISSIONSHIP_CONDITIONAL_PERMISSION {
		if len(info.GetPartialCaveatInfo().GetMissingRequiredContext()) == 0 || info.Expression == "" {
			t.Errorf("it does not say on what this depends:\n%s", drawTrace(node))
		}
	}
	if node.Resource == nil || node.Permission == "" || node.Subject == nil || node.Resolution == nil {
		t.Errorf("a node lacks something: %v", node)
	}
	for _, below := range node.GetSubProblems().GetTraces() {
		traceHolds(t, below)
	}
}

// newMixedWorld makes a world of arrows over all whose objects often lack the target:
// those of random schemas seldom do so where the answer depends on it.
func newMixedWorld(t *testing.T, rng *rand.Rand) *world {
	t.Helper()
	s, err := schema.Load("mixed", `
definition user {}

definition note {
	relation about: user
}

definition folder {
	relation parent: folder | note
	relation viewer: user | user:*
	permission view = parent.all(viewer)
	permission edit = viewer & parent.all(viewer)
	permission hide = viewer - parent.all(viewer)
	permission read = viewer + parent.all(read)
}`)
	if err != nil {
		t.Fatal(err)
	}
	return newWorldOf(t, rng, s)
}

// TestTreesHaveTheSubjectsThatChecksFind reads trees of random worlds, without
// caveats, as what they stand for, and asks for the usersets in their leaves.
func TestTreesHaveTheSubjectsThatChecksFind(t *testing.T) {
	asked, found := 0, 0
	for n := uint64(1); n <= 20 && !t.Failed(); n++ {
		rng := rand.New(rand.NewPCG(*worldSeed, n))
		var w *world
		if n%4 > 0 {
			w = newWorld(t, rng, false)
		} else {
			w = newMixedWorld(t, rng)
		}
		for _, q := range w.questions(t, 60) {
			tree, err := w.ExpandPermissionTree(t.Context(), &v1.ExpandPermissionTreeRequest{Consistency: w.at(), Resource: q.Resource, Permission: q.Permission})
			if status.Code(err) == codes.FailedPrecondition || q.Subject.Object.ObjectId == "*" || q.Subject.OptionalRelation != "" {
				continue // nonsense, or a userset: those are members of more than trees show
			}
			if err != nil {
				t.Fatal(err)
			}
			want := w.has(t.Context(), t, q.Resource, q.Permission, q.Subject)
			if got := w.holds(t, tree.TreeRoot, q.Subject); got != want {
				t.Errorf("world %d of -seed=%d: %v: %v, and by the tree %v:\n%s%s", n, *worldSeed, q, want, got, drawTree(tree.TreeRoot), schema.Format(w.Schema))
			}
			asked++
			if want {
				found++
			}
		}
	}
	t.Logf("%d asked, %d found", asked, found)
	if min(found, asked-found) < 100 {
		t.Error("the worlds are dull")
	}
}

func (w *world) has(ctx context.Context, t *testing.T, resource *v1.ObjectReference, permission string, about *v1.SubjectReference) bool {
	t.Helper()
	r, err := w.CheckPermission(ctx, &v1.CheckPermissionRequest{Consistency: w.at(), Resource: resource, Permission: permission, Subject: about})
	if err != nil {
		t.Fatal(err)
	}
	return r.Permissionship == v1.CheckPermissionResponse_PERMISSIONSHIP_HAS_PERMISSION
}

// holds reports whether a subject is in the set that a tree stands for.
func (w *world) holds(t *testing.T, node *v1.PermissionRelationshipTree, about *v1.SubjectReference) bool {
	t.Helper()
	if leaf := node.GetLeaf(); leaf != nil {
		return slices.ContainsFunc(leaf.Subjects, func(s *v1.SubjectReference) bool {
			if s.OptionalRelation != "" {
				return w.has(t.Context(), t, s.Object, s.OptionalRelation, about)
			}
			return s.Object.ObjectType == about.Object.ObjectType && (s.Object.ObjectId == about.Object.ObjectId || s.Object.ObjectId == "*")
		})
	}
	in := 0
	children := node.GetIntermediate().Children
	for _, child := range children {
		if w.holds(t, child, about) {
			in++
		}
	}
	switch node.GetIntermediate().Operation {
	case v1.AlgebraicSubjectSet_OPERATION_INTERSECTION:
		return in == len(children) && in > 0
	case v1.AlgebraicSubjectSet_OPERATION_EXCLUSION:
		return in == 1 && w.holds(t, children[0], about)
	}
	return in > 0
}
