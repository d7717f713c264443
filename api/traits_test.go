package api

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// lent is a schema whose tuples may carry something.
const lent = `
use expiration

caveat at_work(ip ipaddress, hours list<int>, strict bool) {
	hours.exists(h, h == 9) && ip.in_cidr("10.0.0.0/8") || !strict
}

caveat in_budget(spent int, budget int) {
	spent <= budget
}

definition user {}

definition tool {
	relation owner: user
	relation borrower: user with expiration | user with at_work | user with in_budget and expiration
	relation viewer: user | user with at_work | user:* with expiration
	permission use = owner + borrower + viewer
}
`

const until2030 = "[expiration:2030-01-31T12:00:00.5Z]"

func TestTuplesAreReadAndWatchedWithWhatTheyCarry(t *testing.T) {
	w := newWorld(t, lent)
	g := w.watch(t, &tupelov1.WatchRequest{})
	begun := w.log.last()
	all := []string{
		"tool:saw#borrower@user:bob" + until2030,
		`tool:saw#borrower@user:carol[at_work:{"hours":[8,9],"ip":"10.1.2.3"}]`,
		`tool:saw#borrower@user:dave[in_budget:{"budget":100}]` + until2030,
		"tool:saw#owner@user:alice",
		"tool:saw#viewer@user:*" + until2030,
		"tool:saw#viewer@user:bob[at_work]",
	}
	for _, one := range all {
		w.touch(t, one)
	}
	for i, one := range all {
		g.expect(begun+1+uint64(i), "+"+one)
	}
	r, err := w.client.Read(w.ctx, &tupelov1.ReadRequest{})
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]bool)
	for _, m := range r.Tuples {
		got[tupleText(m)] = true
	}
	for _, one := range all {
		if !got[one] {
			t.Errorf("%s is not read; there are %v", one, got)
		}
	}
}

// What a tuple carries is replaced by a touch, and not looked at by a deletion.
func TestWhatATupleCarriesIsNoPartOfItsIdentity(t *testing.T) {
	w := newWorld(t, lent)
	g := w.watch(t, &tupelov1.WatchRequest{})
	begun := w.log.last()
	const bob = "tool:saw#viewer@user:bob"
	w.touch(t, bob)
	w.touch(t, bob+"[at_work]")
	w.touch(t, bob+"[at_work]") // changes nothing
	w.touch(t, bob+`[at_work:{"strict":true}]`)
	w.remove(t, bob)
	g.expect(begun+1, "+"+bob, "+"+bob+"[at_work]")
	g.expect(begun+4, "+"+bob+`[at_work:{"strict":true}]`, "-"+bob+`[at_work:{"strict":true}]`)

	twice := updates(t, tupelov1.Update_OPERATION_TOUCH, bob, bob+"[at_work]")
	if got := seen(t, w.call(w.ctx, twice)); got.reason != "ERROR_REASON_DUPLICATE_UPDATE" {
		t.Errorf("the same tuple twice, with and without a caveat: %+v", got)
	}
}

// Equal contexts are stored as equal bytes, however they were written.
func TestAContextIsStoredInOneWay(t *testing.T) {
	w := newWorld(t, lent)
	const carol = "tool:saw#borrower@user:carol"
	w.touch(t, carol+`[at_work:{"ip":"10.1.2.3","hours":[9.0]}]`)
	g := w.watch(t, &tupelov1.WatchRequest{})
	w.touch(t, carol+`[at_work:{"hours":[9],"ip":"10.1.2.3"}]`)
	w.remove(t, carol)
	g.expect(w.log.last(), "-"+carol+`[at_work:{"hours":[9],"ip":"10.1.2.3"}]`)
}

// Contexts are large where ids are not. No page is larger than clients take.
func TestPagesWithLargeContextsHaveFewerTuples(t *testing.T) {
	w := newWorld(t, lent)
	hours := "[" + strings.TrimSuffix(strings.Repeat("9,", maxContextBytes/2-20), ",") + "]"
	const n = 40
	for i := range n {
		w.touch(t, fmt.Sprintf(`tool:t%02d#viewer@user:bob[at_work:{"hours":%s}]`, i, hours))
	}
	pages, next := 0, ""
	got := make(map[string]bool)
	for first := true; first || next != ""; first = false {
		r, err := w.client.Read(w.ctx, &tupelov1.ReadRequest{Limit: 1000, Cursor: next})
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(r); size > maxReadBytes+1024 {
			t.Errorf("page %d has %d bytes", pages, size)
		}
		for _, m := range r.Tuples {
			got[m.Object.Id] = true
		}
		pages, next = pages+1, r.NextCursor
	}
	if len(got) != n || pages < 2 {
		t.Errorf("%d tuples in %d pages", len(got), pages)
	}
}

