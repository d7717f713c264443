package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// zookieWriters write beside who waits for zookies.
const zookieWriters = 16

// zookies measures how long a follower takes over a check that needs what the
// leader has just written, beside one that takes what the follower has.
func (s *session) zookies() error {
	c, err := s.withTuples()
	if err != nil {
		return err
	}
	p := &prober{leader: c.leader(), follower: c.follower(), question: questionsOf(s.tuples)[0]}
	var beside load
	var besideErr error
	var writing sync.WaitGroup
	writing.Go(func() { beside, besideErr = drive(s.ctx, zookieWriters, 2*s.measure, p.leader.writer("z")) })
	_, err = drive(s.ctx, 1, 2*s.measure, p.probe) // one asks, so there are fewer calls
	writing.Wait()
	if err := errors.Join(err, besideErr); err != nil {
		return err
	}
	name := fmt.Sprintf("follower, %.0f writes/s beside, ", beside.rate())
	whatever, given := waits(p.whatever), waits(p.given)
	if err := s.report.add(whatever.figure(name + "minimize latency")); err != nil {
		return err
	}
	f := given.figure(name + "zookie just given")
	f.Ratio, f.To = f.P50ms/inMilliseconds(whatever.quantile(0.5)), "minimize latency"
	return s.report.add(f)
}

// prober asks a follower about what the leader has just written.
type prober struct {
	leader, follower *member
	question         *tupelov1.CheckRequest
	given, whatever  []time.Duration // by checks with the zookie, and without
}

// probe writes, and checks at once with the zookie, and then without.
func (p *prober) probe(ctx context.Context, _, _ int) error {
	zookie, err := p.leader.writeOne(ctx, "z")
	if err != nil {
		return err
	}
	fresh := &tupelov1.Consistency{Requirement: &tupelov1.Consistency_AtLeastAsFresh{AtLeastAsFresh: zookie}}
	return errors.Join(p.check(ctx, fresh, &p.given), p.check(ctx, minimizeLatency, &p.whatever))
}

func (p *prober) check(ctx context.Context, c *tupelov1.Consistency, took *[]time.Duration) error {
	q := proto.CloneOf(p.question)
	q.Consistency = c
	begun := time.Now()
	_, err := p.follower.TupeloClient.Check(ctx, q)
	*took = append(*took, time.Since(begun))
	return err
}

// waits are the times of calls of which not the rate matters but how long each took.
type waits []time.Duration

func (w waits) quantile(part float64) time.Duration {
	slices.Sort(w)
	return (&load{took: w}).quantile(part)
}

func (w waits) figure(name string) figure {
	p50 := inMilliseconds(w.quantile(0.5))
	return figure{Measure: "zookies", Case: name, Value: p50, Unit: "ms", P50ms: p50, P99ms: inMilliseconds(w.quantile(0.99))}
}
