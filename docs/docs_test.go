// Package docs_test keeps the documentation true: what it shows is what the
// product does.
//
//	```console  is run, and must print what is shown
//	```zed      is a schema without mistakes, in the canonical layout
//	```go       is a program that compiles
//	```yaml     is a configuration file
//	```yaml fixture
//	            holds, covers its schema, and can fail
//	```sh       has only flags that the commands have
//
// A line of … stands for any lines, and zookies are all alike.
package docs_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/tupelodb/tupelo/schema"
)

// page is one file of the documentation.
type page struct {
	name   string // from the root of the repository
	text   string
	blocks []block
}

// block is one fenced block of a page.
type block struct {
	page string
	line int // of its first line
	kind string
	text string
}

func (b block) String() string { return fmt.Sprintf("%s:%d", b.page, b.line) }

// pages reads all pages.
func pages(t *testing.T) (all []page) {
	t.Helper()
	lookAtSources(t)
	var names []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/decisions/*.md", "examples/gitclub/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 10 {
		t.Fatalf("found only the pages %q", names)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page{name, string(text), blocks(name, string(text))})
	}
	return all
}

func blocks(name, text string) (all []block) {
	var current *block
	for i, line := range strings.Split(text, "\n") {
		kind, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && current == nil:
			current = &block{page: name, line: i + 2, kind: kind}
		case fence:
			all = append(all, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	return all
}

func TestSessionsShowWhatTheProductPrints(t *testing.T) {
	for _, p := range pages(t) {
		if !slices.ContainsFunc(p.blocks, func(b block) bool { return b.kind == "console" }) {
			continue
		}
		t.Run(p.name, func(t *testing.T) {
			s := newShell(t, strings.Contains(p.text, "<!-- tested with GitClub loaded -->"))
			s.run(t, p.blocks)
		})
	}
}

// shell is where the commands of one page are run, one after the other, with a
// server of its own and a folder that looks like the repository.
type shell struct {
	dir, addr, http string
}

func newShell(t *testing.T, loaded bool) *shell {
	t.Helper()
	binaries := bin(t)
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{dir: t.TempDir()}
	for link, target := range map[string]string{"bin": binaries, "examples": filepath.Join(root, "examples")} {
		if err := os.Symlink(target, filepath.Join(s.dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	listening := serve(t, "--record-checks", "1000", "--http-addr", "127.0.0.1:0")
	s.addr, s.http = listening.Address, listening.HTTP
	if loaded {
		output, err := s.script(t, "tupelo import examples/gitclub/fixture.yaml")
		if err != nil {
			t.Fatalf("loading GitClub: %v\n%s", err, output)
		}
	}
	return s
}

// ready is where a server says that it answers.
type ready struct{ Address, HTTP, Metrics string }

// serve runs a server in memory until the test ends, and waits until it answers.
func serve(t *testing.T, flags ...string) (at ready) {
	t.Helper()
	server := exec.Command(filepath.Join(bin(t), "tupelo"),
		append([]string{"serve", "--memory", "--json", "--listen", "127.0.0.1:0", "--log-level", "error"}, flags...)...)
	server.Env = environment()
	var diagnostics strings.Builder
	server.Stderr = &diagnostics
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGTERM)
		if err := server.Wait(); err != nil {
			t.Errorf("the server ends with %v\n%s", err, diagnostics.String())
		}
	})
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &at)
	}
	if err != nil {
		t.Fatalf("the server says %q: %v", line, err)
	}
	return at
}

// script runs bash in the shell's folder.
func (s *shell) script(t *testing.T, text string) (output string, err error) {
	t.Helper()
	bash := exec.CommandContext(t.Context(), "bash", "-c", text)
	bash.Dir = s.dir
	bash.Env = environment("TUPELO_ADDR="+s.addr, "TUPELO_HTTP_ADDR="+s.http, "PATH="+filepath.Join(s.dir, "bin")+":"+os.Getenv("PATH"))
	combined, err := bash.CombinedOutput()
	return string(combined), err
}

// step is one command of a session and what it is said to print.
type step struct {
	at            string
	command, want string
}

func steps(all []block) (list []step) {
	for _, b := range all {
		if b.kind != "console" {
			continue
		}
		for i, line := range strings.Split(strings.TrimSuffix(b.text, "\n"), "\n") {
			last := len(list) - 1
			command, isCommand := strings.CutPrefix(line, "$ ")
			more, isMore := strings.CutPrefix(line, ">")
			switch {
			case isCommand:
				list = append(list, step{at: fmt.Sprintf("%s:%d", b.page, b.line+i), command: command})
			case isMore && list[last].want == "":
				list[last].command += "\n" + strings.TrimPrefix(more, " ")
			default:
				list[last].want += line + "\n"
			}
		}
	}
	return list
}

// run runs the sessions of a page in one bash, so that variables and $? last,
// and compares what each command prints.
func (s *shell) run(t *testing.T, all []block) {
	t.Helper()
	const mark = "==== end of step"
	list := steps(all)
	text := "exec 2>&1\nlast=0\n"
	for _, step := range list {
		text += "(exit $last)\n" + step.command + "\nlast=$?; echo; echo '" + mark + "'\n"
	}
	output, err := s.script(t, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	printed := strings.Split(output, "\n"+mark+"\n")
	if len(printed) != len(list)+1 {
		t.Fatalf("%d commands printed %d answers:\n%s", len(list), len(printed)-1, output)
	}
	for i, step := range list {
		if !matches(step.want, printed[i]) {
			t.Errorf("%s: $ %s\nprints\n%sand not\n%s", step.at, step.command, printed[i], step.want)
		}
	}
}

var zookie = regexp.MustCompile(`\bA[A-Za-z0-9_-]{17,20}\b`)

// matches compares what a page shows with what was printed.
func matches(shown, printed string) bool {
	pattern := regexp.QuoteMeta(zookie.ReplaceAllString(shown, "ZOOKIE"))
	pattern = regexp.MustCompile(`(?m)^…\n`).ReplaceAllString(pattern, "(?:.*\n)*")
	pattern = strings.ReplaceAll(pattern, "…", ".*")
	return regexp.MustCompile(`\A` + pattern + `\z`).MatchString(zookie.ReplaceAllString(printed, "ZOOKIE"))
}

func TestMatchingIsAsStrictAsItShouldBe(t *testing.T) {
	for _, test := range []struct {
		shown, printed string
		want           bool
	}{
		{"yes\n", "yes\n", true},
		{"yes\n", "no\n", false},
		{"yes\n", "yes\nzookie AeElOn2fXmxpB8sh7Vg\n", false},
		{"yes\nzookie AeElOn2fXmxpB8sh7Vg\n", "yes\nzookie AZvlaDJKev5OBCBjpTM\n", true},
		{"yes\nzookie AeElOn2fXmxpB8sh7Vg\n", "no\nzookie AeElOn2fXmxpB8sh7Vg\n", false},
		{"a\n…\nc\n", "a\nb\nb\nc\n", true},
		{"a\n…\nc\n", "a\nc\n", true},
		{"a\n…\nc\n", "a\nb\n", false},
		{"took … ms\n", "took 12 ms\n", true},
		{"took … ms\n", "took 12\nms\n", false},
		{"a.c\n", "abc\n", false},
	} {
		if got := matches(test.shown, test.printed); got != test.want {
			t.Errorf("%q for %q: %v", test.shown, test.printed, got)
		}
	}
}

func TestSchemasAreWithoutMistakesAndInCanonicalLayout(t *testing.T) {
	n := 0
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.kind != "zed" {
				continue
			}
			n++
			s, err := schema.Load(b.String(), b.text)
			if err != nil {
				t.Error(err)
				continue
			}
			if layout := schema.Format(s); layout != b.text {
				t.Errorf("%s is not laid out as\n%s", b, layout)
			}
		}
	}
	if n == 0 {
		t.Error("no page shows a schema")
	}
}

func TestProgramsCompile(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.kind != "go" {
				continue
			}
			file := filepath.Join(t.TempDir(), "main.go")
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if output, err := exec.CommandContext(t.Context(), "go", "vet", file).CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", b, err, output)
			}
		}
	}
}

func TestConfigurationsAreTaken(t *testing.T) {
	for _, p := range pages(t) {
		for _, b := range p.blocks {
			if b.kind != "yaml" {
				continue
			}
			file := filepath.Join(t.TempDir(), "tupelo.yaml")
			if err := os.WriteFile(file, []byte(b.text), 0o600); err != nil {
				t.Fatal(err)
			}
			// The address is taken last, and cannot be: all else was good by then.
			output, err := tupelo(t, "serve", "--config", file, "--listen", "256.0.0.1:1")
			if err == nil || !strings.Contains(output, "--listen 256.0.0.1:1") {
				t.Errorf("%s: %v\n%s", b, err, output)
			}
		}
	}
}

// commands returns the help of each command by its words, such as "schema write".
func commands(t *testing.T) map[string]string {
	t.Helper()
	help := make(map[string]string)
	var visit func(words []string)
	visit = func(words []string) {
		text, err := tupelo(t, append(slices.Clone(words), "--help")...)
		if err != nil {
			t.Fatalf("tupelo %s --help: %v\n%s", strings.Join(words, " "), err, text)
		}
		help[strings.Join(words, " ")] = text
		_, list, found := strings.Cut(text, "Available Commands:\n")
		if !found {
			return
		}
		list, _, _ = strings.Cut(list, "\n\n")
		for line := range strings.Lines(list) {
			if name := strings.Fields(line)[0]; name != "completion" && name != "help" {
				visit(append(slices.Clone(words), name))
			}
		}
	}
	visit(nil)
	return help
}

var (
	flagWord     = regexp.MustCompile(`(?:^|[\s\x60(])(--[a-z][a-z-]*)`)
	variableWord = regexp.MustCompile(`\bTUPELO_[A-Z_]+\b`)
	commandWords = regexp.MustCompile(`\btupelo ([a-z]+)\b(?: ([a-z]+)\b)?`)
	makeWords    = regexp.MustCompile("`make ([a-z-]+)[` ]|(?m:^make ([a-z-]+)$)")
)

func TestCommandsFlagsAndVariablesExist(t *testing.T) {
	help := commands(t)
	all := strings.Join(slices.Collect(func(yield func(string) bool) {
		for _, text := range help {
			if !yield(text) {
				return
			}
		}
	}), "\n")
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pages(t) {
		for _, m := range variableWord.FindAllString(p.text, -1) {
			if !strings.Contains(all, "["+m+"]") {
				t.Errorf("%s: no setting has the variable %s", p.name, m)
			}
		}
		for _, m := range makeWords.FindAllStringSubmatch(p.text, -1) {
			if target := m[1] + m[2]; !strings.Contains(string(makefile), "\n"+target+":") {
				t.Errorf("%s: there is no `make %s`", p.name, target)
			}
		}
		for _, b := range p.blocks {
			if b.kind == "sh" {
				checkFlags(t, help, b.String(), strings.ReplaceAll(b.text, "\\\n", " "))
			}
		}
		checkProse(t, help, p)
	}
}

// checkFlags looks at the lines of a shell that call tupelo.
func checkFlags(t *testing.T, help map[string]string, at, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		m := commandWords.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		words := m[1]
		if nested := words + " " + m[2]; help[nested] != "" {
			words = nested
		}
		if help[words] == "" {
			t.Errorf("%s: there is no command tupelo %s", at, words)
		}
		for _, flag := range flagWord.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(help[words], flag[1]+" ") {
				t.Errorf("%s: tupelo %s has no flag %s", at, words, flag[1])
			}
		}
	}
}

// checkProse looks at what stands in backquotes between the blocks.
func checkProse(t *testing.T, help map[string]string, p page) {
	t.Helper()
	for _, code := range regexp.MustCompile("`[^`\n]+`").FindAllString(p.text, -1) {
		code = strings.Trim(code, "`")
		switch {
		case strings.HasPrefix(code, "tupelo "):
			checkFlags(t, help, p.name+": "+code, code)
		case strings.HasPrefix(code, "--"):
			flag, _, _ := strings.Cut(code, " ")
			flag, _, _ = strings.Cut(flag, "=")
			known := false
			for _, text := range help {
				known = known || strings.Contains(text, flag+" ")
			}
			if !known {
				t.Errorf("%s: no command has a flag %s", p.name, flag)
			}
		}
	}
}

func TestTheListOfSettingsIsWhole(t *testing.T) {
	text, err := os.ReadFile("docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	help := commands(t)["serve"]
	_, own, _ := strings.Cut(help, "\nFlags:\n")
	own, _, _ = strings.Cut(own, "\n\n")
	n := 0
	for _, flag := range flagWord.FindAllStringSubmatch(own, -1) {
		if n++; flag[1] != "--help" && !strings.Contains(string(text), "| `"+flag[1]+"` |") {
			t.Errorf("docs/operate.md does not list the flag %s of serve", flag[1])
		}
	}
	if n < 10 {
		t.Errorf("found only %d flags in the help of serve", n)
	}
}

func TestTheListOfMetricsIsWhole(t *testing.T) {
	text, err := os.ReadFile("docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.Get("http://" + serve(t, "--metrics-addr", "127.0.0.1:0").Metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	exposed, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	served, listed := make(map[string]bool), make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (tupelo_\w+) `).FindAllStringSubmatch(string(exposed), -1) {
		served[m[1]] = true
	}
	for _, m := range regexp.MustCompile("`(tupelo_[a-z0-9_]+)`").FindAllStringSubmatch(string(text), -1) {
		listed[m[1]] = true
	}
	for name := range served {
		if !listed[name] {
			t.Errorf("docs/operate.md does not list the metric %s", name)
		}
	}
	for name := range listed {
		if !served[name] {
			t.Errorf("docs/operate.md lists %s, which the server does not have", name)
		}
	}
	if len(served) == 0 {
		t.Error("the server has no metrics of its own")
	}
}

var link = regexp.MustCompile(`\]\(([^)#\s]*)(?:#([^)]*))?\)|(?m:^\[[^\]]+\]: (\S+)$)`)

func TestLinksLeadSomewhere(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			target, anchor := m[1]+m[3], m[2]
			if strings.Contains(target, "://") {
				continue
			}
			file := filepath.Join(filepath.Dir(p.name), target)
			if target == "" {
				file = p.name
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", p.name, target)
				continue
			}
			if anchor != "" && !slices.Contains(anchors(t, file), anchor) {
				t.Errorf("%s: the link to %s#%s leads to no heading", p.name, target, anchor)
			}
		}
	}
}

var (
	heading   = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notInSlug = regexp.MustCompile(`[^\p{L}\p{N} _-]`)
)

// anchors returns the names that the headings of a page have in links.
func anchors(t *testing.T, file string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range heading.FindAllStringSubmatch(string(text), -1) {
		name := notInSlug.ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}
