package main

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/store/tuple"
)

// consistentBudget is what fully consistent checks on the leader must come to, by
// those that minimize latency, with 64 in flight.
const consistentBudget = 0.9

var (
	minimizeLatency = &tupelov1.Consistency{Requirement: &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: true}}
	fullyConsistent = &tupelov1.Consistency{Requirement: &tupelov1.Consistency_FullyConsistent{FullyConsistent: true}}
)

// checker makes checks of a kind, over the network or in process.
type checker func(context.Context, *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error)

// checks measures fully consistent checks beside those that minimize latency.
func (s *session) checks() error {
	c, err := s.withTuples()
	if err != nil {
		return err
	}
	questions := questionsOf(s.tuples)
	leader, follower := c.leader(), c.follower()
	for _, m := range []struct {
		name    string
		node    *member
		atLeast float64
	}{{"leader", leader, consistentBudget}, {"follower", follower, 0}} {
		overNetwork := func(ctx context.Context, q *tupelov1.CheckRequest) (*tupelov1.CheckResponse, error) {
			return m.node.TupeloClient.Check(ctx, q)
		}
		for _, inFlight := range []int{1, 64} {
			budget := m.atLeast
			if inFlight == 1 {
				budget = 0 // one alone has nobody to share a round with
			}
			if err := s.checksBy(overNetwork, questions, m.name, inFlight, budget); err != nil {
				return err
			}
		}
		if err := s.checksBy(m.node.Replica.Check, questions, m.name+", in process", 64, 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) checksBy(check checker, questions []*tupelov1.CheckRequest, where string, inFlight int, atLeast float64) error {
	asked := func(consistency *tupelov1.Consistency) call {
		fresh := make([]*tupelov1.CheckRequest, len(questions))
		for i, q := range questions {
			fresh[i] = proto.CloneOf(q)
			fresh[i].Consistency = consistency
		}
		return func(ctx context.Context, worker, i int) error {
			_, err := check(ctx, fresh[(worker*len(fresh)/inFlight+i)%len(fresh)])
			return err
		}
	}
	loads, err := compare(s.ctx, inFlight, s.measure, asked(minimizeLatency), asked(fullyConsistent))
	if err != nil {
		return err
	}
	where = fmt.Sprintf("%s, %d in flight", where, inFlight)
	if err := s.report.add(loads[0].figure("checks", where+", minimize latency")); err != nil {
		return err
	}
	f := loads[1].figure("checks", where+", fully consistent")
	f.Ratio, f.To, f.AtLeast = loads[1].rate()/loads[0].rate(), "minimize latency", atLeast
	return s.report.add(f)
}

// questionsOf returns checks of runs all over the data set, by its users.
func questionsOf(tuples int) []*tupelov1.CheckRequest {
	var runs, users []string
	dataset.GitClub(min(tuples, 1_000_000), func(t tuple.Named) {
		switch t.ObjectType {
		case "run":
			runs = append(runs, t.ObjectID)
		case "organization":
			users = append(users, t.SubjectID)
		}
	})
	questions := make([]*tupelov1.CheckRequest, 4096)
	for i := range questions {
		questions[i] = &tupelov1.CheckRequest{
			Object:   &tupelov1.Object{Type: "run", Id: runs[i*7919%len(runs)]},
			Relation: "cancel",
			Subject:  &tupelov1.Subject{Type: "user", Id: users[i*104729%len(users)]},
		}
	}
	return questions
}
