package zedtest

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const schema = `caveat office_hours(hour int) {
	hour >= 9 && hour < 17
}

definition user {}

definition team {
	relation member: user | team#member
}

// Who may do what with a repository.
definition repository {
	relation maintainer: user | team#member
	relation reader: user | user:* | user with office_hours
	relation banned: user
	permission push = maintainer
	permission pull = (reader + push) - banned
}
`

// filled returns a server with the schema and some relationships, by zed.
func filled(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.run(t, "schema", "write", w.file(t, "schema.zed", schema))
	w.runWith(t, `team:core member user:ana
repository:site maintainer team:core#member
repository:site reader user:*
repository:site banned user:cy
repository:docs reader user:dan
`, "relationship", "touch")
	w.run(t, "relationship", "touch", "repository:wiki", "reader", "user:bo", "--caveat", "office_hours:{}")
	return w
}

// lines returns what is printed, in order.
func lines(output string) []string {
	all := strings.Split(output, "\n")
	slices.Sort(all)
	return all
}

func wantLines(t *testing.T, output string, want ...string) {
	t.Helper()
	if got := lines(output); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func wantIn(t *testing.T, output string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(output, part) {
			t.Errorf("no %q in\n%s", part, output)
		}
	}
}

func TestZedSaysThatItSpeaksWithTupelo(t *testing.T) {
	w := newWorld(t)
	output := w.run(t, "version")
	if _, service, found := strings.Cut(output, "service: "); !found || !strings.HasSuffix(strings.Fields(service)[0], "tupelo") {
		t.Errorf("it says %q", output)
	}
}

func TestZedWritesReadsAndComparesSchemas(t *testing.T) {
	w := newWorld(t)
	wantIn(t, w.refused(t, "schema", "read"), "NotFound")
	first := w.file(t, "first.zed", schema)
	w.run(t, "schema", "write", first)
	if read := w.run(t, "schema", "read"); read != strings.TrimSpace(schema) {
		t.Errorf("read\n%s", read)
	}
	wantIn(t, w.refused(t, "schema", "write", w.file(t, "bad.zed", "definition user {")), "InvalidArgument", "is not closed")
	if !w.has(t, "diff", "schema") { // then DiffSchema is tested in api/authzed only
		return
	}
	wantIn(t, w.run(t, "schema", "diff", first, w.file(t, "second.zed", schema+"\ndefinition issue {}\n")), "Added definition: issue")
}

func TestZedCopiesASchemaFromOneServerToAnother(t *testing.T) {
	w, other := filled(t), newWorld(t)
	w.bare(t, "context", "set", "here", w.address, token, "--insecure")
	w.bare(t, "context", "set", "there", other.address, token, "--insecure")
	w.bare(t, "schema", "copy", "here", "there")
	if read := other.run(t, "schema", "read"); read != strings.TrimSpace(schema) {
		t.Errorf("read\n%s", read)
	}
	w.bare(t, "context", "use", "here")
	if got := w.bare(t, "permission", "check", "repository:site", "push", "user:ana"); got != "true" {
		t.Errorf("in the context: %q", got)
	}
}

func TestZedWritesReadsAndDeletesRelationships(t *testing.T) {
	w := filled(t)
	if token := w.run(t, "relationship", "create", "repository:site", "reader", "user:eve"); token == "" {
		t.Error("no token")
	}
	wantIn(t, w.refused(t, "relationship", "create", "repository:site", "reader", "user:eve"), "AlreadyExists")
	wantLines(t, w.run(t, "relationship", "read", "repository:site", "reader"),
		"repository:site reader user:*", "repository:site reader user:eve")
	wantLines(t, w.run(t, "relationship", "read", "repository:d%", "--page-limit", "1"), "repository:docs reader user:dan")
	wantLines(t, w.run(t, "relationship", "read", "repository", "maintainer", "team:core#member"),
		"repository:site maintainer team:core#member")
	w.run(t, "relationship", "delete", "repository:site", "reader", "user:eve")
	wantLines(t, w.run(t, "relationship", "read", "repository:site", "reader"), "repository:site reader user:*")
}

