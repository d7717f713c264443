package history

import (
	"bufio"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// Kinds of events.
const (
	KindWrite   = "write"   // a client set Register to Value
	KindClear   = "clear"   // a client set Register to 0, by a filter
	KindRead    = "read"    // a client read Register and found Value
	KindWatch   = "watch"   // a client was sent Changes, or a checkpoint, at Revision
	KindChange  = "change"  // the changelog has Changes at Revision
	KindState   = "state"   // at the end, Node had the state Sum at Revision
	KindFault   = "fault"   // something was broken or mended: Text
	KindFailure = "failure" // the run saw what must not be: Text
)

// Outcomes of calls.
const (
	OK      = "ok"
	Unmet   = "unmet"   // refused, because of If
	NotDone = "none"    // failed, and had no effect
	Unknown = "unknown" // of a write: it may have been done, or be done later
)

// Modes of reads.
const (
	Latency = "latency"
	AtLeast = "at-least"
	Exact   = "exact"
	Full    = "full"
)

// Schema is the register that the schema holds; its changes have no bits.
const Schema = "schema"

// Event is one line of a history. What a kind does not speak of is left zero.
type Event struct {
	Kind   string `json:"kind"`
	Client string `json:"client,omitempty"`
	Node   string `json:"node,omitempty"`
	// Call and Return are when a call began and ended, in nanoseconds since the
	// history began. Other events have one time, in both.
	Call   int64 `json:"call,omitempty"`
	Return int64 `json:"return,omitempty"`

	Register string `json:"register,omitempty"`
	Value    int    `json:"value,omitempty"`
	If       *Bit   `json:"if,omitempty"`  // the precondition of a write
	Key      string `json:"key,omitempty"` // the idempotency key of a write, under which it may have been sent several times

	Mode  string `json:"mode,omitempty"`  // of a read
	Asked uint64 `json:"asked,omitempty"` // the revision of the zookie that a read gave

	Outcome string `json:"outcome,omitempty"`
	// Revision is that of the zookie in the answer.
	Revision uint64 `json:"revision,omitempty"`

	Checkpoint bool     `json:"checkpoint,omitempty"`
	Changes    []Change `json:"changes,omitempty"`
	Sum        string   `json:"sum,omitempty"`
	Text       string   `json:"text,omitempty"`
}

// Bit is one bit of a register's number, and what it is, or must be.
type Bit struct {
	Bit uint `json:"bit"`
	Set bool `json:"set,omitempty"`
}

// Change is how a revision changed one bit of a register. A change of the schema
// has no bit; in the changelog it has the new value.
type Change struct {
	Register string `json:"register"`
	Bit
	Value int `json:"value,omitempty"`
}

// Write writes events as lines of JSON.
func Write(w io.Writer, events []Event) error {
	buffered := bufio.NewWriter(w)
	lines := json.NewEncoder(buffered)
	for i := range events {
		if err := lines.Encode(&events[i]); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// Read reads what Write has written.
func Read(r io.Reader) (events []Event, err error) {
	lines := json.NewDecoder(r)
	lines.DisallowUnknownFields()
	for {
		var e Event
		err := lines.Decode(&e)
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
}

// Revision returns the revision in a zookie. Clients have no business with it:
// this is how a test can tell which of two is newer.
func Revision(zookie string) (uint64, error) {
	const before, after = 1 + 8, 4 // form and fingerprint; checksum
	data, err := base64.RawURLEncoding.DecodeString(zookie)
	if err != nil || len(data) <= before+after || data[0] != 1 {
		return 0, fmt.Errorf("%w: %q", ErrZookie, zookie)
	}
	revision, n := binary.Uvarint(data[before : len(data)-after])
	if n != len(data)-before-after {
		return 0, fmt.Errorf("%w: %q", ErrZookie, zookie)
	}
	return revision, nil
}

// CheckFile judges a history that Write has written to a file.
func CheckFile(name string) ([]Problem, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	events, err := Read(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return Check(events), nil
}
