package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"testing"

	"github.com/tupelodb/tupelo/internal/golden"
)

func TestTheReportForOtherProgramsHasACaseForEverything(t *testing.T) {
	want, err := filepath.Abs("testdata/validate.junit.xml")
	if err != nil {
		t.Fatal(err)
	}
	inCopyOf(t, "testdata/files")
	o := tupelo(t, "validate", "policies", "none.yaml", "--at", "2026-01-31T12:00:00Z", "--min-coverage", "90", "--junit", "report.xml")
	if o.code != exitError {
		t.Fatalf("exit status %d\n%s", o.code, o.diag)
	}
	got := readText(t, "report.xml")
	golden.File(t, want, got)
	var read junitSuites
	if err := xml.Unmarshal([]byte(got), &read); err != nil {
		t.Fatal(err)
	}
	tests, failures, errors := 0, 0, 0
	for _, s := range read.Suites {
		for _, c := range s.Cases {
			tests++
			if c.Failure != nil {
				failures++
			}
			if c.Error != nil {
				errors++
			}
		}
	}
	if tests != read.Tests || failures != read.Failures || errors != read.Errors || tests < 10 || failures < 3 || errors != 2 {
		t.Errorf("%d cases, %d failures, %d errors; the report says %d, %d, %d",
			tests, failures, errors, read.Tests, read.Failures, read.Errors)
	}
}

func TestAReportThatCannotBeWrittenIsAnError(t *testing.T) {
	inCopyOf(t, "testdata/files")
	o := tupelo(t, "validate", "policies/more/banned.yml", "--junit", "nowhere/report.xml")
	if o.code != exitError {
		t.Errorf("exit status %d\n%s%s", o.code, o.out, o.diag)
	}
}

func TestNamesAndTextsOfFixturesCannotBreakTheReport(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "schema: |-\n  definition user {}\nassertions: {assertTrue: [\"user:a<&>\\\"#b@user:c\"]}\n"
	if err := os.WriteFile(`a<&">.yaml`, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tupelo(t, "validate", `a<&">.yaml`, "--junit", "report.xml")
	var read junitSuites
	if err := xml.Unmarshal([]byte(readText(t, "report.xml")), &read); err != nil || read.Suites[0].Name != `a<&">.yaml` {
		t.Errorf("%v, %+v", err, read)
	}
}
