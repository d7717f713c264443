package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/schema/fixture"
	"github.com/tupelodb/tupelo/validate"
)

func newValidateCommand(t *terminal) *cobra.Command {
	v := &validation{terminal: t}
	cmd := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Test a schema with the assertions of fixtures, without a server",
		Long: `Test a schema with the assertions of fixtures, without a server. A fixture is a YAML
file in the form of SpiceDB's validation files: schema or schemaFile, relationships,
assertions (assertTrue, assertFalse, assertCaveated) and validation, the full lists
of subjects that are expected. FILE may be a pattern, a folder, of which all .yaml
and .yml files with a schema or schemaFile are taken, those further down too, or -
for standard input.

Each assertion is also put to the lists of objects and of subjects, which must
agree. What does not hold is printed with its line and with how the answer came
about. Exit status: 0 if everything holds, 1 if something does not, 2 if a file
cannot be read, or it or its schema has mistakes.

--coverage tells which parts of the schema nothing in the fixtures notices: types of
subjects of relations, operands of permissions, and caveats. A part is covered if
some assertion would be answered otherwise, or some list be another one, without
it; fixtures of one schema count together.

With --json there is an object for each file, and for each schema if coverage is asked for.`,
		Example: `  tupelo validate gitclub.yaml
  tupelo validate policies/ --junit report.xml
  tupelo validate policies/*.yaml --min-coverage 100`,
		Args: arguments(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return v.run(cmd.Context(), args)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&v.coverage, "coverage", false, "tell which parts of the schema no assertion notices")
	flags.Float64Var(&v.minCoverage, "min-coverage", 0, "`percent` of the schema's parts that must be covered")
	flags.StringVar(&v.at, "at", "", "`instant` at which tuples have expired or not, as 2030-01-31T12:00:00Z; now if not given")
	flags.StringVar(&v.junit, "junit", "", "`file` for a report in JUnit's XML")
	return cmd
}

// validation is one call of validate.
type validation struct {
	*terminal
	coverage    bool
	minCoverage float64
	at, junit   string

	results   []result
	coverages []coverageOf // of each schema
}

// result is what came of a file: a report, or mistakes.
type result struct {
	file     string
	report   *validate.Report
	mistakes *schema.Errors
}

// coverageOf is the coverage of one schema by some files.
type coverageOf struct {
	files []string
	*validate.Coverage
}

func (v *validation) run(ctx context.Context, args []string) error {
	now, err := v.instant()
	if err != nil {
		return err
	}
	if v.minCoverage < 0 || v.minCoverage > 100 {
		return usagef("validate: --min-coverage is a percentage")
	}
	files, err := fixtureFiles(args)
	if err != nil {
		return err
	}
	options := validate.Options{Now: now, Coverage: v.coverage || v.minCoverage > 0}
	for i, file := range files {
		v.progress(i, len(files), file)
		r, err := v.file(ctx, file, options)
		if err != nil {
			return err
		}
		v.results = append(v.results, r)
		v.add(r)
		if err := v.show(r); err != nil {
			return err
		}
	}
	v.progress(len(files), len(files), "")
	if err := v.finish(); err != nil {
		return err
	}
	return v.verdict()
}

// instant reads --at.
func (v *validation) instant() (time.Time, error) {
	if v.at == "" {
		return time.Now(), nil
	}
	at, err := time.Parse(time.RFC3339, v.at)
	if err != nil || at.UnixNano() <= 0 || at.Year() > 2261 {
		return at, usagef("validate: --at %q is not an instant such as 2030-01-31T12:00:00Z", v.at)
	}
	return at, nil
}

// file runs one fixture. The error is one that ends the command.
func (v *validation) file(ctx context.Context, path string, o validate.Options) (r result, err error) {
	content, name, err := v.readFile(path)
	if err != nil {
		unreadable := schema.Problem{File: path, Message: err.Error()}
		return result{file: path, mistakes: &schema.Errors{Problems: []schema.Problem{unreadable}}}, nil
	}
	r.file = name
	f, err := fixture.Read(name, string(content))
	if err == nil {
		r.report, err = validate.Run(ctx, f, besides(path), o)
	}
	if errors.As(err, &r.mistakes) {
		return r, nil
	}
	return r, err
}

// add notes the coverage of a file with that of others of the same schema.
func (v *validation) add(r result) {
	if r.report == nil || r.report.Coverage == nil {
		return
	}
	for i := range v.coverages {
		if c := &v.coverages[i]; c.Schema == r.report.Coverage.Schema {
			c.Join(r.report.Coverage)
			c.files = append(c.files, r.file)
			return
		}
	}
	v.coverages = append(v.coverages, coverageOf{[]string{r.file}, r.report.Coverage})
}

// progress keeps a line about many files, for a person to watch.
func (v *validation) progress(done, of int, file string) {
	if of < 2 || !v.interactive() {
		return
	}
	text := "\r\x1b[K"
	if done < of {
		text += fmt.Sprintf("%d of %d: %s", done+1, of, file)
	}
	fmt.Fprint(v.diag, text)
}

// finish tells of the coverage, and writes the report for other programs.
func (v *validation) finish() error {
	for i := range v.coverages {
		if err := v.showCoverage(&v.coverages[i]); err != nil {
			return err
		}
	}
	if v.junit == "" {
		return nil
	}
	data, err := v.junitReport()
	if err != nil {
		return err
	}
	return os.WriteFile(v.junit, data, 0o644)
}

// verdict is the command's end.
func (v *validation) verdict() error {
	unusable, failed := 0, false
	for _, r := range v.results {
		if r.mistakes != nil {
			unusable++
		} else if !r.report.Holds() {
			failed = true
		}
	}
	for i := range v.coverages {
		failed = failed || v.lacks(&v.coverages[i])
	}
	switch {
	case unusable > 0:
		return fmt.Errorf("%d of %s could not be tested", unusable, plural(len(v.results), "file"))
	case failed:
		return errNo
	}
	return nil
}

// lacks reports whether a schema is covered less than it must be.
func (v *validation) lacks(c *coverageOf) bool { return c.Percent() < v.minCoverage }
