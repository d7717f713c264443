package api

import (
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/rewrite"
)

// metrics counts what the server does. The series of every method and code are
// made once, so that a request costs a few atomic additions.
type metrics struct {
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	methods  map[string]*methodMetrics // by full name
	other    *methodMetrics            // health, reflection

	forwarded *prometheus.CounterVec // by method

	panics       prometheus.Counter
	compilations prometheus.Counter
	checks       prometheus.Counter
	steps        prometheus.Counter
	reads        prometheus.Counter

	watchers prometheus.Gauge
	watched  prometheus.Counter
}

type methodMetrics struct {
	name    string
	ok      prometheus.Counter
	seconds prometheus.Observer // nil for streams, which last as long as clients like
}

// latencyBuckets begin below the cost of a check and end where clients give up.
var latencyBuckets = []float64{
	25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5, 10,
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:                        "tupelo_request_seconds",
		Help:                        "Time from a request's arrival to its answer, by method.",
		Buckets:                     latencyBuckets,
		NativeHistogramBucketFactor: 1.1, // for scrapers that take them; the buckets above for the others
	}, []string{"method"})
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tupelo_requests_total",
			Help: "Requests answered, by method and status code.",
		}, []string{"method", "code"}),
		seconds: seconds,
		methods: make(map[string]*methodMetrics),
		forwarded: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tupelo_forwarded_requests_total",
			Help: "Requests handed to the leader, by method; once for each try.",
		}, []string{"method"}),
		panics:       counter("tupelo_panics_total", "Requests that ended in a recovered panic; each is a bug."),
		compilations: counter("tupelo_schema_compilations_total", "Schemas compiled for evaluation."),
		checks:       counter("tupelo_checks_total", "Questions evaluated, those in batches among them."),
		steps:        counter("tupelo_evaluation_steps_total", "Steps of evaluation: sub-problems asked for."),
		reads:        counter("tupelo_evaluation_reads_total", "Reads of the store by evaluation."),
		watchers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "tupelo_watchers", Help: "Watches under way.",
		}),
		watched: counter("tupelo_watched_changes_total", "Changes of tuples sent to watches, once for each watch."),
	}
	m.other = m.method("other")
	for _, c := range []prometheus.Collector{
		m.requests, seconds, m.forwarded, m.panics, m.compilations, m.checks, m.steps, m.reads, m.watchers, m.watched,
	} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// expect makes the series of the methods that a server has. Those of adapters
// have their service's name too, as two protocols may have a Watch.
func (m *metrics) expect(services map[string]grpc.ServiceInfo) {
	for service, info := range services {
		for _, method := range info.Methods {
			name := method.Name
			if !strings.HasPrefix(service, "tupelo.") {
				name = service + "/" + name
			}
			series := m.method(name)
			if method.IsServerStream || method.IsClientStream {
				series = &methodMetrics{name: name, ok: m.requests.WithLabelValues(name, "OK")}
			}
			m.methods["/"+service+"/"+method.Name] = series
		}
	}
}

func (m *metrics) method(name string) *methodMetrics {
	return &methodMetrics{
		name: name, ok: m.requests.WithLabelValues(name, "OK"), seconds: m.seconds.WithLabelValues(name),
	}
}

func (m *metrics) of(fullMethod string) *methodMetrics {
	if found, ok := m.methods[fullMethod]; ok {
		return found
	}
	return m.other
}

// answered counts one request; code is empty for success.
func (m *metrics) answered(method *methodMetrics, code string, took time.Duration) {
	if method.seconds != nil {
		method.seconds.Observe(took.Seconds())
	}
	if code == "" {
		method.ok.Inc()
		return
	}
	m.requests.WithLabelValues(method.name, code).Inc()
}

// evaluated counts the evaluation of some questions.
func (m *metrics) evaluated(questions int, cost rewrite.Cost) {
	m.checks.Add(float64(questions))
	m.steps.Add(float64(cost.Steps))
	m.reads.Add(float64(cost.Reads))
}
