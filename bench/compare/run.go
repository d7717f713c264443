package compare

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/bench/peer"
	"github.com/tupelodb/tupelo/bench/report"
)

// Options say who is compared, and by what.
type Options struct {
	Grid Grid
	// Targets are ids of package peer, or InProcess; in the order of the report.
	Targets []string
	Peers   peer.Options // the programs
	// Open connects to a server that takes the calls of a protocol. It is bench/target's
	// work, which stands too high in the house to be imported here.
	Open func(protocol string, at Place) (load.Target, error)
	// Schema spells a set's schema in the language of a protocol whose servers read it
	// when they start. It is bench/target's work too.
	Schema  func(protocol string, set *dataset.Set) (string, error)
	Commit  string // of this program
	Command string // that repeats the run, for the report
	// Tell is called before anything that takes a while. It may be nil.
	Tell func(Progress)
	// Spoiled is told why a target could not be asked, with the end of its log. It may be nil.
	Spoiled func(target string, why error)
}

// Place is where a target is: at an address, or, of InProcess, in a directory.
type Place struct {
	Addr, Token string
	WriteAddr   string // of Keto
	Dir         string
	Connections int
}

// InProcess is the id of Tupelo as a replica in the client's own process.
const InProcess = "tupelo-in-process"

// entrant is a target that is there to be asked, of one size.
type entrant struct {
	id     string
	peer   *peer.Peer // nil: in process
	target load.Target
	dir    string // in process: of its data
	gone   bool   // it can be asked no more
}

// session is a run as it goes on.
type session struct {
	Options
	run   *report.Run
	began time.Time
	// rates are how many tuples a second targets loaded last.
	rates map[string]float64
	cells int // number of the last one, which names what it writes
	plan  plan
}

// Run compares. If ctx ends, or something fails that concerns all, what was
// measured until then is returned beside the error.
func Run(ctx context.Context, o Options) (*report.Run, error) {
	s := &session{
		Options: o, began: time.Now(), rates: make(map[string]float64), plan: o.plan(),
		run: &report.Run{Version: report.RunVersion, Command: o.Command, Preset: o.Grid.Name, Rounds: o.Grid.Rounds},
	}
	s.run.Began, s.run.BusyBefore = s.began.UTC().Truncate(time.Second), loadAverage()
	if err := s.enter(); err != nil {
		return nil, err
	}
	var err error
	for i := range o.Grid.Sizes {
		if err = s.size(ctx, i); err != nil {
			break
		}
	}
	s.run.Seconds = time.Since(s.began).Seconds()
	if err != nil {
		s.run.Ended = err.Error()
		if ctx.Err() != nil {
			s.run.Ended = "it was interrupted"
		}
	}
	return s.run, err
}

// Startable returns the targets that can be compared with these programs.
func Startable(o peer.Options) []string {
	ids := o.Startable()
	if i := slices.Index(ids, "tupelo-authzed"); i >= 0 {
		ids = slices.Insert(ids, i+1, InProcess)
	}
	return ids
}

// enter notes who is to be compared, and refuses whom there is not.
func (s *session) enter() error {
	known := Startable(s.Peers)
	for _, id := range s.Targets {
		if !slices.Contains(known, id) {
			return fmt.Errorf("target %q: %w, or its program was not named: there are %s", id, ErrTarget, strings.Join(known, ", "))
		}
		s.run.Targets = append(s.run.Targets, report.Target{ID: id, Name: nameOf(id)})
	}
	return nil
}

func nameOf(id string) string {
	if id == InProcess {
		return "Tupelo, in process"
	}
	return peer.NameOf(id)
}

