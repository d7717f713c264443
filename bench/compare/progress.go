package compare

import (
	"fmt"
	"time"
)

// Progress is how far a run has come.
type Progress struct {
	Doing         string
	Elapsed, Left time.Duration // Left is an estimate
}

// step is a part of a run: a target is loaded with a size, or, if round is not 0,
// asked one of its questions.
type step struct {
	target                string
	size, round, question int
}

// plan is what is still to be done.
type plan map[step]bool

func (o *Options) plan() plan {
	p := make(plan)
	for n, size := range o.Grid.Sizes {
		for _, id := range o.Targets {
			p[step{target: id, size: n}] = true
			for round := range o.Grid.Rounds {
				for k := range size.Questions {
					p[step{id, n, round + 1, k}] = true
				}
			}
		}
	}
	return p
}

// drop takes out what is not going to be done: all that a target was to be asked about a size.
func (p plan) drop(target string, size int) {
	for s := range p {
		if s.target == target && s.size == size {
			delete(p, s)
		}
	}
}

// What a run is expected to take where nothing has been measured yet.
const (
	startTakes   = 4 * time.Second // a server, with its database
	betweenCells = 700 * time.Millisecond
	usualRate    = 2500.0 // tuples that are loaded in a second
)

// left estimates how long the rest of a run takes.
func (s *session) left() (all time.Duration) {
	for part := range s.plan {
		size := s.Grid.Sizes[part.size]
		if part.round > 0 {
			all += s.Grid.WarmUp + size.Questions[part.question].For + betweenCells
			continue
		}
		rate, ok := s.rates[part.target]
		if !ok {
			rate = usualRate
		}
		loading := time.Duration(float64(size.Tuples) / rate * float64(time.Second))
		all += startTakes + min(loading, s.Grid.LoadLimit)
	}
	return all
}

// tell says what is about to be done, and takes it out of the plan.
func (s *session) tell(part step, format string, args ...any) {
	if s.Tell != nil {
		s.Tell(Progress{Doing: fmt.Sprintf(format, args...), Elapsed: time.Since(s.began), Left: s.left()})
	}
	delete(s.plan, part)
}
