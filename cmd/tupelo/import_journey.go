package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// journey follows how far an import has come although its batches overtake each
// other: to where everything is written, wherever some of the rest is too. From
// there another import goes on, and what it writes again does no harm.
type journey struct {
	mu      sync.Mutex
	under   []*leg   // way, in the order of the source
	passed  position // all before it is written
	reached position // the last one that was passed where an import can go on
	file    *journeyFile
	saved   time.Time
}

// position is a place in a source.
type position struct {
	// Cursor goes on behind it where the source has cursors.
	Cursor string `json:"cursor,omitempty"`
	// Tuples is how many are before it.
	Tuples int64 `json:"tuples"`
	// Lasting is how many of those do not expire, by the type of their object.
	Lasting map[string]int64 `json:"lasting"`
}

// leg is the part of a journey that one batch makes.
type leg struct {
	position       // counted from where the leg begins
	resumable bool // at its end
	done      bool
}

// add lengthens a leg by a tuple.
func (l *leg) add(t tupleLine) {
	l.Tuples++
	l.resumable, l.Cursor = t.resumable, t.cursor
}

// count counts a tuple that is not a repetition, if it does not expire.
func (l *leg) count(t *tupelov1.Tuple) {
	if t.GetExpiresAt() != nil {
		return
	}
	if l.Lasting == nil {
		l.Lasting = make(map[string]int64)
	}
	l.Lasting[t.GetObject().GetType()]++
}

// begin says that a leg is under way. A journey of nobody has none.
func (j *journey) begin(l *leg) {
	if j == nil {
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.under = append(j.under, l)
}

// saveEvery is how often a journey is remembered.
const saveEvery = time.Second

// end says that all of a leg is written.
func (j *journey) end(l *leg) error {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	l.done = true
	for len(j.under) > 0 && j.under[0].done {
		j.pass(j.under[0])
		j.under = j.under[1:]
	}
	if time.Since(j.saved) < saveEvery {
		return nil
	}
	j.saved = time.Now()
	return j.file.save(j.reached)
}

func (j *journey) pass(l *leg) {
	if j.passed.Lasting == nil {
		j.passed.Lasting = make(map[string]int64)
	}
	j.passed.Tuples += l.Tuples
	for typeName, n := range l.Lasting {
		j.passed.Lasting[typeName] += n
	}
	if l.resumable {
		j.passed.Cursor = l.Cursor
		j.reached = j.passed
		j.reached.Lasting = maps.Clone(j.passed.Lasting)
	}
}

// stop remembers how far the journey has come once nothing is under way any more;
// one that has come to its end need not be remembered.
func (j *journey) stop(atEnd bool) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if atEnd {
		return j.file.remove()
	}
	return j.file.save(j.reached)
}

// journeyFile is the file of --resume.
type journeyFile struct {
	path  string // nothing is remembered without one
	about journeyAbout
}

// journeyAbout says which import a file is about.
type journeyAbout struct {
	Version int    `json:"version"`
	Source  string `json:"source"`
	Schema  string `json:"schema"` // its SHA-256
}

// journeyRecord is what a file holds.
type journeyRecord struct {
	journeyAbout
	position
}

// journeyVersion is the version of the form of the file.
const journeyVersion = 1

// open returns the journey of a file, or one from the beginning if there is none.
func (f *journeyFile) open() (*journey, error) {
	j := &journey{file: f, saved: time.Now()}
	if f.path == "" {
		return j, nil
	}
	text, err := os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return j, f.save(j.reached) // a file that cannot be written is told of now
	}
	if err != nil {
		return nil, fmt.Errorf("--resume: %w", err)
	}
	var r journeyRecord
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("--resume %s is not of an import: %w", f.path, err)
	}
	if r.journeyAbout != f.about || r.Tuples < 0 {
		return nil, fmt.Errorf("--resume %s: %w: it is of %s", f.path, errOtherImport, r.Source)
	}
	j.passed, j.reached = r.position, r.position
	j.reached.Lasting = maps.Clone(r.Lasting)
	return j, nil
}

// save replaces the file, so that it is one state or the other whatever happens.
func (f *journeyFile) save(p position) error {
	if f.path == "" {
		return nil
	}
	text, err := json.Marshal(journeyRecord{f.about, p})
	if err == nil {
		err = replaceFile(f.path, append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("--resume: remembering how far the import has come: %w", err)
	}
	return nil
}

func (f *journeyFile) remove() error {
	if f.path == "" {
		return nil
	}
	return os.Remove(f.path)
}

// replaceFile writes a file that is there as a whole or not at all.
func replaceFile(path string, content []byte) error {
	temporary, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	_, err = temporary.Write(content)
	if err == nil {
		err = temporary.Sync()
	}
	err = errors.Join(err, temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return nil
}
