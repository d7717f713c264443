package ports

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

const (
	first, end = 10_000, 30_000
	blockSize  = 100
	blocks     = (end - first) / blockSize
)

// Max is how many ports can be had at once.
const Max = blockSize - 1

// process is where this process takes its ports from. It is one for all, as the
// blocks are held against other processes.
var process = taker{block: rand.IntN(blocks)}

// Take returns n loopback addresses with successive ports, which are the caller's
// for as long as this process lives.
func Take(n int) (addresses []string, err error) {
	return process.take(n)
}

// taker takes ports from blocks that it holds.
type taker struct {
	mu    sync.Mutex
	block int            // to try next
	next  int            // port of the newest block
	left  int            // ports of it
	held  []net.Listener // first ports of blocks, until the process ends
}

func (t *taker) take(n int) ([]string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n < 1 || n > Max {
		return nil, fmt.Errorf("%w: %d were asked for, and at most %d can be had at once", ErrNone, n, Max)
	}
	for range blocks {
		for t.left >= n {
			at := t.next
			free := run(at, n)
			used := min(free+1, n) // one that is taken is passed by
			t.next, t.left = at+used, t.left-used
			if free == n {
				return addresses(at, n), nil
			}
		}
		t.hold()
	}
	return nil, ErrNone
}

// hold goes on to the next block, which has no ports for us if another process
// holds it.
func (t *taker) hold() {
	port := first + t.block%blocks*blockSize
	t.block++
	t.left = 0
	if l, err := net.Listen("tcp", address(port)); err == nil {
		t.held = append(t.held, l)
		t.next, t.left = port+1, Max
	}
}

// run returns how many of n ports nobody listens at before the first that is taken.
func run(port, n int) (free int) {
	for free < n {
		l, err := net.Listen("tcp", address(port+free))
		if err != nil {
			return free
		}
		_ = l.Close()
		free++
	}
	return free
}

func addresses(port, n int) (list []string) {
	for i := range n {
		list = append(list, address(port+i))
	}
	return list
}

func address(port int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
