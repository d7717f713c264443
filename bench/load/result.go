package load

import (
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// ResultVersion is the number of the form that results have. A reader takes those
// with its own number.
const ResultVersion = 1

// Result is what one run measured, and what it needs to be understood.
type Result struct {
	Version int `json:"version"`

	// Target is which kind of server, TargetVersion what it says it is, or what who
	// measures says. Verified is false for the echo, whose answers mean nothing.
	Target        string `json:"target"`
	TargetVersion string `json:"target_version"`
	Verified      bool   `json:"verified"`

	// The data: DataSet of Tuples tuples, which Seed decides about.
	DataSet string `json:"data_set"`
	Tuples  int    `json:"tuples"`
	Seed    uint64 `json:"seed"`

	// The load: Workload; Mode is "closed", "open" or "import". InFlight is how many
	// calls are under way at once, in an open loop at most; OfferedPerSecond is of an
	// open loop alone.
	Workload         string  `json:"workload"`
	Mode             string  `json:"mode"`
	InFlight         int     `json:"in_flight"`
	Connections      int     `json:"connections"`
	OfferedPerSecond float64 `json:"offered_per_second,omitempty"`
	WarmUpSeconds    float64 `json:"warm_up_seconds"`
	// Seconds is from the first call's start to the last one's answer.
	Seconds float64 `json:"seconds"`

	// NotSupported says why there is nothing to measure: the target cannot be asked
	// that. All below is zero then.
	NotSupported string `json:"not_supported,omitempty"`

	// Ops are the calls that were answered, right or wrong; of an import, the tuples.
	// An op of a batch has ItemsPerOp checks. OpsPerSecond is Ops by Seconds; of an
	// open loop, what was answered before its end by how long it lasted.
	Ops          int64   `json:"ops"`
	ItemsPerOp   int     `json:"items_per_op"`
	OpsPerSecond float64 `json:"ops_per_second"`
	// Errors are the calls that failed, by code; Unsent those that were due and not
	// sent when an open loop was given up.
	Errors        map[string]int64 `json:"errors,omitempty"`
	ErrorExamples []string         `json:"error_examples,omitempty"`
	Unsent        int64            `json:"unsent,omitempty"`
	// Wrong are answers that are not the right ones, those of the warm-up and of
	// the proofs after writes too; Proofs is how many of these there were.
	Wrong         int64    `json:"wrong"`
	WrongExamples []string `json:"wrong_examples,omitempty"`
	Proofs        int64    `json:"proofs,omitempty"`

	// Latency of calls that were answered: from when they were due, which in a closed
	// loop is when they were sent; Service from when they were sent, of an open loop
	// alone. Kinds has them apart, if a workload has several.
	Latency *Latency            `json:"latency,omitempty"`
	Service *Latency            `json:"service,omitempty"`
	Kinds   map[string]*Latency `json:"kinds,omitempty"`

	// Server is what the server's processes took, with their children, if it was told
	// which these are. Client is what this process took; with the target in process
	// that is the server too.
	Server *Usage `json:"server,omitempty"`
	Client Usage  `json:"client"`

	Machine Machine `json:"machine"`
	// Started is when the measuring began, in UTC.
	Started time.Time `json:"started"`
}

// Usage is what processes took while a run was measured, and their memory at its end.
type Usage struct {
	CPUSeconds float64 `json:"cpu_seconds"`
	// CPUMicrosPerOp is CPUSeconds by op, in microseconds.
	CPUMicrosPerOp float64 `json:"cpu_us_per_op"`
	// RSSBytes is resident memory; what processes share is counted once where the
	// system tells (Linux).
	RSSBytes int64 `json:"rss_bytes"`
}

// Latency is how long calls took.
type Latency struct {
	Count int64 `json:"count"`
	// In microseconds, each within 0.1 %.
	Mean float64 `json:"mean_us"`
	P50  float64 `json:"p50_us"`
	P90  float64 `json:"p90_us"`
	P99  float64 `json:"p99_us"`
	P999 float64 `json:"p999_us"`
	Max  float64 `json:"max_us"`
	// Histogram is all of it, in nanoseconds, as HdrHistogram has it: V2, compressed,
	// in base 64.
	Histogram string `json:"histogram"`
}

// Histogram limits: 64 ns can be told from 128, and what took longer than 100 s
// counts as that.
const (
	leastNanos = 64
	mostNanos  = int64(100 * time.Second)
)

func newHistogram() *hdr.Histogram { return hdr.New(leastNanos, mostNanos, 3) }

func summarize(h *hdr.Histogram) (*Latency, error) {
	encoded, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil, err
	}
	micros := func(percentile float64) float64 { return float64(h.ValueAtPercentile(percentile)) / 1e3 }
	return &Latency{
		Count: h.TotalCount(), Mean: h.Mean() / 1e3, Max: float64(h.Max()) / 1e3,
		P50: micros(50), P90: micros(90), P99: micros(99), P999: micros(99.9),
		Histogram: string(encoded),
	}, nil
}