// size does one size of the data: everybody is started and loaded, and asked in rounds.
func (s *session) size(ctx context.Context, n int) (err error) {
	size := s.Grid.Sizes[n]
	set, err := dataset.Open(size.DataSet, size.Tuples, size.Seed)
	if err != nil {
		return err
	}
	var there []*entrant
	defer func() {
		for _, e := range there {
			err = errors.Join(err, e.leave())
		}
	}()
	for _, id := range s.Targets {
		s.tell(step{target: id, size: n}, "%s: loading %d tuples of %s", nameOf(id), size.Tuples, size.DataSet)
		e, err := s.bring(ctx, id, set)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			s.spoil(id, n, err)
			continue
		}
		e.pause()
		there = append(there, e)
	}
	for round := range s.Grid.Rounds {
		for k, q := range size.Questions {
			for i := range there {
				// Each round is begun by another, so that nobody always follows the same.
				e := there[(i+round)%len(there)]
				if e.gone {
					continue
				}
				s.tell(step{e.id, n, round + 1, k}, "%s, %d tuples, round %d of %d: %s: %s", size.DataSet, size.Tuples, round+1, s.Grid.Rounds, q, nameOf(e.id))
				if err := s.ask(ctx, e, set, n, round+1, q); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// String spells a question.
func (q Question) String() string {
	if q.Rate > 0 {
		return fmt.Sprintf("%s, %g/s", q.Workload, q.Rate)
	}
	return fmt.Sprintf("%s, %d in flight", q.Workload, q.InFlight)
}

// spoil notes why a target is not there to be asked about a size.
func (s *session) spoil(id string, n int, why error) {
	size := s.Grid.Sizes[n]
	i := slices.IndexFunc(s.run.Loads, func(l report.Load) bool { return l.Target == id && l.DataSet == size.DataSet && l.Asked == size.Tuples })
	if i < 0 {
		s.run.Loads = append(s.run.Loads, report.Load{Target: id, DataSet: size.DataSet, Asked: size.Tuples})
		i = len(s.run.Loads) - 1
	}
	s.run.Loads[i].Failed, _, _ = strings.Cut(why.Error(), "\n") // the rest is of its log
	s.plan.drop(id, n)
	if s.Spoiled != nil {
		s.Spoiled(id, why)
	}
}

// bring starts a target and loads it.
func (s *session) bring(ctx context.Context, id string, set *dataset.Set) (_ *entrant, err error) {
	if rate, ok := s.rates[id]; ok && float64(set.Size)/rate > s.Grid.LoadLimit.Seconds() {
		return nil, fmt.Errorf("not loaded: at %.0f tuples/s, as before, it would take %v, and %v are given",
			rate, time.Duration(float64(set.Size)/rate*1e9).Round(time.Second), s.Grid.LoadLimit)
	}
	e, err := s.start(ctx, id, set)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.leave())
		}
	}()
	c := s.cell(e, set)
	limited, cancel := context.WithTimeoutCause(ctx, s.Grid.LoadLimit, fmt.Errorf("not loaded within %v", s.Grid.LoadLimit))
	defer cancel()
	filled, err := load.Fill(limited, c)
	if err != nil {
		if limited.Err() != nil && ctx.Err() == nil {
			err = context.Cause(limited) // rather than what its protocol makes of that
		}
		return nil, err
	}
	s.rates[id] = filled.OpsPerSecond
	if filled.Wrong > 0 {
		return nil, fmt.Errorf("after loading, %d of %d fully consistent answers were wrong, such as %s", filled.Wrong, filled.Proofs, filled.WrongExamples[0])
	}
	settled := time.Duration(0)
	if id != echo {
		if settled, err = load.Settle(ctx, c); err != nil {
			return nil, err
		}
	}
	s.run.Machine = filled.Machine
	s.run.Loads = append(s.run.Loads, report.Load{
		Target: id, DataSet: set.Name, Asked: set.Size, Seconds: filled.Seconds, Settled: settled.Seconds(), Import: filled,
	})
	return e, nil
}

// connections is how many the client has to each server.
const connections = 4

