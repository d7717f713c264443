package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABackupThatIsExportedIsImportedAsItWas(t *testing.T) {
	startSpiceDB(t, 2500)
	want := everything(t)
	file := filepath.Join(t.TempDir(), "all.zedbackup")
	if got := mustTupelo(t, "export", "--to-backup", file); !strings.HasPrefix(got, "exported 2508 tuples\nzookie ") {
		t.Errorf("it says %s", got)
	}
	expectFailure(t, "exists", "export", "--to-backup", file)
	bytes := mustTupelo(t, "export", "--to-backup", "-")
	if content, err := os.ReadFile(file); err != nil || string(content) != bytes {
		t.Errorf("%d bytes in the file, %d on standard output (%v)", len(content), len(bytes), err)
	}

	startServer(t)
	mustTupelo(t, "import", "--from-backup", file)
	if got := everything(t); got != want {
		t.Errorf("it holds\n%s\nwant\n%s", got[:1000], want[:1000])
	}
	startServer(t)
	if o := tupeloWith(t, bytes, "import", "--from-backup", "-", "--json"); o.code != exitOK || !strings.Contains(o.out, `"total":2508`) {
		t.Errorf("from standard input: %d %s%s", o.code, o.out, o.diag)
	}
	if got := everything(t); got != want {
		t.Error("it holds something else when it comes from standard input")
	}
}

func TestAnExportThatFailsLeavesNoFile(t *testing.T) {
	startServer(t) // without a schema
	dir := t.TempDir()
	expectFailure(t, "no schema", "export", "--to-backup", filepath.Join(dir, "all.zedbackup"))
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v (%v)", left, err)
	}
	expectFailure(t, "see --help", "export")
	expectFailure(t, "no such file", "export", "--to-backup", filepath.Join(dir, "nowhere", "all.zedbackup"))
}

func TestABackupThatDoesNotFitItsSchemaIsToldByItsRelationship(t *testing.T) {
	startServer(t)
	golden := "../../api/authzed/backup/testdata/golden.zedbackup"
	expectFailure(t, "relationship 2 (team:all#member@user:*)", "import", "--from-backup", golden)
	expectFailure(t, "not a backup", "import", "--from-backup", "testdata/files/schema.zed")
	content, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	short := filepath.Join(t.TempDir(), "short.zedbackup")
	if err := os.WriteFile(short, content[:len(content)-20], 0o600); err != nil {
		t.Fatal(err)
	}
	expectFailure(t, "it ends in the middle", "import", "--from-backup", short, "--dry-run")
}
