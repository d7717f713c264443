package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/bench/target"
)

// benchOptions are what bench measures.
type benchOptions struct {
	target            choice
	via               connection
	writeAddr         string
	pids              []int
	serverVersion     string
	dataSet           choice
	tuples            amount
	seed              uint64
	workloads         []string
	inFlight          []int
	rates             []float64
	duration, warmUp  time.Duration
	connections       int
	loaded            bool
	maxInFlightOfRate int
}

func newBenchCommand(t *terminal) *cobra.Command {
	var o benchOptions
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a server under load, judging every answer",
		Long: `Measure a server under load, judging every answer.

Loads a data set whose answers are known because of how it is made, then runs each
workload with so many calls in flight (a closed loop), or at so many calls a second
whatever the server does (an open loop, with --rate). The latency of an open loop
counts from when a call was due. Without --addr a server is started for the time,
in a process of its own, with its data in a temporary directory.

Targets:
  native      Tupelo by its own protocol
  in-process  Tupelo as a library, in this process, without a network
  authzed     SpiceDB or whoever else speaks authzed.api.v1; Tupelo without --addr
  openfga     OpenFGA or whoever else speaks openfga.v1
  keto        Ory Keto; writes go to --write-addr, and its namespaces are for its
              configuration: see tupelo bench schema
  permify     Permify, by its HTTP form
  echo        a server that answers at once and knows nothing: the limit

` + benchNames() + `

Server processor time and memory are those of the processes that --pid names and of
all that descend from them; of a server that was started for the time they are known.

Exit status: 0, or 1 if an answer was wrong or a call failed, or 2 for an error.
Ctrl-C ends the run and prints what was measured until then.`,
		Example: `  tupelo bench
  tupelo bench --tuples 1M --workload check,mixed-99-1 --in-flight 64
  tupelo bench --rate 5000 --duration 30s --json
  tupelo bench --target authzed --addr 127.0.0.1:50051 --token secret --pid 4242`,
		Args: arguments(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.validate(); err != nil {
				return err
			}
			b := &benchmark{terminal: t, options: &o}
			return b.run(cmd.Context())
		},
	}
	o.register(cmd.Flags())
	cmd.AddCommand(newBenchEchoCommand(t), newBenchSchemaCommand(t), newBenchCompareCommand(t), newBenchReportCommand(t))
	return cmd
}

// benchNames lists the data sets and workloads.
func benchNames() string {
	var b strings.Builder
	b.WriteString("Data sets: " + strings.Join(dataset.Names(), ", ") + "\n\nWorkloads:")
	names, about := load.Workloads()
	for i := range names {
		fmt.Fprintf(&b, "\n  %-23s %s", names[i], about[i])
	}
	return b.String()
}

// register registers the flags. None is a setting: which server is put under load is
// never for the environment to say.
func (o *benchOptions) register(flags *pflag.FlagSet) {
	o.target = choice{value: "native", among: target.Names()}
	o.dataSet = choice{value: "gitclub", among: dataset.Names()}
	o.tuples = 100_000
	flags.Var(&o.target, "target", "what kind of server is measured")
	flags.StringVar(&o.via.addr, "addr", "", "the server, as host:port; none to have one started")
	flags.StringVar(&o.writeAddr, "write-addr", "", "where keto takes writes, as host:port")
	flags.StringVar(&o.via.token, "token", "", "bearer token to show to the server")
	flags.BoolVar(&o.via.tls, "tls", false, "use TLS; the default for all but loopback addresses")
	flags.StringVar(&o.via.caFile, "tls-ca", "", "PEM file of authorities to trust instead of the system's; implies --tls")
	flags.StringVar(&o.via.tlsServer, "tls-server-name", "", "name to expect in the server's certificate; implies --tls")
	flags.BoolVar(&o.via.insecure, "insecure", false, "use no TLS, even for an address that is not loopback")
	flags.IntSliceVar(&o.pids, "pid", nil, "process of the server at --addr, whose processor time and memory are measured; repeatable")
	flags.StringVar(&o.serverVersion, "server-version", "", "version of the server at --addr, if it does not say")
	flags.Var(&o.dataSet, "data-set", "what is loaded")
	flags.Var(&o.tuples, "tuples", "how many tuples there are at least, such as 10k or 1M")
	flags.Uint64Var(&o.seed, "seed", 1, "which of the data sets of that size, and what is asked")
	flags.StringSliceVar(&o.workloads, "workload", []string{"check"}, "what is asked for; repeatable, or a list with commas")
	flags.IntSliceVar(&o.inFlight, "in-flight", []int{1, 16, 64}, "how many calls are in flight; a run for each")
	flags.Float64SliceVar(&o.rates, "rate", nil, "how many calls are due in a second; a run for each, instead of --in-flight")
	flags.IntVar(&o.maxInFlightOfRate, "max-in-flight", 1024, "how many calls are in flight at most, with --rate; more that are due wait")
	flags.DurationVar(&o.duration, "duration", 10*time.Second, "how long each run is measured")
	flags.DurationVar(&o.warmUp, "warm-up", 2*time.Second, "how long each run goes on before that")
	flags.IntVar(&o.connections, "connections", 4, "how many connections the calls go over")
	flags.BoolVar(&o.loaded, "loaded", false, "the server at --addr has the data set already: load nothing")
}

