package sim

import (
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// network is what nodes reach each other by. Every message has a fate of its
// own: it may be late, lost, doubled, overtaken, or end at a cut. Requests and
// answers are two messages.
type network struct {
	mu      sync.Mutex
	random  *rand.Rand
	living  map[string]*node
	cuts    map[link]bool
	lags    map[link]time.Duration // beside the weather's
	weather weather
}

// link is one direction between two nodes.
type link struct{ from, to string }

// weather is what messages meet with.
type weather struct {
	lost, doubled float64       // chances
	cutOff        float64       // chance of a snapshot to break in the middle
	delay         time.Duration // most of it
}

var calm = weather{delay: time.Millisecond}

// answerLimit is how long a node waits for the answer to a message.
const answerLimit = 300 * time.Millisecond

// doubledLimit is how late a message may come that has come before: its sender has
// long gone on.
const doubledLimit = time.Second

var (
	errNotSent = errors.New("nothing got through")
	errLost    = errors.New("nothing came back")
	errDead    = errors.New("the node is gone")
)

func newNetwork(random *rand.Rand) *network {
	return &network{random: random, living: map[string]*node{}, cuts: map[link]bool{}, lags: map[link]time.Duration{}, weather: calm}
}

// chance draws true with a probability; mu is held.
func (w *network) chance(p float64) bool { return p > 0 && w.random.Float64() < p }

// send takes one message from a node to another, and returns the node it comes to.
func (w *network) send(from *node, to string) (*node, error) {
	from.awake()
	w.mu.Lock()
	lost := w.chance(w.weather.lost)
	delay := time.Duration(w.random.Int64N(int64(w.weather.delay))+1) + w.lags[link{from.id, to}]
	w.mu.Unlock()
	time.Sleep(delay)
	w.mu.Lock()
	target, dead := w.living[to], from.dead
	cut := w.cuts[link{from.id, to}]
	w.mu.Unlock()
	switch {
	case dead:
		return nil, errDead
	case target == nil, cut, lost:
		return nil, errLost
	}
	target.awake()
	return target, nil
}

// ask has f run at a node, and its answer brought back by a second message. Now
// and then it runs twice, as when a message is sent again. Until it is known
// that there is no answer, the time for one passes.
func (w *network) ask(from *node, to string, f func(*node) (any, error)) (any, error) {
	end := time.Now().Add(answerLimit)
	w.mu.Lock()
	doubled := w.chance(w.weather.doubled)
	w.mu.Unlock()
	answer, err := w.exchange(from, to, doubled, f)
	if errors.Is(err, errLost) || errors.Is(err, errNotSent) {
		time.Sleep(time.Until(end))
	}
	return answer, err
}

// forward is ask for what must not run twice, and for as long as it takes.
func (w *network) forward(from *node, to string, f func(*node) (any, error)) (any, error) {
	return w.exchange(from, to, false, f)
}

// exchange fails with errNotSent if f has not run and will not, and with errLost
// if it may have.
func (w *network) exchange(from *node, to string, doubled bool, f func(*node) (any, error)) (answer any, failure error) {
	target, err := w.send(from, to)
	if errors.Is(err, errLost) {
		return nil, errNotSent
	}
	if err != nil {
		return nil, err
	}
	if doubled {
		w.mu.Lock()
		late := time.Duration(w.random.Int64N(int64(doubledLimit)))
		w.mu.Unlock()
		w.spawn(target, func() {
			time.Sleep(late)
			if again, err := w.send(from, to); err == nil && again == target {
				_, _ = f(target)
			}
		})
	}
	done := make(chan struct{})
	if !w.spawn(target, func() { answer, failure = f(target); close(done) }) {
		return nil, errNotSent
	}
	<-done
	if _, err := w.send(target, from.id); err != nil {
		return nil, errLost
	}
	return answer, failure
}

// spawn runs f beside a node, unless it is dead; whoever buries it waits for f.
func (w *network) spawn(n *node, f func()) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.dead {
		return false
	}
	n.guests.Go(f)
	return true
}

// lives reports whether a node is the one that runs under its name.
func (w *network) lives(n *node) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !n.dead
}

// change changes what messages meet with.
func (w *network) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}