func TestZedDeletesInBulk(t *testing.T) {
	w := newWorld(t)
	w.run(t, "schema", "write", w.file(t, "schema.zed", schema))
	var input strings.Builder
	for i := range 25 {
		fmt.Fprintf(&input, "repository:r%d reader user:ana\n", i)
	}
	w.runWith(t, input.String(), "relationship", "touch", "--batch-size", "10")
	wantIn(t, w.refused(t, "relationship", "bulk-delete", "repository", "reader", "--optional-limit", "10"), "more than 10 relationships")
	if left := lines(w.run(t, "relationship", "read", "repository")); len(left) != 25 {
		t.Errorf("%d are left", len(left))
	}
	w.run(t, "relationship", "bulk-delete", "repository", "reader", "--optional-limit", "10", "--force")
	wantLines(t, w.run(t, "relationship", "read", "repository"), "")
}

func TestZedChecks(t *testing.T) {
	w := filled(t)
	for _, test := range []struct{ resource, permission, subject, want string }{
		{"repository:site", "push", "user:ana", "true"},
		{"repository:site", "push", "team:core#member", "true"},
		{"repository:site", "push", "user:bo", "false"},
		{"repository:site", "pull", "user:bo", "true"},
		{"repository:site", "pull", "user:cy", "false"},
		{"repository:wiki", "pull", "user:bo", "caveated"},
	} {
		if got := w.run(t, "permission", "check", test.resource, test.permission, test.subject); got != test.want {
			t.Errorf("%v: %q", test, got)
		}
	}
	for hour, want := range map[string]string{"10": "true", "20": "false"} {
		if got := w.run(t, "permission", "check", "repository:wiki", "pull", "user:bo", "--caveat-context", `{"hour": `+hour+`}`); got != want {
			t.Errorf("at %s: %q", hour, got)
		}
	}
	wantIn(t, w.run(t, "permission", "check", "repository:site", "push", "user:ana", "--explain"),
		"true", "repository:site push", "repository:site maintainer", "team:core member")
	wantIn(t, w.run(t, "permission", "check", "repository:wiki", "pull", "user:bo", "--explain"),
		"caveated", "office_hours", "missing context: hour")
	wantIn(t, w.run(t, "permission", "check", "repository:site", "push", "user:ana", "--schema"), "definition repository")
	wantIn(t, w.refused(t, "permission", "check", "document:site", "push", "user:ana"), "FailedPrecondition")
	wantIn(t, w.run(t, "permission", "bulk", "repository:site#push@user:ana", "document:site#push@user:ana", "repository:site#push@user:bo"),
		"=> true", "=> error", "ERROR_REASON_UNKNOWN_DEFINITION", "=> false")
}

func TestZedExpandsAndLooksUp(t *testing.T) {
	w := filled(t)
	wantIn(t, w.run(t, "permission", "expand", "pull", "repository:site"), "exclusion", "union", "team:core->member", "user:cy")
	lookup := []string{"permission", "lookup-resources"}
	ask := func(subject string, more ...string) []string {
		return slices.Concat(lookup, []string{"repository", "pull", subject}, more)
	}
	var paged, quiet []string
	if w.has(t, "--show-cursor", lookup...) {
		paged, quiet = []string{"--page-limit", "1", "--show-cursor=false"}, []string{"--show-cursor=false"}
	}
	wantLines(t, w.run(t, ask("user:dan", paged...)...), "docs", "site")
	wantLines(t, w.run(t, ask("user:bo", quiet...)...), "site", "wiki (caveated, missing context: hour)")
	wantLines(t, w.run(t, "permission", "lookup-subjects", "repository:docs", "pull", "user"), "user:dan")
	wantIn(t, w.run(t, "permission", "lookup-subjects", "repository:site", "pull", "user"), "user:*", "cy")
}

func TestZedImportsValidationFiles(t *testing.T) {
	w := newWorld(t)
	indented := strings.ReplaceAll(strings.TrimSpace(schema), "\n", "\n  ")
	w.run(t, "import", w.file(t, "validation.yaml", "schema: |-\n  "+indented+"\nrelationships: |-\n  team:core#member@user:ana\n  repository:site#maintainer@team:core#member\n"))
	if got := w.run(t, "permission", "check", "repository:site", "push", "user:ana"); got != "true" {
		t.Errorf("afterwards: %q", got)
	}
}

