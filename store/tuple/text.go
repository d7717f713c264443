package tuple

import (
	"fmt"
	"strings"
)

// MaxObjectIDBytes is the longest object id the language and the API take.
const MaxObjectIDBytes = 1024

// Named is a tuple spelled with names. SubjectRelation is empty for subjects
// that are objects; SubjectID is WildcardID for every object of the type.
type Named struct {
	ObjectType, ObjectID, Relation          string
	SubjectType, SubjectID, SubjectRelation string
	// Caveat is the name of the tuple's caveat, Context its context as a JSON
	// object; both may be empty. ExpiresNanos is as in Traits.
	Caveat, Context string
	ExpiresNanos    int64
}

// String returns the text form, type:id#relation@type:id#relation[caveat:{...}][expiration:time],
// of which the subject's relation and what is in brackets may be missing.
func (t Named) String() string {
	s := t.ObjectType + ":" + t.ObjectID + "#" + t.Relation + "@" + t.SubjectType + ":" + t.SubjectID
	if t.SubjectRelation != "" {
		s += "#" + t.SubjectRelation
	}
	return t.appendTraits(s)
}

// Parse reads a tuple's text form. Errors wrap ErrSyntax or ErrObjectID and
// say which part is wrong.
func Parse(text string) (Named, error) {
	object, subject, ok := strings.Cut(text, "@")
	if !ok {
		return Named{}, fmt.Errorf("%w: %q has no @ before its subject; write type:id#relation@type:id", ErrSyntax, text)
	}
	var t Named
	var err error
	if i := strings.IndexByte(subject, '['); i >= 0 {
		if err := t.parseTraits(subject[i:]); err != nil {
			return Named{}, err
		}
		subject = subject[:i]
	}
	if t.ObjectType, t.ObjectID, t.Relation, err = ParseSubject(object); err != nil {
		return Named{}, fmt.Errorf("object: %w", err)
	}
	if t.Relation == "" {
		return Named{}, fmt.Errorf("%w: %q has no #relation after its object", ErrSyntax, text)
	}
	if t.ObjectID == WildcardID {
		return Named{}, fmt.Errorf("%w: an object cannot be the wildcard %q; only a subject can", ErrObjectID, object)
	}
	if t.SubjectType, t.SubjectID, t.SubjectRelation, err = ParseSubject(subject); err != nil {
		return Named{}, fmt.Errorf("subject: %w", err)
	}
	if t.SubjectID == WildcardID && t.SubjectRelation != "" {
		return Named{}, fmt.Errorf("%w: the wildcard subject %q cannot have a relation", ErrSyntax, subject)
	}
	return t, nil
}

// ParseSubject reads type:id or type:id#relation; SpiceDB's "#..." is no relation.
func ParseSubject(text string) (typeName, id, relation string, err error) {
	typeName, rest, ok := strings.Cut(text, ":")
	if !ok || !validName(typeName) {
		return "", "", "", fmt.Errorf("%w: %q does not begin with a type, as in user:alice", ErrSyntax, text)
	}
	id, relation, hasRelation := strings.Cut(rest, "#")
	if id != WildcardID {
		if err := ValidateObjectID(id); err != nil {
			return "", "", "", err
		}
	}
	if relation == "..." {
		relation, hasRelation = "", false
	}
	if hasRelation && !validName(relation) {
		return "", "", "", fmt.Errorf("%w: %q has no relation's name after #", ErrSyntax, text)
	}
	return typeName, id, relation, nil
}

// ValidateObjectID checks an id as the language and the API take it: 1 to 1,024
// of the characters a-z A-Z 0-9 / _ | - = +. The error wraps ErrObjectID.
func ValidateObjectID(id string) error {
	if id == "" {
		return fmt.Errorf("%w: it is empty", ErrObjectID)
	}
	if len(id) > MaxObjectIDBytes {
		return fmt.Errorf("%w: it has %d bytes, %d are allowed", ErrObjectID, len(id), MaxObjectIDBytes)
	}
	for i := range len(id) {
		if !objectIDBytes[id[i]] {
			return fmt.Errorf("%w: %q has %q at byte %d; allowed are a-z A-Z 0-9 / _ | - = +", ErrObjectID, id, id[i], i)
		}
	}
	return nil
}

var objectIDBytes = byteSet("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_|-=+")
var nameBytes = byteSet("abcdefghijklmnopqrstuvwxyz0123456789_/")

func byteSet(chars string) (set [256]bool) {
	for i := range len(chars) {
		set[chars[i]] = true
	}
	return set
}

// validCaveat is validName for the name of a caveat, which may have capitals.
func validCaveat(name string) bool { return validName(strings.ToLower(name)) }

// validName is looser than the language: the schema knows which names exist.
func validName(name string) bool {
	for i := range len(name) {
		if !nameBytes[name[i]] {
			return false
		}
	}
	return name != ""
}
