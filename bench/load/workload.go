package load

import (
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/bench/dataset"
)

// workload is what is asked for, again and again.
type workload struct {
	name        string
	about       string
	kind        dataset.Kind
	consistency dataset.Consistency
	// writesPercent of the operations are writes, if the kind is Check; and as many
	// are checks of what has just been written, at least as fresh as the write.
	writesPercent int
	imports       bool
}

// Import is the workload that is measured by [Fill], and not by [Run].
const Import = "import"

var workloads = []workload{
	{name: "check", about: "one question"},
	{name: "check-fully-consistent", about: "one question, of everything acknowledged", consistency: dataset.FullyConsistent},
	{name: "batch-check", about: fmt.Sprintf("%d questions in one call", dataset.BatchSize), kind: dataset.BatchCheck},
	{name: "list-objects", about: "all objects that a user has", kind: dataset.ListObjects},
	{name: "list-subjects", about: "all users that an object has", kind: dataset.ListSubjects},
	{name: "write", about: "one tuple, given or taken away", kind: dataset.Write},
	{name: "mixed-99-1", about: "checks, one write in 100, each followed by a check of it", writesPercent: 1},
	{name: "mixed-90-10", about: "checks, ten writes in 100, each followed by a check of it", writesPercent: 10},
	{name: "watch", about: "one write, until it has come by a watch", kind: dataset.Watch},
	{name: Import, about: "all tuples of the data set", imports: true},
}

// Workloads returns the names of the workloads, and what each asks for.
func Workloads() (names, about []string) {
	for _, w := range workloads {
		names, about = append(names, w.name), append(about, w.about)
	}
	return names, about
}

// workloadOf returns the workload of a name. The error wraps [ErrCell].
func workloadOf(name string) (workload, error) {
	for _, w := range workloads {
		if w.name == name {
			return w, nil
		}
	}
	names, _ := Workloads()
	return workload{}, fmt.Errorf("%w: workload %q is none of %s", ErrCell, name, strings.Join(names, ", "))
}

// poolSize is how many requests are made ahead and sent in turn: enough that a server
// which keeps what it has answered has little of it.
func (w workload) poolSize() int {
	switch w.kind {
	case dataset.BatchCheck:
		return 1 << 11
	case dataset.ListObjects, dataset.ListSubjects:
		return 1 << 10
	}
	return 1 << 16
}
