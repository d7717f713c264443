package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxLookedUp is the largest page of resources, as it is in SpiceDB by default.
const maxLookedUp = 1000

// LookupResources sends the resources that a subject has a permission or relation
// on, in the order of their ids.
//
// With with_debug SpiceDB names the circle of data for which it gives up. Circles
// are answered here, so that there is never any to name.
func (p permissions) LookupResources(r *v1.LookupResourcesRequest, stream grpc.ServerStreamingServer[v1.LookupResourcesResponse]) error {
	if err := checkLimit(r.OptionalLimit, maxLookedUp); err != nil {
		return err
	}
	if err := checkCursor(r.OptionalCursor); err != nil {
		return err
	}
	found := sink[tupelov1.ListObjectsResponse]{ctx: stream.Context(), take: func(m *tupelov1.ListObjectsResponse) error {
		return sendResources(m, stream.Send)
	}}
	err := p.native.ListObjects(&tupelov1.ListObjectsRequest{
		Consistency: consistency(r.Consistency), ObjectType: r.ResourceObjectType, Relation: r.Permission,
		Subject: subject(r.Subject), Context: r.Context,
		Limit: int32(r.OptionalLimit), Cursor: r.OptionalCursor.GetToken(),
	}, found)
	if err != nil && reasonOf(err) == tupelov1.ErrorReason_ERROR_REASON_WILDCARD_NOT_ALLOWED {
		return retell(err, wildcard, map[string]string{"field": "subject_id"})
	}
	return err
}

// lookedUp is a response with what it points to, in one piece of memory.
type lookedUp struct {
	response v1.LookupResourcesResponse
	cursor   v1.Cursor
}

// sendResources sends each object of a message in a message of its own.
func sendResources(m *tupelov1.ListObjectsResponse, send func(*v1.LookupResourcesResponse) error) error {
	if len(m.Objects) == 0 {
		return nil
	}
	cursors, err := api.NewEntryCursors(m.Cursor)
	if err != nil {
		return err
	}
	at := token(m.Zookie)
	page := make([]lookedUp, len(m.Objects))
	for i, o := range m.Objects {
		response, cursor := &page[i].response, &page[i].cursor
		cursor.Token = cursors.Behind(o.Id)
		response.LookedUpAt, response.ResourceObjectId, response.AfterResultCursor = at, o.Id, cursor
		response.Permissionship, response.PartialCaveatInfo = lookupPermissionship(o.Result), partialCaveatInfo(o.MissingContext)
		if err := send(response); err != nil {
			return err
		}
	}
	return nil
}

func lookupPermissionship(r tupelov1.Result) v1.LookupPermissionship {
	if r == tupelov1.Result_RESULT_CONDITIONAL {
		return v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION
	}
	return v1.LookupPermissionship_LOOKUP_PERMISSIONSHIP_HAS_PERMISSION
}

// checkLimit holds a page's limit, of which 0 is none.
func checkLimit(limit, most uint32) error {
	if limit <= most {
		return nil
	}
	return refuse(aboveLimit, counts("limit_provided", int(limit), "maximum_limit_allowed", int(most)),
		"the limit is %d, %d are allowed", limit, most)
}

// checkCursor refuses an empty cursor, which is none to the native handlers: they
// would begin where a client meant to go on.
func checkCursor(c *v1.Cursor) error {
	if c != nil && c.Token == "" {
		return refuse(badCursor, nil, "the cursor is empty; leave it out to begin")
	}
	return nil
}