func TestAContextOfTheLargestSizePasses(t *testing.T) {
	w := newWorld(t, lent)
	for size, passes := range map[int]bool{maxContextBytes: true, maxContextBytes + 1: false} {
		hours := "9" + strings.Repeat(",9", (size-len(`{"hours":[9]}`))/2)
		if size%2 == 0 {
			hours += "0"
		}
		context := `{"hours":[` + hours + `]}`
		if len(context) != size {
			t.Fatalf("the test's context has %d bytes, not %d", len(context), size)
		}
		err := w.call(w.ctx, updates(t, tupelov1.Update_OPERATION_TOUCH, "tool:saw#viewer@user:bob[at_work:"+context+"]"))
		if passes && err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		if !passes && seen(t, err).field != "updates[0].tuple.caveat.context" {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

func TestBadTraitsGetTheirCodeAndField(t *testing.T) {
	w := newWorld(t, lent)
	w.touch(t, "tool:saw#owner@user:alice")
	const invalid, failed = "InvalidArgument", "FailedPrecondition"
	with := func(text string, change func(*tupelov1.Tuple)) *tupelov1.WriteRequest {
		r := updates(t, tupelov1.Update_OPERATION_TOUCH, text)
		if change != nil {
			change(r.Updates[0].Tuple)
		}
		return r
	}
	until := func(at *timestamppb.Timestamp) func(*tupelov1.Tuple) {
		return func(m *tupelov1.Tuple) { m.ExpiresAt = at }
	}
	fields := func(fields map[string]*structpb.Value) func(*tupelov1.Tuple) {
		return func(m *tupelov1.Tuple) { m.Caveat.Context = &structpb.Struct{Fields: fields} }
	}
	const owner, borrower, viewer = "tool:saw#owner@user:bob", "tool:saw#borrower@user:bob", "tool:saw#viewer@user:bob"
	for _, in := range []badInput{
		{"no caveat name", with(borrower, func(m *tupelov1.Tuple) { m.Caveat = &tupelov1.Caveat{} }), invalid, "MISSING_FIELD", "caveat.name", ""},
		{"bad caveat name", with(borrower, func(m *tupelov1.Tuple) { m.Caveat = &tupelov1.Caveat{Name: "A"} }), invalid, "INVALID_NAME", "caveat.name", ""},
		{"unknown field in a caveat", with(viewer+"[at_work]", func(m *tupelov1.Tuple) { withUnknownField(m.Caveat) }), invalid, "UNKNOWN_FIELD", "caveat", "caveat has fields"},
		{"no value in a context", with(viewer+"[at_work]", fields(map[string]*structpb.Value{"ip": {}})), invalid, "MISSING_FIELD", `caveat.context.fields["ip"]`, "null"},
		{"unknown caveat", with(viewer+"[at_wrok]", nil), failed, "UNKNOWN_CAVEAT", "caveat.name", `did you mean "at_work"?`},
		{"unknown parameter", with(viewer+`[at_work:{"iq":1}]`, nil), failed, "INVALID_CONTEXT", "caveat.context", "no parameter `iq`"},
		{"wrong type", with(viewer+`[at_work:{"hours":[9,"ten"]}]`, nil), failed, "INVALID_CONTEXT", "caveat.context", "`hours[1]` must be"},
		{"before 1970", with(borrower, until(&timestamppb.Timestamp{})), invalid, "OUT_OF_BOUNDS", "expires_at", "1970"},
		{"after 2262", with(borrower, until(timestamppb.New(time.Date(2263, 1, 1, 0, 0, 0, 0, time.UTC)))), invalid, "OUT_OF_BOUNDS", "expires_at", "2262"},
		{"damaged time", with(borrower, until(&timestamppb.Timestamp{Seconds: 1, Nanos: -1})), invalid, "OUT_OF_BOUNDS", "expires_at", ""},
		{"nothing where something is needed", with(borrower, nil), failed, "TRAITS_NOT_ALLOWED", "expires_at",
			"tool#borrower does not take user; it takes user with expiration, user with at_work, user with in_budget and expiration"},
		{"an expiration that is not taken", with(owner+until2030, nil), failed, "TRAITS_NOT_ALLOWED", "expires_at", "does not take user with expiration; it takes user"},
		{"a caveat that is not taken", with(owner+"[at_work]", nil), failed, "TRAITS_NOT_ALLOWED", "caveat", "does not take user with at_work"},
		{"both of which one is taken", with(borrower+"[at_work]"+until2030, nil), failed, "TRAITS_NOT_ALLOWED", "expires_at", "does not take user with at_work and expiration"},
		{"a kind that carries nothing for one that must", with("tool:saw#viewer@user:*", nil), failed, "TRAITS_NOT_ALLOWED", "expires_at", "it takes user:* with expiration"},
		{"a kind that is not taken", with("tool:saw#viewer@tool:saw", nil), failed, "SUBJECT_NOT_ALLOWED", "subject", "user with at_work"},
	} {
		in.field = "updates[0].tuple." + in.field
		t.Run(in.name, func(t *testing.T) { in.run(t, w) })
	}
}
