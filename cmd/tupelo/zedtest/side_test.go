package zedtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// patience bounds a command of a story: a watch is ended by it.
const patience = 5 * time.Second

// said is all that a user is told by a command. What is cut off has the exit code -1.
type said struct {
	exit             int
	out, diagnostics string
}

func (s said) String() string {
	text := s.out
	if s.diagnostics != "" {
		text += "\n! " + strings.ReplaceAll(s.diagnostics, "\n", "\n! ")
	}
	return strings.TrimSpace(fmt.Sprintf("%s\n= %d", text, s.exit))
}

// says runs zed in the world's folder, with what is typed behind its name: quoted by
// single quotes, with < NAME for its input, and $TOKEN for the token that was
// printed by the last write.
func (w *world) says(t *testing.T, typed string) said {
	t.Helper()
	args := words(strings.ReplaceAll(typed, "$TOKEN", w.token))
	var input []byte
	if n := len(args); n > 2 && args[n-2] == "<" {
		var err error
		if input, err = os.ReadFile(filepath.Join(w.home, args[n-1])); err != nil {
			t.Fatal(err)
		}
		args = args[:n-2]
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	command := w.command(ctx, append([]string{"--log-format", "json", "--skip-version-check"}, args...)...)
	command.Dir, command.Stdin = w.home, bytes.NewReader(input)
	var out, diagnostics bytes.Buffer
	command.Stdout, command.Stderr = &out, &diagnostics
	var ended *exec.ExitError
	if err := command.Run(); err != nil && !errors.As(err, &ended) {
		t.Fatalf("zed %s: %v", typed, err)
	}
	s := said{command.ProcessState.ExitCode(), plain(out.String()), entries(plain(diagnostics.String()))}
	if last := s.out[strings.LastIndexByte(s.out, '\n')+1:]; printsToken.MatchString(typed) && len(last) >= 18 {
		w.token = last
	}
	return s
}

// printsToken recognizes commands that print tokens and nothing else.
var printsToken = regexp.MustCompile(`^relationship (create|touch|delete|bulk-delete) `)

// words divides what is typed as a shell does.
func words(typed string) (args []string) {
	for i, part := range strings.Split(typed, "'") {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args
}

// entries are the lines of zed's log, without what differs each time.
func entries(log string) string {
	var all []string
	for line := range strings.Lines(log) {
		entry := make(map[string]any)
		if json.Unmarshal([]byte(line), &entry) != nil {
			all = append(all, strings.TrimSpace(line))
			continue
		}
		for _, name := range []string{"time", "duration", "perSecond"} {
			delete(entry, name)
		}
		text := fmt.Sprint(entry["level"], ": ", entry["message"])
		delete(entry, "level")
		delete(entry, "message")
		for _, name := range sorted(keys(entry)) {
			text += fmt.Sprintf(" %s=%v", name, entry[name])
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

func keys(m map[string]any) (names []string) {
	for name := range m {
		names = append(names, name)
	}
	return names
}

func sorted(all []string) []string {
	slices.Sort(all)
	return all
}

// What differs by its nature, or is not compared: tokens, times, the texts of
// refusals, and the spaces that protobuf's text form puts in as it likes.
var masks = []struct {
	what *regexp.Regexp
	by   string
}{
	{regexp.MustCompile(`(rpc error: code = \w+) desc = (?s:.*)`), "$1"},
	{regexp.MustCompile(`message: ?"(?:[^"\\]|\\.)*"`), "message"},
	{regexp.MustCompile(`"message": "(?:[^"\\]|\\.)*"`), "message"},
	{regexp.MustCompile(`[A-Za-z0-9+/_-]{18,}={0,2}`), "TOKEN"},
	{regexp.MustCompile(`\((?:\d+(?:\.\d+)?(?:ns|µs|ms|s))+\)`), "TIME"},
	{regexp.MustCompile(`should be one of \[[a-z ]*\]`), "CHOICES"}, // zed lists them in any order
	{regexp.MustCompile(` +`), " "},
}

// lists are commands whose lines have no order that both servers promise.
var lists = regexp.MustCompile(`lookup|relationship read|parse-relationships|^import`)

// masked is what is compared of it.
func (s said) masked(typed string) string {
	for _, text := range []*string{&s.out, &s.diagnostics} {
		for _, mask := range masks {
			if mask.by != "TOKEN" || text == &s.out {
				*text = mask.what.ReplaceAllString(*text, mask.by)
			}
		}
		if lists.MatchString(typed) {
			*text = strings.Join(sorted(strings.Split(*text, "\n")), "\n")
		}
	}
	return s.String()
}

// difference is one that is meant: in which commands, how what is printed begins, and
// why it stays.
type difference struct{ typed, spicedb, tupelo, why string }

// compare types a story, a command a line, against a SpiceDB and a Tupelo. Both must
// print alike and end alike, or differ in a way that is meant, and what is meant must
// be seen. A line NAME <<< TEXT writes a file.
func compare(t *testing.T, story string, meant ...difference) {
	t.Helper()
	spicedb, tupelo := newSpiceDB(t), newWorld(t)
	seen, commands := make([]int, len(meant)), 0
	for line := range strings.Lines(story) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if name, text, found := strings.Cut(line, " <<< "); found {
			text = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(text)
			spicedb.file(t, name, text)
			tupelo.file(t, name, text)
			continue
		}
		commands++
		theirs, ours := spicedb.says(t, line), tupelo.says(t, line)
		t.Logf("zed %s\n%s", line, ours)
		before, after := theirs.masked(line), ours.masked(line)
		if before == after {
			continue
		}
		i := slices.IndexFunc(meant, func(d difference) bool {
			return strings.HasPrefix(before, d.spicedb) && strings.HasPrefix(after, d.tupelo) && regexp.MustCompile(d.typed).MatchString(line)
		})
		if i < 0 {
			t.Errorf("zed %s\nspicedb:\n%s\ntupelo:\n%s", line, theirs, ours)
		} else {
			seen[i]++
		}
	}
	for i, d := range meant {
		if seen[i] == 0 {
			t.Errorf("no command differs in this way any more: %q", d)
		}
	}
	t.Logf("%d commands, of which these differ: %v", commands, seen)
}
