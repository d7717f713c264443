package main

import (
	"encoding/xml"
	"fmt"

	"github.com/tupelodb/tupelo/schema"
)

// The report in the XML of JUnit that CI systems read: a suite for each file, a
// case for each assertion and list, and one for each schema's coverage if that is asked for.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junitReport returns the report of all files.
func (v *validation) junitReport() ([]byte, error) {
	all := junitSuites{Name: "tupelo validate"}
	for _, r := range v.results {
		all.add(junitSuiteOf(r))
	}
	for i := range v.coverages {
		c := &v.coverages[i]
		s := junitSuite{Name: "coverage of the schema of " + c.files[0]}
		test := junitCase{Name: "coverage", Class: s.Name, File: c.files[0]}
		if v.lacks(c) {
			test.Failure = &junitMessage{Message: v.coverageText(c), Text: untested(c)}
		}
		s.add(test)
		all.add(s)
	}
	data, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return append([]byte(xml.Header), append(data, '\n')...), nil
}

func untested(c *coverageOf) (text string) {
	for i := range c.Parts {
		if p := &c.Parts[i]; !p.Covered {
			text += partPlace(p) + ": " + p.String() + "\n"
		}
	}
	return text
}

func (all *junitSuites) add(s junitSuite) {
	all.Suites = append(all.Suites, s)
	all.Tests += s.Tests
	all.Failures += s.Failures
	all.Errors += s.Errors
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
}

func junitSuiteOf(r result) junitSuite {
	s := junitSuite{Name: r.file}
	at := func(pos schema.Position, name string) junitCase {
		return junitCase{Name: name, Class: r.file, File: r.file, Line: pos.Line}
	}
	if r.mistakes != nil {
		c := at(r.mistakes.Problems[0].Pos, "the fixture and its schema")
		c.Error = &junitMessage{Message: r.mistakes.Problems[0].Message, Text: r.mistakes.Error()}
		s.add(c)
		return s
	}
	for i := range r.report.Assertions {
		a := &r.report.Assertions[i]
		c := at(a.Pos, a.Outcome.String()+" "+a.Text)
		if !a.Holds() {
			c.Failure = &junitMessage{Message: assertionFailure(a), Text: a.Explanation}
		}
		s.add(c)
	}
	for i := range r.report.Lists {
		l := &r.report.Lists[i]
		c := at(l.Pos, "validation "+l.Text())
		switch {
		case l.Err != nil:
			c.Error = &junitMessage{Message: l.Err.Error()}
		case !l.Holds():
			c.Failure = &junitMessage{Message: l.Differences[0].String()}
			for _, d := range l.Differences {
				c.Failure.Text += fmt.Sprintf("%d:%d: %s\n%s", d.Pos.Line, d.Pos.Column, d.String(), d.Explanation)
			}
		}
		s.add(c)
	}
	return s
}
