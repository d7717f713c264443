package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/internal/golden"
)

// A transcript is a session at a terminal: commands after "$ ", and below each
// what it printed. Lines of standard error begin with "! ", and an exit status
// other than 0 is told as "? 1". Lines that begin with ">" are a command's
// standard input, and those with "#" or blank ones are for the reader; a blank
// line that a command printed is shown as "|".
//
// What differs from run to run has a name: ZOOKIE1 is the first zookie of the
// session, wherever it appears. How long a step took is told as TIME.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.transcript")
	if err != nil || len(files) == 0 {
		t.Fatal("no transcripts:", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".transcript"), func(t *testing.T) {
			path, err := filepath.Abs(path)
			if err != nil {
				t.Fatal(err)
			}
			inCopyOf(t, "testdata/files")
			startServer(t)
			want := readText(t, path)
			got := play(t, want)
			golden.File(t, path, got, "the session went otherwise")
		})
	}
}

// play runs the commands of a transcript and returns it as it went.
func play(t *testing.T, transcript string) string {
	var got strings.Builder
	names := newNames()
	lines := strings.Split(strings.TrimRight(transcript, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" || strings.HasPrefix(lines[i], "#") {
			got.WriteString(lines[i] + "\n")
			continue
		}
		command, ok := strings.CutPrefix(lines[i], "$ tupelo")
		if !ok {
			continue // what was printed the last time
		}
		got.WriteString(lines[i] + "\n")
		var stdin strings.Builder
		for i+1 < len(lines) && strings.HasPrefix(lines[i+1], ">") {
			i++
			got.WriteString(lines[i] + "\n")
			stdin.WriteString(strings.TrimPrefix(strings.TrimPrefix(lines[i], ">"), " ") + "\n")
		}
		args := words(names.resolve(command))
		o := tupeloWith(t, names.resolve(stdin.String()), args...)
		got.WriteString(names.hide(printed(o)))
	}
	return got.String()
}

// printed is what a command printed, as a transcript tells it.
func printed(o outcome) string {
	var text strings.Builder
	text.WriteString(prefixed("", o.out))
	text.WriteString(prefixed("! ", o.diag))
	if o.code != exitOK {
		fmt.Fprintf(&text, "? %d\n", o.code)
	}
	return text.String()
}

func prefixed(prefix, text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(prefix+strings.TrimSuffix(line, "\n"), " ")
		if line == "" {
			line = "|" // a blank line would be the reader's
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// words splits a command line; single quotes hold a word together.
func words(line string) []string {
	var list []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			list = append(list, part)
		} else {
			list = append(list, strings.Fields(part)...)
		}
	}
	return list
}

// names stand for what differs between runs.
type names struct {
	byValue, byName map[string]string
	count           map[string]int
}

func newNames() *names {
	return &names{map[string]string{}, map[string]string{}, map[string]int{}}
}

// opaque finds zookies and cursors by what stands before them, and zookies that
// have a line to themselves.
var opaque = regexp.MustCompile(`(?m)((?:zookie|written_at|cursor)"?[ :]"?|^)([A-Za-z0-9_-]{16,})("|$)`)

// elapsed finds the times of explanations.
var elapsed = regexp.MustCompile(`((?:; |\()|"elapsed":")[0-9.]+(?:ns|µs|ms|s)(\)|")`)

func (n *names) hide(text string) string {
	text = elapsed.ReplaceAllString(text, "${1}TIME${2}")
	return opaque.ReplaceAllStringFunc(text, func(found string) string {
		parts := opaque.FindStringSubmatch(found)
		value := parts[2]
		if n.byValue[value] == "" {
			kind := "ZOOKIE"
			if strings.HasPrefix(parts[1], "cursor") {
				kind = "CURSOR"
			}
			n.count[kind]++
			name := fmt.Sprintf("%s%d", kind, n.count[kind])
			n.byValue[value], n.byName[name] = name, value
		}
		return parts[1] + n.byValue[value] + parts[3]
	})
}

func (n *names) resolve(text string) string {
	return regexp.MustCompile(`(ZOOKIE|CURSOR)\d+`).ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := n.byName[name]; ok {
			return value
		}
		return name
	})
}

// inCopyOf goes into a copy of a directory for the rest of the test.
func inCopyOf(t *testing.T, dir string) {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	t.Chdir(to)
}

func readText(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
