package main

import (
	"github.com/tupelodb/tupelo/validate"
)

// fileReport is what --json prints for each file.
type fileReport struct {
	File string `json:"file"`
	// Holds says that everything in the file does. It is false if there are
	// problems; nothing was asked then.
	Holds         bool              `json:"holds"`
	Problems      []schemaProblem   `json:"problems"`
	Omitted       int               `json:"omitted"`
	Relationships int               `json:"relationships"`
	Assertions    []assertionReport `json:"assertions"`
	Lists         []listReport      `json:"lists"`
}

// assertionReport is one assertion. The answers are yes, no and conditional; got is
// empty if there is none.
type assertionReport struct {
	Line      int      `json:"line"`
	Column    int      `json:"column"`
	Assertion string   `json:"assertion"`
	Want      string   `json:"want"`
	Got       string   `json:"got"`
	Missing   []string `json:"missing,omitempty"`
	Holds     bool     `json:"holds"`
	// Message and Explanation are those of an assertion that does not hold.
	Message     string `json:"message,omitempty"`
	Explanation string `json:"explanation,omitempty"`
}

// listReport is one expected list.
type listReport struct {
	Line        int                `json:"line"`
	Column      int                `json:"column"`
	Userset     string             `json:"userset"`
	Holds       bool               `json:"holds"`
	Error       string             `json:"error,omitempty"`
	Differences []differenceReport `json:"differences"`
}

// differenceReport is a line of a list that is not as expected: want is as in the
// file, got as it should be there; one of them may be empty.
type differenceReport struct {
	Line        int    `json:"line"`
	Column      int    `json:"column"`
	Want        string `json:"want"`
	Got         string `json:"got"`
	Message     string `json:"message"`
	Explanation string `json:"explanation,omitempty"`
}

// coverageReport is what --json prints for each schema, after the files.
type coverageReport struct {
	// Files are those that have the schema, and together cover it.
	Files    []string     `json:"files"`
	Parts    int          `json:"parts"`
	Covered  int          `json:"covered"`
	Percent  float64      `json:"percent"`
	Untested []partReport `json:"untested"`
}

// partReport is a part of the schema that nothing covers. Its kind is relation,
// operand or caveat.
type partReport struct {
	Kind   string `json:"kind"`
	Part   string `json:"part"`
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
}

func fileReportOf(r result) fileReport {
	mistakes := report(r.file, r.mistakes)
	f := fileReport{
		File: r.file, Problems: mistakes.Problems, Omitted: mistakes.Omitted,
		Assertions: []assertionReport{}, Lists: []listReport{},
	}
	if r.report == nil {
		return f
	}
	f.Holds, f.Relationships = r.report.Holds(), r.report.Relationships
	for i := range r.report.Assertions {
		f.Assertions = append(f.Assertions, assertionReportOf(&r.report.Assertions[i]))
	}
	for i := range r.report.Lists {
		f.Lists = append(f.Lists, listReportOf(&r.report.Lists[i]))
	}
	return f
}

func assertionReportOf(a *validate.Assertion) assertionReport {
	r := assertionReport{
		Line: a.Pos.Line, Column: a.Pos.Column, Assertion: a.Text,
		Want: a.Want().String(), Missing: a.Missing, Holds: a.Holds(), Explanation: a.Explanation,
	}
	if a.Err == nil {
		r.Got = a.Got.String()
	}
	if !r.Holds {
		r.Message = assertionFailure(a)
	}
	return r
}

func listReportOf(l *validate.List) listReport {
	r := listReport{Line: l.Pos.Line, Column: l.Pos.Column, Userset: l.Text(), Holds: l.Holds(), Differences: []differenceReport{}}
	if l.Err != nil {
		r.Error = l.Err.Error()
	}
	for _, d := range l.Differences {
		r.Differences = append(r.Differences, differenceReport{
			Line: d.Pos.Line, Column: d.Pos.Column, Want: d.Want, Got: d.Got, Message: d.String(), Explanation: d.Explanation,
		})
	}
	return r
}

func coverageReportOf(c *coverageOf) coverageReport {
	r := coverageReport{Files: c.files, Parts: len(c.Parts), Covered: c.Covered(), Percent: c.Percent(), Untested: []partReport{}}
	for i := range c.Parts {
		if p := &c.Parts[i]; !p.Covered {
			r.Untested = append(r.Untested, partReport{string(p.Kind), p.String(), p.File, p.Pos.Line, p.Pos.Column})
		}
	}
	return r
}
