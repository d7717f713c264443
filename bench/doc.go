// Package bench holds Go benchmarks, named for what a user feels.
//
// They ask about GitClub of package dataset: organizations, teams that nest,
// repositories, jobs and runs in the proportions of a hosting service. Beside it
// stand a few fixed places, so that a question has the same answer and the same
// depth whatever the size around it.
//
//	organization ◀─ repository ◀─ job ◀─ run
//	                    ▲
//	        team ◀─ team (nested)
//
// `make bench-go` runs them. They report allocations and the figure that
// matters (checks/s, tuples/s, bytes/tuple). Machines differ: compare ratios
// within one run. `make bench-authzed` measures a process of its own as clients of
// SpiceDB call it, beside one that does nothing; `make bench-cluster` three nodes
// that are one: see bench/cluster. `make bench` puts a server under load: see
// bench/load.
package bench
