package tuple

// Filter selects tuples by any combination of their parts, spelled with names.
// An empty string selects every value of its part.
//
// Names are used rather than ids because relation ids are scoped to their type:
// a filter on a relation alone may select tuples of several types.
type Filter struct {
	ObjectType string
	ObjectID   string
	// ObjectIDPrefix is how the object's id begins.
	ObjectIDPrefix string
	Relation       string

	SubjectType string
	SubjectID   string // WildcardID selects wildcard subjects only
	// SubjectRelation selects by the subject's relation if MatchSubjectRelation
	// is set; empty then means subjects without a relation (wildcards among them).
	SubjectRelation      string
	MatchSubjectRelation bool
}

// Empty reports whether the filter selects every tuple.
func (f Filter) Empty() bool { return f == Filter{} }

// MatchesIDs reports whether the object and subject ids of t are selected.
func (f Filter) MatchesIDs(t Tuple) bool {
	n := len(f.ObjectIDPrefix)
	return (f.ObjectID == "" || f.ObjectID == string(t.Object.ID)) &&
		len(t.Object.ID) >= n && f.ObjectIDPrefix == string(t.Object.ID[:n]) &&
		(f.SubjectID == "" || f.SubjectID == string(t.Subject.ID))
}

// MatchesShape reports whether tuples of shape s can be selected, by the names in n.
func (f Filter) MatchesShape(n *Names, s Shape) bool {
	if f.ObjectType != "" && f.ObjectType != n.TypeName(s.Type) {
		return false
	}
	if f.Relation != "" && f.Relation != n.RelationName(s.Type, s.Relation) {
		return false
	}
	if f.SubjectType != "" && f.SubjectType != n.TypeName(s.Subject.Type) {
		return false
	}
	if f.SubjectID != "" && (f.SubjectID == WildcardID) != (s.Subject.Relation == Wildcard) {
		return false
	}
	if !f.MatchSubjectRelation {
		return true
	}
	return f.SubjectRelation == n.RelationName(s.Subject.Type, s.Subject.Relation)
}

// Matches reports whether t is selected.
func (f Filter) Matches(n *Names, t Tuple) bool {
	return f.MatchesIDs(t) && f.MatchesShape(n, t.Shape())
}
