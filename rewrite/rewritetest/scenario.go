package rewritetest

import (
	"fmt"
	"strconv"
	"strings"
)

// Scenario is a story in a file: a schema, tuples, and what follows from them.
//
//	Words for the reader, up to the first section.
//
//	== schema
//	definition user {}
//	definition document { relation viewer: user }
//	== tuples
//	document:plan#viewer@user:alice
//	== questions now=3 context={"flag":true}
//	yes  document:plan#viewer@user:alice
//	conditional:count,place  document:plan#viewer@user:bob
//	== expand document:plan#viewer depth=2
//	document:plan#viewer
//	└── user:alice
//
// Lines that begin with // are comments in the sections of tuples and questions.
type Scenario struct {
	// Prose is what stands before the first section.
	Prose string
	// Sections are in the order of the file; their bodies are kept as written.
	Sections []Section
}

// Section is one part of a scenario.
type Section struct {
	// Name is the word after ==, Args the rest of that line.
	Name, Args string
	Body       string
}

// ParseScenario splits a file's text.
func ParseScenario(text string) Scenario {
	var s Scenario
	for line := range strings.Lines(text) {
		if head, ok := strings.CutPrefix(line, "== "); ok {
			name, args, _ := strings.Cut(strings.TrimSpace(head), " ")
			s.Sections = append(s.Sections, Section{Name: name, Args: args})
			continue
		}
		if len(s.Sections) == 0 {
			s.Prose += line
			continue
		}
		s.Sections[len(s.Sections)-1].Body += line
	}
	return s
}

// String returns the file's text.
func (s Scenario) String() string {
	var text strings.Builder
	text.WriteString(s.Prose)
	for _, section := range s.Sections {
		text.WriteString(strings.TrimSpace("== "+section.Name+" "+section.Args) + "\n" + section.Body)
	}
	return text.String()
}

// Lines returns the lines of a section that are not empty or comments.
func (s Section) Lines() []string {
	var lines []string
	for line := range strings.Lines(s.Body) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") {
			lines = append(lines, line)
		}
	}
	return lines
}

// World builds the scenario's schema and tuples.
func (s Scenario) World() (*World, error) {
	var text string
	var tuples []string
	for _, section := range s.Sections {
		switch section.Name {
		case "schema":
			text += section.Body
		case "tuples":
			tuples = append(tuples, section.Lines()...)
		case "questions", "expand", "explain":
		default:
			return nil, fmt.Errorf("unknown section %q", section.Name)
		}
	}
	return Parse(text, tuples...)
}

// Expectation is one line of a section of questions.
type Expectation struct {
	// Answer is the line's first word: yes, no, or conditional with the fields
	// that are missing.
	Answer string
	// Userset and Subject are the question, in their text forms.
	Userset, Subject string
	// NowNanos and Context are the section's now= and context=.
	NowNanos int64
	Context  string
}

// Expectations returns the questions of a scenario with their answers.
func (s Scenario) Expectations() ([]Expectation, error) {
	var all []Expectation
	for _, section := range s.Sections {
		if section.Name != "questions" {
			continue
		}
		for _, line := range section.Lines() {
			answer, question, _ := strings.Cut(line, " ")
			userset, subject, ok := strings.Cut(strings.TrimSpace(question), "@")
			word, _, _ := strings.Cut(answer, ":")
			if !ok || word != "yes" && word != "no" && word != "conditional" {
				return nil, fmt.Errorf("%q is not an answer, yes, no or conditional:fields, and a question, userset@subject", line)
			}
			e := Expectation{Answer: answer, Userset: userset, Subject: subject}
			if err := section.given(&e); err != nil {
				return nil, err
			}
			all = append(all, e)
		}
	}
	return all, nil
}

// given reads the arguments of a section of questions.
func (s Section) given(e *Expectation) (err error) {
	for arg := range strings.FieldsSeq(s.Args) {
		switch name, value, _ := strings.Cut(arg, "="); name {
		case "now":
			if e.NowNanos, err = strconv.ParseInt(value, 10, 64); err != nil {
				return fmt.Errorf("now=%s: %w", value, err)
			}
		case "context":
			e.Context = value
		default:
			return fmt.Errorf("unknown argument %s of questions", arg)
		}
	}
	return nil
}