// start starts a target, without data, and notes what it is.
func (s *session) start(ctx context.Context, id string, set *dataset.Set) (_ *entrant, err error) {
	e := &entrant{id: id}
	defer func() {
		if err != nil {
			err = errors.Join(err, e.leave())
		}
	}()
	if id == InProcess {
		if e.dir, err = os.MkdirTemp(s.Peers.Dir, "tupelo-bench-"+id+"-"); err != nil {
			return nil, err
		}
		s.describe(id, report.Target{Version: s.Peers.Version})
		e.target, err = s.Open(inProcess, Place{Dir: filepath.Join(e.dir, "data"), Connections: connections})
		return e, err
	}
	peers := s.Peers
	if peer.ProtocolOf(id) == peer.Keto {
		text, err := s.Schema(peer.Keto, set)
		if err != nil {
			return nil, err
		}
		peers.Namespaces = peer.Namespaces{Text: text, By: "tupelo bench schema " + set.Name + " --target keto"}
	}
	if e.peer, err = peer.Start(ctx, id, peers); err != nil {
		return nil, err
	}
	s.describe(id, report.Target{Version: e.peer.Version, Why: e.peer.Why, Commands: e.peer.Commands})
	e.target, err = s.Open(e.peer.Protocol, Place{Addr: e.peer.Addr, WriteAddr: e.peer.WriteAddr, Token: e.peer.Token, Connections: connections})
	return e, err
}

// describe notes what a target is, which is the same for all sizes.
func (s *session) describe(id string, as report.Target) {
	i := slices.IndexFunc(s.run.Targets, func(t report.Target) bool { return t.ID == id })
	if t := &s.run.Targets[i]; t.Version == "" {
		t.Version, t.Why, t.Commands = as.Version, as.Why, as.Commands
	}
}

// cell returns what all cells of a target have in common.
func (s *session) cell(e *entrant, set *dataset.Set) load.Cell {
	c := load.Cell{Target: e.target, TargetName: e.id, Set: set, Connections: connections, Commit: s.Commit}
	if e.peer != nil {
		c.TargetVersion, c.PIDs = e.peer.Version, e.peer.PIDs()
	}
	return c
}

// openInFlight is how many calls of an open loop may be under way: enough that the
// rate, and not this, decides when a call is sent.
const openInFlight = 256

// ask puts a question to a target that then goes on for as long as that takes. An
// error is of the run as a whole; a target that cannot be asked is spoiled instead.
func (s *session) ask(ctx context.Context, e *entrant, set *dataset.Set, n, round int, q Question) error {
	e.resume()
	defer e.pause()
	s.cells++
	c := s.cell(e, set)
	c.Workload, c.InFlight, c.Rate, c.WarmUp, c.Duration = q.Workload, q.InFlight, q.Rate, s.Grid.WarmUp, q.For
	c.Prefix = fmt.Sprintf("cell-%d", s.cells)
	if q.Rate > 0 {
		c.InFlight = openInFlight
	}
	r, err := load.Run(ctx, c)
	if ctx.Err() != nil {
		return context.Cause(ctx) // half a cell would be taken for a whole one
	}
	if err = errors.Join(err, e.ended()); err != nil {
		e.gone = true
		s.spoil(e.id, n, err)
		return nil
	}
	cell := report.Cell{Round: round, Asked: set.Size, Rate: q.Rate, Result: *r}
	cell.Slim()
	s.run.Cells = append(s.run.Cells, cell)
	return nil
}

func (e *entrant) pause() {
	if e.peer != nil {
		e.peer.Pause()
	}
}

func (e *entrant) resume() {
	if e.peer != nil {
		e.peer.Resume()
	}
}

func (e *entrant) ended() error {
	if e.peer == nil {
		return nil
	}
	return e.peer.Ended()
}

// leave closes the connections, stops the server, and removes what it left.
func (e *entrant) leave() error {
	var errs []error
	if e.target != nil {
		errs = append(errs, e.target.Close())
	}
	if e.peer != nil {
		errs = append(errs, e.peer.Stop())
	}
	if e.dir != "" {
		errs = append(errs, os.RemoveAll(e.dir))
	}
	return errors.Join(errs...)
}

// loadAverage returns that of the last minute, or 0 where the system does not tell.
func loadAverage() (average float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(text), &average); err != nil {
		return 0
	}
	return average
}
