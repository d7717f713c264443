package authzed

import (
	v1 "github.com/authzed/authzed-go/proto/authzed/api/v1"
	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// maxExcludedBytes bounds the message of a wildcard, which holds all the subjects
// that the wildcard does not stand for: some hundred thousand of them.
const maxExcludedBytes = 64 << 20

// LookupSubjects sends the subjects of a type that have a permission or relation
// on a resource, and the wildcard, if others have it too, after them.
func (p permissions) LookupSubjects(r *v1.LookupSubjectsRequest, stream grpc.ServerStreamingServer[v1.LookupSubjectsResponse]) error {
	found := subjectsFound{send: stream.Send, mostExcluded: maxExcludedBytes}
	switch r.WildcardOption {
	case v1.LookupSubjectsRequest_WILDCARD_OPTION_UNSPECIFIED, v1.LookupSubjectsRequest_WILDCARD_OPTION_INCLUDE_WILDCARDS:
		found.withWildcard = true
	case v1.LookupSubjectsRequest_WILDCARD_OPTION_EXCLUDE_WILDCARDS:
	default:
		return refuse(invalid, nil, "there is no wildcard option %d", r.WildcardOption)
	}
	switch {
	case r.OptionalConcreteLimit != 0:
		return refuse(unsupported, nil, "a limit of subjects is not served")
	case r.OptionalCursor != nil:
		return refuse(badCursor, nil, "no lookup of subjects gives a cursor")
	}
	err := p.native.ListSubjects(&tupelov1.ListSubjectsRequest{
		Consistency: consistency(r.Consistency), Object: object(r.Resource), Relation: r.Permission,
		SubjectType: r.SubjectObjectType, SubjectRelation: r.OptionalSubjectRelation, Context: r.Context,
	}, sink[tupelov1.ListSubjectsResponse]{ctx: stream.Context(), take: found.take})
	if err != nil {
		return err
	}
	return found.end()
}

// subjectsFound turns a native list, in which the wildcard is first and those
// that it does not stand for are among the others, into responses, of which the
// wildcard's has these. Only they are kept, until the list ends.
//
// Whoever is not in the relation for certain is excluded from the wildcard: for
// certain, or on the condition that its own entry does not hold.
type subjectsFound struct {
	send         func(*v1.LookupSubjectsResponse) error
	withWildcard bool // as the request has it
	mostExcluded int

	wildcard      *v1.LookupSubjectsResponse // nil for none
	excludedBytes int                        // of the wildcard's message
}

// take sends the subjects of a part of the list.
func (f *subjectsFound) take(m *tupelov1.ListSubjectsResponse) error {
	at := token(m.Zookie)
	messages := make([]foundSubject, len(m.Subjects))
	for i, s := range m.Subjects {
		if s.Id == wildcardID {
			if f.withWildcard {
				f.wildcard = new(foundSubject).of(s, at) // which outlives the others
			}
			continue
		}
		if s.Result != tupelov1.Result_RESULT_YES && f.wildcard != nil {
			if err := f.exclude(s); err != nil {
				return err
			}
		}
		if s.Result == tupelov1.Result_RESULT_NO {
			continue
		}
		if err := f.send(messages[i].of(s, at)); err != nil {
			return err
		}
	}
	return nil
}

// exclude notes a subject that the wildcard does not stand for.
func (f *subjectsFound) exclude(s *tupelov1.ListedSubject) error {
	const framing = 12 // of an entry in both lists
	f.excludedBytes += framing + 2*len(s.Id)
	for _, name := range s.MissingContext {
		f.excludedBytes += framing + len(name)
	}
	if f.excludedBytes > f.mostExcluded {
		return refuse(tooLarge, nil, "the wildcard stands for all but too many subjects: "+
			"to list them takes more than %d bytes; leave wildcards out, or check single subjects", f.mostExcluded)
	}
	f.wildcard.ExcludedSubjects = append(f.wildcard.ExcludedSubjects, resolve(&v1.ResolvedSubject{}, s))
	//lint:ignore SA1019 older clients read it
	f.wildcard.ExcludedSubjectIds = append(f.wildcard.ExcludedSubjectIds, s.Id)
	return nil
}

// end sends the wildcard.
func (f *subjectsFound) end() error {
	if f.wildcard == nil {
		return nil
	}
	return f.send(f.wildcard)
}

// foundSubject is the response for a subject, with what it points to.
type foundSubject struct {
	response v1.LookupSubjectsResponse
	subject  v1.ResolvedSubject
}

// of fills in a subject.
func (f *foundSubject) of(s *tupelov1.ListedSubject, at *v1.ZedToken) *v1.LookupSubjectsResponse {
	r, subject := &f.response, resolve(&f.subject, s)
	r.LookedUpAt, r.Subject = at, subject
	//lint:ignore SA1019 older clients read these
	r.SubjectObjectId, r.Permissionship, r.PartialCaveatInfo = subject.SubjectObjectId, subject.Permissionship, subject.PartialCaveatInfo
	return r
}

// resolve fills in an entry of a list, or an exclusion: one that is certain is shown
// as a permission too.
func resolve(r *v1.ResolvedSubject, s *tupelov1.ListedSubject) *v1.ResolvedSubject {
	r.SubjectObjectId, r.Permissionship, r.PartialCaveatInfo = s.Id, lookupPermissionship(s.Result), partialCaveatInfo(s.MissingContext)
	return r
}