func TestZedBacksUpAndRestores(t *testing.T) {
	w := filled(t)
	backup := filepath.Join(w.home, "backup")
	create := []string{"backup", "create"}
	if w.has(t, "--page-limit", create...) {
		create = append(create, "--page-limit", "2")
	}
	w.run(t, append(create, backup)...)
	if _, err := os.Stat(backup); err != nil {
		t.Fatal(err)
	}
	if got := w.run(t, "backup", "parse-schema", backup); got != strings.TrimSpace(schema) {
		t.Errorf("the schema of the backup is\n%s", got)
	}
	all := w.run(t, "relationship", "read", "repository")
	other := newWorld(t)
	other.run(t, "backup", "restore", backup)
	if got := other.run(t, "relationship", "read", "repository"); !slices.Equal(lines(got), lines(all)) {
		t.Errorf("restored is\n%s\nof\n%s", got, all)
	}
	wantIn(t, other.refused(t, "backup", "restore", backup), "duplicate relationships")
	other.run(t, "backup", "restore", backup, "--conflict-strategy", "touch")
	other.run(t, "backup", "restore", backup, "--conflict-strategy", "skip")
}

func TestZedAndTupeloTakeEachOthersBackups(t *testing.T) {
	w := filled(t)
	all := w.tupelo(t, "read", "repository")
	byZed, byTupelo := filepath.Join(w.home, "by-zed"), filepath.Join(w.home, "by-tupelo")
	w.run(t, "backup", "create", byZed)
	w.tupelo(t, "export", "--to-backup", byTupelo)
	if a, b := w.run(t, "backup", "parse-relationships", byZed), w.run(t, "backup", "parse-relationships", byTupelo); !slices.Equal(lines(a), lines(b)) {
		t.Errorf("zed reads of its own\n%s\nand of Tupelo's\n%s", a, b)
	}
	imported, restored := newWorld(t), newWorld(t)
	imported.tupelo(t, "import", "--from-backup", byZed)
	restored.run(t, "backup", "restore", byTupelo)
	for _, other := range []*world{imported, restored} {
		if got := other.tupelo(t, "read", "repository"); got != all {
			t.Errorf("brought is\n%s\nof\n%s", got, all)
		}
		if got := other.run(t, "schema", "read"); got != strings.TrimSpace(schema) {
			t.Errorf("the schema is\n%s", got)
		}
	}
}

func TestABackupOfAnOlderZedMakesNothingPermanent(t *testing.T) {
	w := newWorld(t)
	w.run(t, "schema", "write", w.file(t, "expiring.zed", "use expiration\n\ndefinition user {}\n\ndefinition team {\n\trelation member: user | user with expiration\n}\n"))
	w.tupelo(t, "write", "team:core#member@user:ana[expiration:2101-01-01T00:00:00Z]")
	all, file := w.tupelo(t, "read", "team"), filepath.Join(w.home, "backup")
	w.run(t, "backup", "create", file)
	other := newWorld(t)
	command := other.tupeloCommand(t, "import", "--from-backup", file)
	output, err := command.CombinedOutput()
	if err != nil { // this zed leaves expirations out
		wantIn(t, string(output), "leaves out when relationships expire")
		return
	}
	if got := other.tupelo(t, "read", "team"); got != all {
		t.Errorf("imported is\n%s\nof\n%s", got, all)
	}
}

func TestZedWatches(t *testing.T) {
	w := filled(t)
	token := w.run(t, "relationship", "touch", "repository:site", "reader", "user:eve")
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	watch := w.command(ctx, "relationship", "watch", "--revision", token)
	output, err := watch.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		stop()
		_ = watch.Wait() // it was killed
	}()
	w.run(t, "relationship", "create", "repository:site", "reader", "user:fay")
	w.run(t, "relationship", "delete", "repository:site", "reader", "user:eve")
	want := []string{"TOUCHED repository:site reader user:fay", "DELETED repository:site reader user:eve"}
	for scanner := bufio.NewScanner(output); len(want) > 0; {
		if !scanner.Scan() {
			t.Fatalf("it ended before it told %q", want)
		}
		if plain(scanner.Text()) == want[0] {
			want = want[1:]
		}
	}
}
