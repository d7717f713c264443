package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// noRelation spells "no relation" where leaving it out means any: user:alice#...
const noRelation = "..."

// parseTuple reads type:id#relation@type:id[#relation].
func parseTuple(text string) (*tupelov1.Tuple, error) {
	t, err := tuple.Parse(text)
	if err != nil {
		return nil, err
	}
	if t.Caveat != "" || t.ExpiresNanos != 0 {
		return nil, fmt.Errorf("%q has a caveat or an expiration, which the server does not take yet", text)
	}
	return &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}, nil
}

// parseQuestion reads the words of a question, OBJECT RELATION SUBJECT, or the
// same in one word, OBJECT#RELATION@SUBJECT.
func parseQuestion(words []string) (*tupelov1.BatchCheckItem, error) {
	text := words[0]
	switch len(words) {
	case 1:
	case 3:
		text = words[0] + "#" + words[1] + "@" + words[2]
	default:
		return nil, fmt.Errorf("%q is not a question: write OBJECT RELATION SUBJECT, as in run:42 cancel user:alice",
			strings.Join(words, " "))
	}
	t, err := parseTuple(text)
	if err != nil {
		return nil, err
	}
	return &tupelov1.BatchCheckItem{Object: t.Object, Relation: t.Relation, Subject: t.Subject}, nil
}

// parseUserset reads OBJECT RELATION, or the same in one word, OBJECT#RELATION.
func parseUserset(words []string) (*tupelov1.Object, string, error) {
	typeName, id, relation, err := tuple.ParseSubject(strings.Join(words, "#"))
	if err != nil {
		return nil, "", err
	}
	if relation == "" {
		return nil, "", usagef("%s has no relation", words[0])
	}
	return &tupelov1.Object{Type: typeName, Id: id}, relation, nil
}

// parseFilter reads a pattern: a tuple's text form of which any part may be
// left out, to select every value of it.
//
//	repository:gitclub            every tuple of the repository
//	repository#maintainer         every maintainer of every repository
//	@team:core#member             all that the team's members have
//	@user:alice#...               what alice herself has: subjects without a relation
func parseFilter(pattern string) (*tupelov1.Filter, error) {
	object, subject, hasSubject := strings.Cut(pattern, "@")
	if hasSubject && strings.Contains(subject, "@") {
		return nil, fmt.Errorf("%q has more than one @", pattern)
	}
	f := &tupelov1.Filter{}
	var relation *string
	var err error
	if f.ObjectType, f.ObjectId, relation, err = parsePart(object); err != nil {
		return nil, err
	}
	if relation != nil {
		f.Relation = *relation
	}
	if f.ObjectId == tuple.WildcardID || f.Relation == noRelation {
		return nil, fmt.Errorf("%q: leave out what may have any value; * and ... are for subjects", pattern)
	}
	if f.SubjectType, f.SubjectId, f.SubjectRelation, err = parsePart(subject); err != nil {
		return nil, err
	}
	if f.GetSubjectRelation() == noRelation {
		f.SubjectRelation = proto.String("")
	}
	return f, nil
}

// parsePart splits [type][:[id]][#relation].
func parsePart(text string) (typeName, id string, relation *string, err error) {
	rest, name, hasRelation := strings.Cut(text, "#")
	typeName, id, _ = strings.Cut(rest, ":")
	if hasRelation {
		if name == "" {
			return "", "", nil, fmt.Errorf("%q has no name after #; %q stands for subjects without a relation",
				text, "#"+noRelation)
		}
		relation = &name
	}
	if id != "" && id != tuple.WildcardID {
		if err := tuple.ValidateObjectID(id); err != nil {
			return "", "", nil, err
		}
	}
	return typeName, id, relation, nil
}

func objectText(o *tupelov1.Object) string { return o.GetType() + ":" + o.GetId() }

func subjectText(s *tupelov1.Subject) string {
	text := s.GetType() + ":" + s.GetId()
	if s.GetRelation() != "" {
		text += "#" + s.GetRelation()
	}
	return text
}

func tupleText(t *tupelov1.Tuple) string {
	return objectText(t.GetObject()) + "#" + t.GetRelation() + "@" + subjectText(t.GetSubject())
}
