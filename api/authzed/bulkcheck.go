package authzed

//lint:file-ignore SA1019 the older call, which clients still make, is deprecated with all of its messages

import (
	"context"

	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc/status"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxBulkItems is how many checks SpiceDB takes in one call.
const maxBulkItems = 10_000

// maxNativeItems is how many checks one native BatchCheck takes.
const maxNativeItems = 1_000

// CheckBulkPermissions answers many checks at one revision. What is wrong with one
// item is told beside the answers of the others; a request that the protocol does
// not allow is refused as a whole, as by SpiceDB.
func (p permissions) CheckBulkPermissions(ctx context.Context, r *v1.CheckBulkPermissionsRequest) (*v1.CheckBulkPermissionsResponse, error) {
	if len(r.Items) > maxBulkItems {
		return nil, refuse(tooManyChecks, counts("check_count", len(r.Items), "maximum_checks_allowed", maxBulkItems),
			"%d checks are more than the %d that one call may have", len(r.Items), maxBulkItems)
	}
	b := newBulkAnswers(r)
	batch := &tupelov1.BatchCheckRequest{Consistency: consistency(r.Consistency)}
	items := questions(r.Items)
	for from := 0; from == 0 || from < len(r.Items); from += maxNativeItems {
		batch.Items = items[from:min(from+maxNativeItems, len(items))]
		answer, err := p.native.BatchCheck(ctx, batch)
		if err != nil {
			return nil, err
		}
		if from == 0 { // the rest is of the first part's revision
			b.response.CheckedAt = token(answer.Zookie)
			batch.Consistency = exactly(answer.Zookie)
		}
		if err := b.add(from, answer.Results); err != nil {
			return nil, err
		}
	}
	if r.WithTracing {
		return b.response, p.traceBulk(ctx, b)
	}
	return b.response, nil
}

// traceBulk answers the items that have an answer once more, with the reasons.
func (p permissions) traceBulk(ctx context.Context, b *bulkAnswers) error {
	var t *tracing
	zookie := b.response.CheckedAt.Token
	for i, item := range b.request.Items {
		a := &b.answers[i]
		if a.pair.GetError() != nil {
			continue
		}
		answer, err := p.native.Check(ctx, &tupelov1.CheckRequest{
			Consistency: exactly(zookie), Object: object(item.Resource), Relation: item.Permission,
			Subject: subject(item.Subject), Context: item.Context, WithExplanation: true,
		})
		if err == nil && t == nil {
			t, err = p.newTracing(ctx, zookie)
		}
		switch {
		case err == nil:
			a.body.Permissionship = permissionship(answer.Result)
			a.body.PartialCaveatInfo = partialCaveatInfo(answer.MissingContext)
			a.body.DebugTrace = t.of(answer.Explanation, item.Subject, item.Context)
		case ofOneItem(err): // there is more work in an explanation than in an answer
			a.pair.Response = itemError(err)
		default:
			return err
		}
	}
	return nil
}

// ofOneItem reports whether an error is about one check and says nothing of others.
func ofOneItem(err error) bool {
	switch reasonOf(err) {
	case tupelov1.ErrorReason_ERROR_REASON_DEPTH_EXCEEDED, tupelov1.ErrorReason_ERROR_REASON_TOO_MUCH_WORK,
		tupelov1.ErrorReason_ERROR_REASON_CONDITION_FAILED:
		return true
	}
	return false
}

// questions turns items into native ones, which share one allocation. There is one
// at least, which asks nothing: no items are answered too, at a revision.
func questions(items []*v1.CheckBulkPermissionsRequestItem) []*tupelov1.BatchCheckItem {
	type question struct {
		item tupelov1.BatchCheckItem
		terms
	}
	n := max(len(items), 1)
	messages, pointers := make([]question, n), make([]*tupelov1.BatchCheckItem, n)
	for i := range messages {
		pointers[i] = &messages[i].item
	}
	for i, item := range items {
		q := &messages[i]
		q.item.Relation, q.item.Context = item.Permission, item.Context
		q.item.Object, q.item.Subject = q.of(item.Resource, item.Subject)
	}
	return pointers
}

// bulkAnswers gathers the pairs of a response, whose messages share one allocation.
type bulkAnswers struct {
	request  *v1.CheckBulkPermissionsRequest
	response *v1.CheckBulkPermissionsResponse
	answers  []bulkAnswer
}

// bulkAnswer is an answer with what the protocol puts around it.
type bulkAnswer struct {
	pair v1.CheckBulkPermissionsPair
	item v1.CheckBulkPermissionsPair_Item
	body v1.CheckBulkPermissionsResponseItem
}

func newBulkAnswers(r *v1.CheckBulkPermissionsRequest) *bulkAnswers {
	return &bulkAnswers{
		request:  r,
		response: &v1.CheckBulkPermissionsResponse{Pairs: make([]*v1.CheckBulkPermissionsPair, len(r.Items))},
		answers:  make([]bulkAnswer, len(r.Items)),
	}
}

// add takes the results of the items from one on.
func (b *bulkAnswers) add(from int, results []*tupelov1.BatchCheckResult) error {
	for i := range min(len(results), len(b.answers)-from) {
		result, a := results[i], &b.answers[from+i]
		b.response.Pairs[from+i] = &a.pair
		a.pair.Request = b.request.Items[from+i]
		if result.Error != nil {
			if err := b.fail(a, status.ErrorProto(result.Error)); err != nil {
				return err
			}
			continue
		}
		a.body.Permissionship = permissionship(result.Result)
		a.body.PartialCaveatInfo = partialCaveatInfo(result.MissingContext)
		a.item.Item = &a.body
		a.pair.Response = &a.item
	}
	return nil
}

// fail takes the native error of one item, unless the protocol does not allow such
// an item at all.
func (b *bulkAnswers) fail(a *bulkAnswer, cause error) error {
	if wrong := a.pair.Request.Validate(); wrong != nil {
		return refuse(invalid, nil, "%s", b.request.Validate())
	}
	a.pair.Response = itemError(cause)
	return nil
}

// itemError puts the native error of an item into the words of this protocol.
func itemError(cause error) *v1.CheckBulkPermissionsPair_Error {
	return &v1.CheckBulkPermissionsPair_Error{Error: status.Convert(translated(nil, cause)).Proto()}
}

// BulkCheckPermission is CheckBulkPermissions under the name that it had before.
func (e experimental) BulkCheckPermission(ctx context.Context, r *v1.BulkCheckPermissionRequest) (*v1.BulkCheckPermissionResponse, error) {
	renamed := &v1.CheckBulkPermissionsRequest{Consistency: r.Consistency, Items: make([]*v1.CheckBulkPermissionsRequestItem, len(r.Items))}
	for i, item := range r.Items {
		renamed.Items[i] = &v1.CheckBulkPermissionsRequestItem{
			Resource: item.Resource, Permission: item.Permission, Subject: item.Subject, Context: item.Context,
		}
	}
	answer, err := permissions{adapter: e.adapter}.CheckBulkPermissions(ctx, renamed)
	if err != nil {
		return nil, err
	}
	response := &v1.BulkCheckPermissionResponse{CheckedAt: answer.CheckedAt, Pairs: make([]*v1.BulkCheckPermissionPair, len(answer.Pairs))}
	for i, pair := range answer.Pairs {
		told := &v1.BulkCheckPermissionPair{Request: r.Items[i]}
		if item := pair.GetItem(); item != nil {
			told.Response = &v1.BulkCheckPermissionPair_Item{Item: &v1.BulkCheckPermissionResponseItem{
				Permissionship: item.Permissionship, PartialCaveatInfo: item.PartialCaveatInfo,
			}}
		} else {
			told.Response = &v1.BulkCheckPermissionPair_Error{Error: pair.GetError()}
		}
		response.Pairs[i] = told
	}
	return response, nil
}
