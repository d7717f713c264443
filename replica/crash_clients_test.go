package replica

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// crashSchemas take the place of each other while tuples are written.
var crashSchemas = []string{
	"definition user {}\ndefinition doc {\n\trelation reader: user | user:*\n\trelation writer: user\n\tpermission read = reader + writer\n}\n",
	"definition user {}\ndefinition doc {\n\trelation reader: user | user:* | group#member\n\trelation writer: user\n}\ndefinition group {\n\trelation member: user\n}\n",
	"// The same with a comment.\ndefinition user {}\ndefinition doc {\n\trelation reader: user | user:*\n\trelation writer: user\n}\n",
}

// writer is a client that knows what is stored of its own objects: nobody else
// writes them. Its fields are guarded by the history's lock.
type writer struct {
	id     int
	random *rand.Rand
	// stored are the tuples after the last write that was answered.
	stored map[string]bool
	// after are the tuples if the write under way, whose answer is not known,
	// is done; nil without one.
	after map[string]bool
	// zookie is that of the last acknowledged write.
	zookie string
}

func newWriter(id int, seed uint64) *writer {
	return &writer{id: id, random: rand.New(rand.NewPCG(seed, uint64(id))), stored: map[string]bool{}}
}

// known is what a writer knows at one instant.
type known struct {
	writer        int
	stored, after map[string]bool
	zookie        string
}

func (w *writer) known() known {
	return known{w.id, w.stored, w.after, w.zookie} // the maps are replaced, never changed
}

// call is a write with what it must come to.
type call struct {
	do     func(ctx context.Context, s *api.Server) (zookie string, err error)
	after  map[string]bool
	reason tupelov1.ErrorReason // of the refusal that is expected; 0 for none
}

// next draws a call.
func (w *writer) next() call {
	if w.random.IntN(6) == 0 {
		return w.deleteObject()
	}
	return w.write()
}

func (w *writer) object() string { return fmt.Sprintf("w%d-%d", w.id, w.random.IntN(3)) }

func (w *writer) tuple() string {
	relation, subject := "reader", fmt.Sprintf("u%d", w.random.IntN(5))
	switch w.random.IntN(5) {
	case 0:
		relation = "writer"
	case 1:
		subject = "*"
	}
	return fmt.Sprintf("doc:%s#%s@user:%s", w.object(), relation, subject)
}

// write draws a Write of one to six updates, now and then with a precondition
// that holds or does not.
func (w *writer) write() call {
	request := &tupelov1.WriteRequest{}
	c := call{after: maps.Clone(w.stored)}
	touched := map[string]bool{}
	for range 1 + w.random.IntN(6) {
		text := w.tuple()
		if touched[text] {
			continue
		}
		touched[text] = true
		operation := tupelov1.Update_Operation(1 + w.random.IntN(3))
		if operation == tupelov1.Update_OPERATION_CREATE && w.stored[text] {
			c.reason = tupelov1.ErrorReason_ERROR_REASON_TUPLE_EXISTS
		}
		delete(c.after, text)
		if operation != tupelov1.Update_OPERATION_DELETE {
			c.after[text] = true
		}
		parsed, err := tupleOf(text)
		if err != nil {
			panic(err)
		}
		request.Updates = append(request.Updates, &tupelov1.Update{Operation: operation, Tuple: parsed})
	}
	if w.random.IntN(3) == 0 {
		w.guard(request, &c)
	}
	if c.reason != 0 {
		c.after = w.stored
	}
	c.do = func(ctx context.Context, s *api.Server) (string, error) {
		response, err := s.Write(ctx, request)
		return response.GetZookie(), err
	}
	return c
}

// guard gives a write a precondition, on one of the writer's own tuples.
func (w *writer) guard(request *tupelov1.WriteRequest, c *call) {
	text := w.tuple()
	filter := filterOf(text)
	condition := tupelov1.Precondition_CONDITION_MUST_MATCH
	if w.random.IntN(2) == 0 {
		condition = tupelov1.Precondition_CONDITION_MUST_NOT_MATCH
	}
	request.Preconditions = []*tupelov1.Precondition{{Condition: condition, Filter: filter}}
	if w.stored[text] != (condition == tupelov1.Precondition_CONDITION_MUST_MATCH) {
		c.reason = tupelov1.ErrorReason_ERROR_REASON_PRECONDITION_NOT_MET
	}
}

// deleteObject draws a DeleteByFilter of one object.
func (w *writer) deleteObject() call {
	object := w.object()
	after := maps.Clone(w.stored)
	maps.DeleteFunc(after, func(text string, _ bool) bool { return strings.HasPrefix(text, "doc:"+object+"#") })
	request := &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "doc", ObjectId: object}}
	return call{after: after, do: func(ctx context.Context, s *api.Server) (string, error) {
		response, err := s.DeleteByFilter(ctx, request)
		if err == nil && response.Deleted != uint64(len(w.stored)-len(after)) {
			return "", fmt.Errorf("%d tuples of %s were deleted, not %d", response.Deleted, object, len(w.stored)-len(after))
		}
		return response.GetZookie(), err
	}}
}

// judge compares an answer with what was expected.
func (c *call) judge(err error) error {
	var refused *api.Error
	switch {
	case err == nil && c.reason == 0:
		return nil
	case errors.As(err, &refused) && refused.Reason == c.reason:
		return nil
	}
	return fmt.Errorf("answered with %v, expected the reason %v", err, c.reason)
}

// compare tells whether what is stored of the writer's objects can be, given
// what the writer knows: the last answered write and no later one than that
// under way, each as a whole.
func (k known) compare(stored []string) error {
	mine := map[string]bool{}
	for _, text := range stored {
		if strings.HasPrefix(text, fmt.Sprintf("doc:w%d-", k.writer)) {
			mine[text] = true
		}
	}
	if maps.Equal(mine, k.stored) || k.after != nil && maps.Equal(mine, k.after) {
		return nil
	}
	return fmt.Errorf("writer %d finds %q, acknowledged were %q, under way was %q",
		k.writer, keys(mine), keys(k.stored), keys(k.after))
}

func keys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
