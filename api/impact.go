package api

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/store/tuple"
)

// comparedAtOnce is how many checks a comparison answers between two looks at
// whether the client is still there.
const comparedAtOnce = 256

// CompareSchema sends what another schema would change.
func (s *Server) CompareSchema(r *tupelov1.CompareSchemaRequest, stream grpc.ServerStreamingServer[tupelov1.CompareSchemaResponse]) error {
	ctx := stream.Context()
	tree, err := validateCompareSchema(r)
	if err != nil {
		return err
	}
	checks, summary, err := s.comparedChecks(r)
	if err != nil {
		return err
	}
	f, err := s.identify(ctx)
	if err != nil {
		return err
	}
	v, err := s.open(ctx, r.Consistency)
	if err != nil {
		return err
	}
	defer v.close()
	c, err := s.newComparison(v, tree)
	if err != nil {
		return err
	}
	c.summary, c.explained = summary, r.WithExplanation
	differences, err := s.differences(v, tree, c.after)
	if err != nil {
		return s.expired(f, err)
	}
	first := &tupelov1.CompareSchemaResponse{Part: &tupelov1.CompareSchemaResponse_Differences{Differences: differences}}
	if err := stream.Send(first); err != nil {
		return err
	}
	for part := range slices.Chunk(checks, comparedAtOnce) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.send(ctx, part, stream.Send); err != nil {
			return s.expired(f, err)
		}
	}
	return stream.Send(&tupelov1.CompareSchemaResponse{Part: &tupelov1.CompareSchemaResponse_Summary{Summary: c.summary}})
}

// validateCompareSchema returns the other schema. Checks must be well formed;
// whether their names are defined is what the answers say.
func validateCompareSchema(r *tupelov1.CompareSchemaRequest) (*schema.Schema, error) {
	if err := knownFieldsOnly(r); err != nil {
		return nil, err
	}
	if err := validateCount("items", len(r.Items), 0, maxBatchItems); err != nil {
		return nil, err
	}
	for i, item := range r.Items {
		if err := validateQuestion(item.GetObject(), item.GetRelation(), item.GetSubject()); err != nil {
			return nil, inItems(i, err)
		}
	}
	tree, err := schema.Load("", r.Text)
	if err != nil {
		return nil, schemaFault(err)
	}
	return tree, rehearse(tree, definitionsOf(tree))
}

// comparedCheck is a check, and how often it is compared. A recorded one is in
// its message, which takes a fraction of the memory, until its turn comes.
type comparedCheck struct {
	item    *tupelov1.BatchCheckItem
	message []byte
	times   int32
}

func (c comparedCheck) read() (*tupelov1.BatchCheckItem, error) {
	if c.item != nil {
		return c.item, nil
	}
	item := &tupelov1.BatchCheckItem{}
	if err := proto.Unmarshal(c.message, item); err != nil {
		return nil, fmt.Errorf("reading a recorded check: %w", err)
	}
	return item, nil
}

// comparedChecks returns the checks that a comparison is about, those of the
// request first.
func (s *Server) comparedChecks(r *tupelov1.CompareSchemaRequest) ([]comparedCheck, *tupelov1.ComparisonSummary, error) {
	checks := make([]comparedCheck, len(r.Items))
	for i, item := range r.Items {
		checks[i] = comparedCheck{item: item, times: 1}
	}
	if !r.Recorded {
		return checks, &tupelov1.ComparisonSummary{}, nil
	}
	if s.recorder == nil {
		return nil, nil, refusal(tupelov1.ErrorReason_ERROR_REASON_NOTHING_RECORDED,
			"the server records no checks; start it with --record-checks")
	}
	kept := s.recorder.kept()
	return slices.Concat(checks, kept.checks), &tupelov1.ComparisonSummary{
		Recorded: kept.count, RecordedOf: kept.seen, RecordedLeftOut: kept.leftOut,
	}, nil
}

// comparison answers checks under the schema that holds and under another.
type comparison struct {
	server        *Server
	before, after side
	nowNanos      int64 // of all checks
	explained     bool
	summary       *tupelov1.ComparisonSummary
}

// side is what answers are computed from under one of the schemas.
type side struct {
	model  *model
	reader rewrite.Reader
	names  *tuple.Names
}

