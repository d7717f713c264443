package schema

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// files are the texts of files by their paths.
type files map[string]string

// load loads main.zed in the folder models, and what it imports.
func (f files) load() (*Schema, error) {
	fsys := fstest.MapFS{}
	for name, text := range f {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return LoadFiles("models/main.zed", f["main.zed"], func(path string) (string, error) {
		data, err := fs.ReadFile(fsys, path)
		return string(data), err
	})
}

// problems returns why the files do not load.
func (f files) problems(t *testing.T) string {
	t.Helper()
	_, err := f.load()
	var problems *Errors
	if !errors.As(err, &problems) {
		t.Fatalf("got %v, want *Errors", err)
	}
	return err.Error()
}

func TestImportsBecomeOneTextThatMeansTheSame(t *testing.T) {
	s, err := files{
		"main.zed": `// main
use import
use self // mine
use expiration // again
import "parts/people.zed" // people
// caveats
import './caveats.zed'

definition doc {
	relation owner: user with weekday and expiration
	permission view = owner + self
	...audited
}
// end
`,
		"parts/people.zed": `// of people
use import
use expiration

// all users
definition user {}
import "deep/audit.zed"
// end of people
`,
		"parts/deep/audit.zed": "use partial\nuse import\npartial audited {\n\trelation auditor: user\n}\n// end of audit",
		"caveats.zed":          "use import\nimport \"parts/people.zed\"\ncaveat weekday(day string) { day != 'sunday' }",
	}.load()
	if err != nil {
		t.Fatal(err)
	}
	want := `use partial

// end of audit
// of people
use expiration

// main
use self // mine

partial audited {
	relation auditor: user
}

// all users
definition user {}

// end of people
caveat weekday(day string) {
	day != 'sunday'
}

// again
// people
// caveats
definition doc {
	relation owner: user with weekday and expiration
	permission view = owner + self
	...audited
}
// end
`
	text := Format(s)
	again := mustLoad(t, text)
	if twice := Format(again); twice != text {
		t.Errorf("formatting again changes the text:\n%s", cmp.Diff(text, twice))
	}
	if diff := cmp.Diff(dump(compiled(t, s)), dump(compiled(t, again))); diff != "" {
		t.Errorf("the text means something else: -files +text:\n%s", diff)
	}
	ignoreBlank := func(text string) string {
		return strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' }), "\n")
	}
	if diff := cmp.Diff(ignoreBlank(want), ignoreBlank(text)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func compiled(t *testing.T, s *Schema) *Program {
	t.Helper()
	p, err := Compile(s, numbered(s))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAFileThatIsImportedTwiceIsThereOnce(t *testing.T) {
	s, err := files{
		"main.zed":  "use import\nimport \"left.zed\"\nimport \"right.zed\"\nimport \"./left.zed\"",
		"left.zed":  "use import\nimport \"base.zed\"\ndefinition left {}",
		"right.zed": "use import\nimport \"base.zed\"\ndefinition right {}",
		"base.zed":  "definition base {}",
	}.load()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range s.Definitions {
		names = append(names, d.Name)
	}
	if diff := cmp.Diff([]string{"base", "left", "right"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestProblemsOfImportedFilesHaveTheirPlacesThere(t *testing.T) {
	got := files{
		"main.zed":  "use import\nimport \"a/one.zed\"\ndefinition user {}\ndefinition doc {\n\trelation owner: usr\n}",
		"a/one.zed": "definition team {\n\trelation member: usr\n}\ndefinition user {}",
	}.problems(t)
	want := "models/main.zed:3:12: `user` is defined twice\n" +
		"    definition user {}\n               ^^^^\n    hint: the first is in line 4 of models/a/one.zed\n" +
		"models/main.zed:5:18: unknown type `usr`\n    relation owner: usr\n                    ^^^\n    hint: did you mean `user`?\n" +
		"models/a/one.zed:2:19: unknown type `usr`\n    relation member: usr\n                     ^^^\n    hint: did you mean `user`?"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	grammar := files{"main.zed": "use import\nimport \"bad.zed\"\ndefinition user", "bad.zed": "\ndefinition team {"}.problems(t)
	if !strings.Contains(grammar, "models/main.zed:3:16: expected `{`") || !strings.Contains(grammar, "models/bad.zed:2:12: the body of `team` is not closed") {
		t.Error(grammar)
	}
}

func TestImportsThatCannotBeFollowed(t *testing.T) {
	for name, test := range map[string]struct {
		files files
		want  string
	}{
		"of no file":       {files{"main.zed": `import "none.zed"`}, "import `none.zed` cannot be read: open none.zed: file does not exist"},
		"of itself":        {files{"main.zed": `import "main.zed"`}, "goes round in a circle: main.zed → main.zed"},
		"in a circle":      {files{"main.zed": `import "b/b.zed"`, "b/b.zed": "use import\nimport \"c.zed\"", "b/c.zed": "use import\nimport \"b.zed\""}, "import `b.zed` goes round in a circle: main.zed → b/b.zed → b/c.zed → b/b.zed"},
		"of a parent":      {files{"main.zed": `import "../secret.zed"`}, "import `../secret.zed` does not stay in the folder of the schema"},
		"of a hidden one":  {files{"main.zed": `import "a/../../secret.zed"`}, "does not stay in the folder"},
		"of a root":        {files{"main.zed": `import "/etc/passwd"`}, "import `/etc/passwd` does not stay in the folder"},
		"of another drive": {files{"main.zed": `import "\secret.zed"`}, "does not stay in the folder"},
		"of a folder":      {files{"main.zed": `import "."`}, "cannot be read"},
		"of no text":       {files{"main.zed": `import "b.zed"`, "b.zed": "definition \xff {}"}, "models/b.zed:1:12: the text is not valid UTF-8"},
		"of too much":      {files{"main.zed": `import "b.zed"`, "b.zed": strings.Repeat(" ", MaxTextBytes+1)}, "have more than 1048576 bytes"},
	} {
		test.files["main.zed"] = "use import\n" + test.files["main.zed"] + "\ndefinition user {}\n"
		if got := test.files.problems(t); !strings.Contains(got, test.want) {
			t.Errorf("an import %s: got %s", name, got)
		}
	}
}

func TestASchemaIsMadeOfSoManyFilesAndNoMore(t *testing.T) {
	chain := func(n int) files {
		f := files{"main.zed": "use import\nimport \"0.zed\""}
		for i := range n {
			f[fmt.Sprintf("%d.zed", i)] = fmt.Sprintf("use import\nimport \"%d.zed\"", i+1)
		}
		f[fmt.Sprintf("%d.zed", n)] = "definition user {}"
		return f
	}
	if _, err := chain(MaxImports - 1).load(); err != nil {
		t.Error(err)
	}
	if got := chain(MaxImports).problems(t); !strings.Contains(got, "imports more than 1000 files") {
		t.Error(got)
	}
}

func TestAKeywordOfOneFileIsNoNameInAnother(t *testing.T) {
	got := files{
		"main.zed": "use import\nuse self\nimport \"b.zed\"\ndefinition user {\n\tpermission me = self\n}",
		"b.zed":    "definition bot {\n\trelation self: user\n}",
	}.problems(t)
	if !strings.Contains(got, "models/b.zed:2:11: bad name `self`: `use self` makes it a reserved word") {
		t.Error(got)
	}
}
