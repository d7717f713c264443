package validate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tupelodb/tupelo/rewrite"
	"github.com/tupelodb/tupelo/store/tuple"
)

// agree asks both lists for the one entry that an answer speaks of, and says how
// they differ from it. A list that comes to no answer, for an entry behind the one
// that it is asked for, says nothing.
func (r *runner) agree(ctx context.Context, q rewrite.Question, answer rewrite.Verdict) (disagreement string, err error) {
	var differing []string
	for _, list := range []struct {
		of  string
		ask func(context.Context, rewrite.Question) (rewrite.Verdict, error)
	}{{"objects", r.listedObject}, {"subjects", r.listedSubject}} {
		verdict, err := list.ask(ctx, q)
		switch {
		case err != nil && !undecided(err):
			return "", err
		case err == nil && verdict != answer:
			differing = append(differing, fmt.Sprintf("the list of %s says %v", list.of, verdict))
		}
	}
	return strings.Join(differing, "; "), nil
}

// undecided reports whether an error says of one question that it has no answer.
func undecided(err error) bool {
	return errors.Is(err, rewrite.ErrCondition) || errors.Is(err, rewrite.ErrDepthExceeded) || errors.Is(err, rewrite.ErrTooManySubProblems)
}

// listedObject is the verdict that ListObjects has for a question.
func (r *runner) listedObject(ctx context.Context, q rewrite.Question) (verdict rewrite.Verdict, err error) {
	_, err = r.engine.ListObjects(ctx, r.snapshot, rewrite.ObjectsQuestion{
		Slot: q.Slot, Subject: q.Subject, Given: q.Given, Window: at(q.ObjectID),
	}, func(found rewrite.FoundObject) bool {
		if bytes.Equal(found.ID, q.ObjectID) {
			verdict = found.Verdict
		}
		return false
	})
	return verdict, err
}

// listedSubject is the verdict that ListSubjects has for a question: that of the
// subject, or of the wildcard if no tuple speaks of the subject.
func (r *runner) listedSubject(ctx context.Context, q rewrite.Question) (verdict rewrite.Verdict, err error) {
	list := rewrite.SubjectsQuestion{
		Slot: q.Slot, ObjectID: q.ObjectID, Kind: q.Subject.Kind(), Given: q.Given, Window: at(q.Subject.ID),
	}
	listed := false
	_, err = r.engine.ListSubjects(ctx, r.snapshot, list, func(found rewrite.FoundSubject) bool {
		if listed = bytes.Equal(found.ID, q.Subject.ID); listed {
			verdict = found.Verdict
		}
		return false
	})
	if err != nil || listed {
		return verdict, err
	}
	list.Window = rewrite.Window{Limit: 1}
	_, err = r.engine.ListSubjects(ctx, r.snapshot, list, func(found rewrite.FoundSubject) bool {
		if string(found.ID) == tuple.WildcardID {
			verdict = found.Verdict
		}
		return false
	})
	return verdict, err
}

// at is the part of a list that begins with an id, and ends with it if it is there.
// What it goes on from is greater than every valid id that is less.
func at(id []byte) rewrite.Window {
	above := bytes.Clone(id)
	above[len(above)-1]--
	return rewrite.Window{Above: append(above, 0xff), Limit: 1}
}
