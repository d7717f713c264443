package target

import (
	"errors"
	"testing"
	"time"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
)

func TestNamesThatNoTargetHasAreTypedErrors(t *testing.T) {
	if _, err := Open("oracle", Options{Addr: "127.0.0.1:1"}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
	for name := range openers {
		o := Options{}
		if name == "in-process" {
			o.Addr = "127.0.0.1:1"
		}
		if _, err := Open(name, o); !errors.Is(err, ErrOption) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A replica in this process answers every data set and every workload right.
func TestInProcessAnswersEverythingRight(t *testing.T) {
	for _, name := range dataset.Names() {
		t.Run(name, func(t *testing.T) {
			server, err := Open("in-process", Options{Dir: t.TempDir() + "/data", CacheBytes: 8 << 20, TuplesetCacheBytes: 8 << 20})
			if err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			workOut(t, server, "in-process", name)
		})
	}
}

// workOut loads 2,000 tuples and runs every workload for a moment.
func workOut(t *testing.T, server load.Target, name, set string) {
	t.Helper()
	data, err := dataset.Open(set, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	c := load.Cell{
		Target: server, TargetName: name, Set: data, InFlight: 4, Connections: 1, Prefix: "wt",
		WarmUp: time.Millisecond, Duration: 50 * time.Millisecond,
	}
	loaded, err := load.Fill(t.Context(), c)
	if err != nil || loaded.Wrong != 0 || loaded.Ops != int64(data.Count()) {
		t.Fatalf("%+v, %v", loaded, err)
	}
	if _, err := load.Settle(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	workloads, _ := load.Workloads()
	for _, c.Workload = range workloads {
		if c.Workload == load.Import {
			continue
		}
		c.Prefix += "x"
		r, err := load.Run(t.Context(), c)
		if err != nil || r.Wrong != 0 || len(r.Errors) != 0 || r.Ops == 0 && r.NotSupported == "" {
			t.Errorf("%s: %+v, %v", c.Workload, r, err)
		}
	}
}
