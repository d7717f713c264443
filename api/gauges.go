package api

import (
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/tupelodb/tupelo/store"
)

// gauges reads the state of store and log at each scrape.
type gauges struct {
	store  *store.Store
	log    Log
	status func() LogStatus
	calls  *admission
}

// reading is everything that one scrape looks at.
type reading struct {
	store store.Metrics
	log   LogStatus
	calls *admission
	// heard is when the log heard from a leader.
	heard time.Time
}

type gauge struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(reading) float64
}

func newGauge(name, help string, kind prometheus.ValueType, value func(reading) float64) gauge {
	return gauge{prometheus.NewDesc(name, help, nil, nil), kind, value}
}

const (
	counterValue = prometheus.CounterValue
	gaugeValue   = prometheus.GaugeValue
)

var allGauges = []gauge{
	newGauge("tupelo_applied_revision", "Newest revision applied here.", gaugeValue,
		func(r reading) float64 { return float64(r.store.RevisionsApplied) }),
	newGauge("tupelo_horizon_revision", "Oldest revision that can be read.", gaugeValue,
		func(r reading) float64 { return float64(r.store.Horizon) }),

	newGauge("tupelo_calls_under_way", "Calls under way, watches and imports not counted.", gaugeValue,
		func(r reading) float64 { return float64(r.calls.underWay.Load()) }),
	newGauge("tupelo_calls_limit", "Calls that may be under way; lower than the setting while the processor is overloaded.", gaugeValue,
		func(r reading) float64 { return float64(r.calls.limit.Load()) }),
	newGauge("tupelo_calls_refused_total", "Calls refused because too many were under way.", counterValue,
		func(r reading) float64 { return float64(r.calls.refused.Load()) }),

	newGauge("tupelo_idempotency_keys", "Idempotency keys whose outcome is remembered.", gaugeValue,
		func(r reading) float64 { return float64(r.store.IdempotencyKeys) }),

	newGauge("tupelo_storage_disk_bytes", "Size of the state database's files.", gaugeValue,
		func(r reading) float64 { return float64(r.store.DiskBytes) }),
	newGauge("tupelo_storage_cache_bytes", "Blocks held in the cache.", gaugeValue,
		func(r reading) float64 { return float64(r.store.CacheBytes) }),
	newGauge("tupelo_storage_cache_hits_total", "Blocks found in the cache.", counterValue,
		func(r reading) float64 { return float64(r.store.CacheHits) }),
	newGauge("tupelo_storage_cache_misses_total", "Blocks read from disk.", counterValue,
		func(r reading) float64 { return float64(r.store.CacheMisses) }),
	newGauge("tupelo_storage_memtable_bytes", "Size of the memtables.", gaugeValue,
		func(r reading) float64 { return float64(r.store.MemTableBytes) }),
	newGauge("tupelo_storage_flushes_total", "Memtables written to disk.", counterValue,
		func(r reading) float64 { return float64(r.store.Flushes) }),
	newGauge("tupelo_storage_compactions_total", "Compactions done.", counterValue,
		func(r reading) float64 { return float64(r.store.Compactions) }),
	newGauge("tupelo_storage_compaction_debt_bytes", "Estimated bytes that compactions are behind.", gaugeValue,
		func(r reading) float64 { return float64(r.store.CompactionBytes) }),
	newGauge("tupelo_storage_l0_sublevels", "Sublevels of level 0.", gaugeValue,
		func(r reading) float64 { return float64(r.store.L0Sublevels) }),
	newGauge("tupelo_storage_read_amplification", "Places that a read looks at.", gaugeValue,
		func(r reading) float64 { return float64(r.store.ReadAmp) }),
	newGauge("tupelo_storage_table_iterators", "Table iterators open.", gaugeValue,
		func(r reading) float64 { return float64(r.store.IteratorsOpen) }),
	newGauge("tupelo_storage_pooled_iterators", "Iterators kept for the next requests.", gaugeValue,
		func(r reading) float64 { return float64(r.store.IteratorsOfPool) }),

	newGauge("tupelo_tuplesets_cached", "Tuplesets held decoded.", gaugeValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Entries) }),
	newGauge("tupelo_tuplesets_cached_bytes", "Memory that they take.", gaugeValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Bytes) }),
	newGauge("tupelo_tuplesets_hits_total", "Reads that a tupleset held decoded answered.", counterValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Hits) }),
	newGauge("tupelo_tuplesets_misses_total", "Reads of tuplesets that went to the database.", counterValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Misses) }),
	newGauge("tupelo_tuplesets_loads_total", "Tuplesets decoded.", counterValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Loads) }),
	newGauge("tupelo_tuplesets_endings_total", "Tuplesets held decoded that a write ended.", counterValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Endings) }),
	newGauge("tupelo_tuplesets_evictions_total", "Tuplesets that gave way to others.", counterValue,
		func(r reading) float64 { return float64(r.store.Tuplesets.Evictions) }),

	newGauge("tupelo_groups_kept", "Subjects of which the groups that they are in are kept, by kind of group.", gaugeValue,
		func(r reading) float64 { return float64(r.store.Groups.Entries) }),
	newGauge("tupelo_groups_kept_bytes", "Memory that they take.", gaugeValue,
		func(r reading) float64 { return float64(r.store.Groups.Bytes) }),
	newGauge("tupelo_groups_hits_total", "Looks for the groups of a subject that found them.", counterValue,
		func(r reading) float64 { return float64(r.store.Groups.Hits) }),
	newGauge("tupelo_groups_misses_total", "Looks for the groups of a subject that did not.", counterValue,
		func(r reading) float64 { return float64(r.store.Groups.Misses) }),
	newGauge("tupelo_groups_loads_total", "Times that the groups of a subject were begun to be found out.", counterValue,
		func(r reading) float64 { return float64(r.store.Groups.Loads) }),
	newGauge("tupelo_groups_endings_total", "Kept groups of a subject that a write ended.", counterValue,
		func(r reading) float64 { return float64(r.store.Groups.Endings) }),
	newGauge("tupelo_groups_evictions_total", "Kept groups of a subject that gave way to others.", counterValue,
		func(r reading) float64 { return float64(r.store.Groups.Evictions) }),

	newGauge("tupelo_raft_leader", "1 on the leader, 0 elsewhere.", gaugeValue,
		func(r reading) float64 {
			if r.log.Leader {
				return 1
			}
			return 0
		}),
	newGauge("tupelo_raft_term", "Term of the log.", gaugeValue,
		func(r reading) float64 { return float64(r.log.Term) }),
	newGauge("tupelo_raft_last_index", "Last entry of the log here.", gaugeValue,
		func(r reading) float64 { return float64(r.log.LastIndex) }),
	newGauge("tupelo_raft_commit_index", "Last entry known to be committed.", gaugeValue,
		func(r reading) float64 { return float64(r.log.CommitIndex) }),
	newGauge("tupelo_raft_applied_index", "Last entry that the state machine has seen.", gaugeValue,
		func(r reading) float64 { return float64(r.log.AppliedIndex) }),
	newGauge("tupelo_raft_last_contact_seconds", "Time since a leader was heard from; NaN if none was.", gaugeValue,
		func(r reading) float64 {
			if r.heard.IsZero() {
				return math.NaN()
			}
			return time.Since(r.heard).Seconds()
		}),
	newGauge("tupelo_raft_snapshot_index", "Last entry in the newest snapshot.", gaugeValue,
		func(r reading) float64 { return float64(r.log.SnapshotIndex) }),
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) {
	for _, one := range allGauges {
		out <- one.desc
	}
}

// Collect implements prometheus.Collector.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	r := reading{g.store.Metrics(), g.status(), g.calls, g.log.LastContact()}
	for _, one := range allGauges {
		out <- prometheus.MustNewConstMetric(one.desc, one.kind, one.value(r))
	}
}
