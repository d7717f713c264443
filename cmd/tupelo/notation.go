package main

import (
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/store/tuple"
)

// noRelation spells "no relation" where leaving it out means any: user:alice#...
const noRelation = "..."

// parseTuple reads type:id#relation@type:id[#relation], with what the tuple
// carries behind it: [caveat:{...}] and [expiration:...].
func parseTuple(text string) (*tupelov1.Tuple, error) {
	t, err := tuple.Parse(text)
	if err != nil {
		return nil, err
	}
	return tupleMessage(t)
}

// tupleMessage returns a tuple as the API has it.
func tupleMessage(t tuple.Named) (*tupelov1.Tuple, error) {
	m := &tupelov1.Tuple{
		Object:   &tupelov1.Object{Type: t.ObjectType, Id: t.ObjectID},
		Relation: t.Relation,
		Subject:  &tupelov1.Subject{Type: t.SubjectType, Id: t.SubjectID, Relation: t.SubjectRelation},
	}
	if t.Caveat != "" {
		m.Caveat = &tupelov1.Caveat{Name: t.Caveat}
	}
	if t.Context != "" {
		var err error
		if m.Caveat.Context, err = parseContext(t.Context); err != nil {
			return nil, fmt.Errorf("caveat %s: %w", t.Caveat, err)
		}
	}
	if t.ExpiresNanos != 0 {
		m.ExpiresAt = timestamppb.New(time.Unix(0, t.ExpiresNanos))
	}
	return m, nil
}

// parseQuestion reads the words of a question, OBJECT RELATION SUBJECT, or the
// same in one word, OBJECT#RELATION@SUBJECT.
func parseQuestion(words []string) (*tupelov1.BatchCheckItem, error) {
	text := strings.Join(words, " ")
	switch len(words) {
	case 1:
	case 3:
		text = words[0] + "#" + words[1] + "@" + words[2]
	default:
		return nil, fmt.Errorf("%q is not a question: write OBJECT RELATION SUBJECT, as in run:42 cancel user:alice", text)
	}
	t, err := parseTuple(text)
	if err != nil {
		return nil, err
	}
	if t.Caveat != nil || t.ExpiresAt != nil {
		return nil, fmt.Errorf("%q is not a question: only tuples carry caveats and expirations; a question has a context", text)
	}
	return &tupelov1.BatchCheckItem{Object: t.Object, Relation: t.Relation, Subject: t.Subject}, nil
}

// parseSubject reads type:id[#relation].
func parseSubject(text string) (*tupelov1.Subject, error) {
	typeName, id, relation, err := tuple.ParseSubject(text)
	if err != nil {
		return nil, err
	}
	return &tupelov1.Subject{Type: typeName, Id: id, Relation: relation}, nil
}

// parseUserset reads OBJECT RELATION, or the same in one word, OBJECT#RELATION.
func parseUserset(words []string) (*tupelov1.Object, string, error) {
	typeName, id, relation, err := tuple.ParseSubject(strings.Join(words, "#"))
	if err != nil {
		return nil, "", err
	}
	if relation == "" {
		return nil, "", usagef("RELATION is missing behind %s: write OBJECT RELATION, as in run:42 cancel", words[0])
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

// tupleText spells a tuple as parseTuple reads it.
func tupleText(t *tupelov1.Tuple) string { return namedTuple(t).String() }

// tupleIdentity spells what makes a tuple the same as another one: all but what
// it carries.
func tupleIdentity(t *tupelov1.Tuple) string {
	return namedTuple(&tupelov1.Tuple{Object: t.GetObject(), Relation: t.GetRelation(), Subject: t.GetSubject()}).String()
}

// namedTuple is the reverse of tupleMessage.
func namedTuple(t *tupelov1.Tuple) tuple.Named {
	named := tuple.Named{
		ObjectType: t.GetObject().GetType(), ObjectID: t.GetObject().GetId(), Relation: t.GetRelation(),
		SubjectType: t.GetSubject().GetType(), SubjectID: t.GetSubject().GetId(), SubjectRelation: t.GetSubject().GetRelation(),
		Caveat: t.GetCaveat().GetName(),
	}
	if len(t.GetCaveat().GetContext().GetFields()) > 0 {
		named.Context = contextText(t.Caveat.Context)
	}
	if t.GetExpiresAt() != nil {
		named.ExpiresNanos = t.ExpiresAt.AsTime().UnixNano()
	}
	return named
}
