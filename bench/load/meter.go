package load

import (
	"fmt"
	"os"
	"time"
)

// spent is what processes have taken since their beginning, and have of memory now.
type spent struct {
	cpu time.Duration
	rss int64
}

// meter measures what a run takes.
type meter struct {
	pids           []int
	server, client spent
}

func startMeter(pids []int) (m *meter, err error) {
	m = &meter{pids: pids}
	if m.client.cpu, err = ownCPU(); err != nil {
		return nil, err
	}
	m.server, err = processes(pids, true)
	return m, err
}

// usage is what a run took.
type usage struct{ server, client *spent }

func (m *meter) stop() (usage, error) {
	client, err := processes([]int{os.Getpid()}, false)
	if err != nil {
		return usage{}, err
	}
	if client.cpu, err = ownCPU(); err != nil {
		return usage{}, err
	}
	client.cpu -= m.client.cpu
	u := usage{client: &client}
	if len(m.pids) == 0 {
		return u, nil
	}
	server, err := processes(m.pids, true)
	if err != nil {
		return usage{}, fmt.Errorf("measuring the server: %w", err)
	}
	server.cpu -= m.server.cpu
	u.server = &server
	return u, nil
}

// take notes what a run took.
func (r *Result) take(u usage) {
	per := func(s *spent) Usage {
		of := Usage{CPUSeconds: s.cpu.Seconds(), RSSBytes: s.rss}
		if r.Ops > 0 {
			of.CPUMicrosPerOp = s.cpu.Seconds() * 1e6 / float64(r.Ops)
		}
		return of
	}
	r.Client = per(u.client)
	if u.server != nil {
		server := per(u.server)
		r.Server = &server
	}
}
