package main

import (
	"fmt"

	"github.com/spf13/pflag"
	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// filterHelp explains patterns in the help of the commands that take them.
const filterHelp = `A PATTERN is a tuple of which any part may be left out, to select every value
of it; the flags name the parts one by one. Some patterns:

  repository:gitclub          all tuples of one repository
  repository#maintainer       all maintainers of all repositories
  @team:core#member           all that the members of a team have
  @user:alice#...             all that alice has herself: subjects without a relation
  @user:*                     all that every user has`

// filterFlags are the parts of a filter as flags, beside a pattern.
type filterFlags struct {
	objectType, objectID, relation          string
	objectIDPrefix                          string
	subjectType, subjectID, subjectRelation string
}

func (f *filterFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.objectType, "object-type", "", "select by the object's type")
	flags.StringVar(&f.objectID, "object-id", "", "select by the object's id")
	flags.StringVar(&f.objectIDPrefix, "object-id-prefix", "", "select by how the object's id begins")
	flags.StringVar(&f.relation, "relation", "", "select by the relation")
	flags.StringVar(&f.subjectType, "subject-type", "", "select by the subject's type")
	flags.StringVar(&f.subjectID, "subject-id", "", "select by the subject's id; * for wildcards")
	flags.StringVar(&f.subjectRelation, "subject-relation", "", "select by the subject's relation; ... for none")
}

// filter returns what the pattern, if there is one, and the flags select.
func (f *filterFlags) filter(args []string) (*tupelov1.Filter, error) {
	filter := &tupelov1.Filter{}
	if len(args) > 0 {
		var err error
		if filter, err = parseFilter(args[0]); err != nil {
			return nil, err
		}
	}
	subjectRelation := filter.GetSubjectRelation()
	parts := []struct {
		flag, given string
		part        *string
	}{
		{"object-type", f.objectType, &filter.ObjectType},
		{"object-id", f.objectID, &filter.ObjectId},
		{"object-id-prefix", f.objectIDPrefix, &filter.ObjectIdPrefix},
		{"relation", f.relation, &filter.Relation},
		{"subject-type", f.subjectType, &filter.SubjectType},
		{"subject-id", f.subjectID, &filter.SubjectId},
		{"subject-relation", f.subjectRelation, &subjectRelation},
	}
	for _, p := range parts {
		if p.given == "" {
			continue
		}
		if *p.part != "" {
			return nil, usagef("--%s and the pattern %q both name that part", p.flag, args[0])
		}
		*p.part = p.given
	}
	switch subjectRelation {
	case "":
	case noRelation:
		filter.SubjectRelation = proto.String("")
	default:
		filter.SubjectRelation = &subjectRelation
	}
	return filter, nil
}

// preconditionFlags are patterns that must, or must not, select a tuple.
type preconditionFlags struct {
	must, mustNot []string
}

func (p *preconditionFlags) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&p.must, "must-match", nil, "only if a stored tuple matches this `pattern`; repeatable")
	flags.StringArrayVar(&p.mustNot, "must-not-match", nil, "only if no stored tuple matches this `pattern`; repeatable")
}

func (p *preconditionFlags) preconditions() ([]*tupelov1.Precondition, error) {
	var list []*tupelov1.Precondition
	add := func(patterns []string, flag string, condition tupelov1.Precondition_Condition) error {
		for _, pattern := range patterns {
			filter, err := parseFilter(pattern)
			if err != nil {
				return fmt.Errorf("--%s: %w", flag, err)
			}
			list = append(list, &tupelov1.Precondition{Condition: condition, Filter: filter})
		}
		return nil
	}
	if err := add(p.must, "must-match", tupelov1.Precondition_CONDITION_MUST_MATCH); err != nil {
		return nil, err
	}
	return list, add(p.mustNot, "must-not-match", tupelov1.Precondition_CONDITION_MUST_NOT_MATCH)
}