// newComparison compiles the other schema with the numbers that its names have,
// and for new names those that they would get: nothing is stored under these.
func (s *Server) newComparison(v view, tree *schema.Schema) (*comparison, error) {
	names, err := intern(v.snapshot.Names(), tree, definitionsOf(tree))
	if err != nil {
		return nil, err
	}
	program, err := schema.Compile(tree, names)
	if err != nil {
		return nil, fmt.Errorf("compiling the other schema: %w", err)
	}
	s.models.compiled()
	other := &model{program: program, caveats: caveatNumbers(program), engine: rewrite.New(program, s.models.limits)}
	return &comparison{
		server:   s,
		before:   side{v.model, v.snapshot, v.snapshot.Names()},
		after:    side{other, &allowedTuples{from: v.snapshot, shapes: other.shapes()}, names},
		nowNanos: s.now().UnixNano(),
	}, nil
}

// send answers some checks and sends those that the client should see.
func (c *comparison) send(ctx context.Context, checks []comparedCheck, send func(*tupelov1.CompareSchemaResponse) error) error {
	items := make([]*tupelov1.BatchCheckItem, len(checks))
	for i, check := range checks {
		var err error
		if items[i], err = check.read(); err != nil {
			return err
		}
	}
	before, err := c.answers(ctx, c.before, items)
	if err != nil {
		return err
	}
	after, err := c.answers(ctx, c.after, items)
	if err != nil {
		return err
	}
	for i, item := range items {
		compared := &tupelov1.CheckComparison{
			Item: item, Before: before[i], After: after[i],
			Changed: differ(before[i], after[i]), Times: checks[i].times,
		}
		c.count(compared)
		if !compared.Changed && compared.Before.Error == nil {
			continue
		}
		if err := c.explain(ctx, compared); err != nil {
			return err
		}
		part := &tupelov1.CompareSchemaResponse_Check{Check: compared}
		if err := send(&tupelov1.CompareSchemaResponse{Part: part}); err != nil {
			return err
		}
	}
	return nil
}

// answers answers checks under one of the schemas. Each is sent with its answer,
// so that an error need not say which one it is about.
func (c *comparison) answers(ctx context.Context, under side, items []*tupelov1.BatchCheckItem) ([]*tupelov1.BatchCheckResult, error) {
	return c.server.answerBatch(ctx, under.model, under.reader, items, c.nowNanos, func(_ int, err error) error { return err })
}

// differ reports whether two answers to one check differ for who asks.
func differ(before, after *tupelov1.BatchCheckResult) bool {
	return before.Result != after.Result ||
		!slices.Equal(before.MissingContext, after.MissingContext) ||
		errorReason(before) != errorReason(after)
}

// errorReason returns the reason of an answer's error, or "".
func errorReason(r *tupelov1.BatchCheckResult) string {
	for _, detail := range r.Error.GetDetails() {
		var info errdetails.ErrorInfo
		if detail.UnmarshalTo(&info) == nil {
			return info.Reason
		}
	}
	return ""
}

// count enters a check into the summary.
func (c *comparison) count(compared *tupelov1.CheckComparison) {
	before, after, times := compared.Before, compared.After, int64(compared.Times)
	c.summary.Checks += times
	switch {
	case compared.Changed:
		c.summary.Changed += times
	case before.Error != nil:
		c.summary.Failed += times
	}
	switch {
	case before.Error != nil || after.Error != nil:
	case after.Result > before.Result: // results are in the order of what they grant
		c.summary.Gained += times
	case after.Result < before.Result:
		c.summary.Lost += times
	}
}

// explain adds the reasons for both answers, if they were asked for.
func (c *comparison) explain(ctx context.Context, compared *tupelov1.CheckComparison) (err error) {
	if !c.explained || !compared.Changed {
		return nil
	}
	if compared.ExplanationBefore, err = c.reasons(ctx, c.before, compared.Item, compared.Before); err != nil {
		return err
	}
	compared.ExplanationAfter, err = c.reasons(ctx, c.after, compared.Item, compared.After)
	return err
}

// reasons explains an answer under one of the schemas. There are none of an
// error, or where they take more work than the answer did and than is allowed.
func (c *comparison) reasons(ctx context.Context, under side, item *tupelov1.BatchCheckItem, answer *tupelov1.BatchCheckResult) (*tupelov1.Explanation, error) {
	if answer.Error != nil {
		return nil, nil
	}
	q, err := c.server.itemQuestion(under.model, item)
	if err != nil {
		return nil, err
	}
	q.NowNanos = c.nowNanos
	explanation, _, err := c.server.explanation(ctx, under, q)
	if ofOneCheck(err) {
		return nil, nil
	}
	return explanation, err
}
