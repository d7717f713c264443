package main

import (
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/schema"
	"github.com/tupelodb/tupelo/validate"
)

// show prints what came of a file.
func (v *validation) show(r result) error {
	if v.json {
		return v.object(fileReportOf(r))
	}
	if r.mistakes != nil {
		v.notef("%s", r.mistakes)
		return nil
	}
	for i := range r.report.Assertions {
		if a := &r.report.Assertions[i]; !a.Holds() {
			v.failure(r.file, a.Pos, assertionFailure(a), a.Explanation)
		}
	}
	for i := range r.report.Lists {
		l := &r.report.Lists[i]
		if l.Err != nil {
			v.failure(r.file, l.Pos, l.Text()+": "+l.Err.Error(), "")
		}
		for _, d := range l.Differences {
			v.failure(r.file, d.Pos, l.Text()+": "+d.String(), d.Explanation)
		}
	}
	switch assertions, lists := r.report.Failures(); {
	case assertions+lists > 0:
		v.printf("%s: failed: %s\n", r.file, held(r.report, fmt.Sprintf("%d of ", assertions), fmt.Sprintf("%d of ", lists)))
	case !v.quiet:
		v.printf("%s: ok: %s\n", r.file, held(r.report, "", ""))
	}
	return nil
}

// held counts what a fixture has, each with the words before it.
func held(r *validate.Report, assertions, lists string) string {
	text := assertions + plural(len(r.Assertions), "assertion")
	if len(r.Lists) > 0 {
		text += ", " + lists + plural(len(r.Lists), "list")
	}
	return text
}

// failure prints one thing that does not hold, and how it came about.
func (v *validation) failure(file string, pos schema.Position, text, explanation string) {
	v.printf("%s:%d:%d: %s\n", file, pos.Line, pos.Column, text)
	if v.quiet {
		return
	}
	for line := range strings.Lines(explanation) {
		v.printf("%s\n", strings.TrimRight("    "+line, " \n"))
	}
}

// assertionFailure says what is wrong with an answer.
func assertionFailure(a *validate.Assertion) string {
	switch {
	case a.Err != nil:
		return fmt.Sprintf("%s should be %v and has no answer: %v", a.Text, a.Want(), a.Err)
	case a.Disagreement != "":
		return fmt.Sprintf("%s is %v, but %s; this is a mistake of Tupelo's", a.Text, a.Got, a.Disagreement)
	case len(a.Missing) > 0:
		return fmt.Sprintf("%s should be %v and is %v: it depends on %s", a.Text, a.Want(), a.Got, strings.Join(a.Missing, ", "))
	default:
		return fmt.Sprintf("%s should be %v and is %v", a.Text, a.Want(), a.Got)
	}
}

// showCoverage prints how much of a schema is covered, and what is not.
func (v *validation) showCoverage(c *coverageOf) error {
	switch {
	case v.json:
		return v.object(coverageReportOf(c))
	case v.quiet && !v.lacks(c):
		return nil
	}
	v.printf("%s\n", v.coverageText(c))
	for i := range c.Parts {
		if p := &c.Parts[i]; !p.Covered {
			v.printf("  %s: %s\n", partPlace(p), p.String())
		}
	}
	return nil
}

func (v *validation) coverageText(c *coverageOf) string {
	by := c.files[0]
	if n := len(c.files) - 1; n > 0 {
		by += " and " + plural(n, "other")
	}
	text := fmt.Sprintf("%s: %d of %s of the schema covered, %.1f %%", by, c.Covered(), plural(len(c.Parts), "part"), c.Percent())
	if v.lacks(c) {
		text += fmt.Sprintf("; %g %% are needed", v.minCoverage)
	}
	if c.Covered() < len(c.Parts) {
		text += "; if one of these were gone, nothing would notice:"
	}
	return text
}

func partPlace(p *validate.Part) string {
	if p.Pos.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Pos.Line, p.Pos.Column)
}