// validate looks for what can only be a mistake.
func (o *benchOptions) validate() error {
	kind := o.target.value
	own := o.via.addr == ""
	switch {
	case own && !startable(kind):
		return usagef("bench: --target %s needs --addr: only Tupelo and the echo are started by themselves", kind)
	case (kind == "keto") != (o.writeAddr != ""):
		return usagef("bench: --write-addr belongs to --target keto, which needs it")
	case !own && kind == "in-process":
		return usagef("bench: --addr contradicts --target in-process")
	case own && (len(o.pids) > 0 || o.loaded || o.serverVersion != "" || o.via.token != "" || o.via.tls || o.via.caFile != "" || o.via.tlsServer != "" || o.via.insecure):
		return usagef("bench: --pid, --loaded, --server-version, --token and those of TLS are about a server at --addr")
	case o.connections < 1 || o.connections > 1024:
		return usagef("bench: --connections must be 1 to 1024")
	case len(o.workloads) == 0 || len(o.inFlight) == 0:
		return usagef("bench: there must be a --workload and an --in-flight")
	}
	for _, name := range o.workloads {
		if name == load.Import && o.loaded {
			return usagef("bench: --loaded leaves nothing to import")
		}
	}
	for _, c := range o.cells("x") {
		if err := c.Validate(); err != nil {
			return usagef("bench: %s", strings.TrimPrefix(err.Error(), load.ErrCell.Error()+": "))
		}
	}
	_, err := o.set()
	return err
}

func (o *benchOptions) set() (*dataset.Set, error) {
	s, err := dataset.Open(o.dataSet.value, int(o.tuples), o.seed)
	if errors.Is(err, dataset.ErrSize) {
		return nil, usagef("bench: --tuples: %v", err)
	}
	return s, err
}

// cells returns the runs, but for an import: each without what only a server has.
// What they write has ids that begin with the prefix.
func (o *benchOptions) cells(prefix string) (all []load.Cell) {
	for _, workload := range o.workloads {
		if workload == load.Import {
			continue
		}
		cell := load.Cell{
			TargetName: o.target.value, TargetVersion: o.serverVersion, Workload: workload, Connections: o.connections,
			WarmUp: o.warmUp, Duration: o.duration, PIDs: o.pids, Commit: readBuild().Commit,
		}
		add := func() {
			cell.Prefix = fmt.Sprintf("%s-%d", prefix, len(all))
			all = append(all, cell)
		}
		if len(o.rates) == 0 {
			for _, cell.InFlight = range o.inFlight {
				add()
			}
		}
		for _, cell.Rate = range o.rates {
			cell.InFlight = o.maxInFlightOfRate
			add()
		}
	}
	return all
}

// amount is a flag's number of things: 100, 10k, 1M. They are thousands, not powers
// of two.
type amount int

var amountUnits = []struct {
	name string
	of   int
}{{"G", 1_000_000_000}, {"M", 1_000_000}, {"k", 1000}}

// Set reads a number.
func (a *amount) Set(text string) error {
	number, factor := text, 1
	for _, unit := range amountUnits {
		if rest, ok := strings.CutSuffix(text, unit.name); ok {
			number, factor = rest, unit.of
			break
		}
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 0 || n > math.MaxInt/factor {
		return fmt.Errorf("%q is not a number such as 5000, 10k or 1M", text)
	}
	*a = amount(n * factor)
	return nil
}

// String spells the number with the largest unit that divides it.
func (a *amount) String() string {
	for _, unit := range amountUnits {
		if *a != 0 && int(*a)%unit.of == 0 {
			return strconv.Itoa(int(*a)/unit.of) + unit.name
		}
	}
	return strconv.Itoa(int(*a))
}

// Type names the kind of value in the help.
func (a *amount) Type() string { return "number" }
