// Package rewrite evaluates: given a compiled program and tuples at one
// revision, is this subject in that userset (Check, BatchCheck), what is the
// userset made of (Expand), which objects does a subject have it for, and which
// subjects does an object have in it (ListObjects, ListSubjects); and why, or what
// would have to be true (Explain). What a subject may do with an object is a
// BatchCheck of its type's slots. The package itself keeps nothing of tuples
// between calls and knows neither the store nor the protocol: tuples come in through a
// [Reader].
//
// # The one picture
//
// A goal is a slot (a relation or permission of a type) at an object. A
// question asks whether one goal is true for one subject. What a goal depends
// on follows from its expression and the stored tuples:
//
//	document:plan#view                        a goal
//	 = viewer + parent->view                  its expression
//	   │        │
//	   │        └─ arrow: folder:root#view    a goal one hop away
//	   └─ computed userset: document:plan#viewer
//	      │                                   a goal at the same object, no hop
//	      └─ this: user:alice?                a look-up
//	               team:core#member           a goal one hop away
//
// Goals and their dependencies form a graph, in which data can make circles.
// For one subject each goal has one truth value in it, and the memo of a call
// (goals.go) keeps what is known of them.
//
//	Check ─> search ── decided ─────────────────────────> answer
//	           └───── undecided ─> circuit ─> fixpoint ─> answer, or depth error
//
// The search (search.go, trail.go) goes depth first, stops at the first reason,
// and answers nearly everything. What it cannot decide, the exact path
// (exact.go, circuit.go) lays out in full and solves.
//
// # What an answer means
//
//   - This is yes for a subject that is stored, for an object of a type whose
//     wildcard is stored, and for whoever is in a stored userset.
//   - A userset is a member of itself, whether or not anything is stored, and
//     so also of what is computed from it. Subjects are the same only if type,
//     relation and id are: team:red is not team:red#member, and user:* covers
//     users and no usersets.
//   - An arrow takes the object of each subject of its tupleset, also of one
//     that is a userset, whose relation it ignores. Where that object's type
//     lacks the target it contributes nothing.
//   - An arrow over all takes every object of its tupleset, of which there must be
//     one that has the target; objects whose type lacks it are no. Self is yes for
//     the object itself.
//   - A tuple counts if its caveat holds, with the values that the tuple fixes and,
//     for others, those of the request, and before the instant at which it
//     expires. Where the request leaves a caveat open, the logic is that of
//     Kleene: the answer is conditional if it is neither yes nor no whatever the
//     open caveats are, each taken for itself. It names the fields that these
//     depend on. A caveat that fails is an error of the answers that depend on it,
//     and of no others.
//   - Circles contribute nothing. The truth of goals is the well-founded model
//     of the graph (Van Gelder, Ross, Schlipf 1991). Where no circle goes
//     through the second operand of an exclusion this is the least fixpoint: a
//     goal is true if there is a reason for it that does not need the goal
//     itself. Where one does, a goal can be neither true nor false there:
//     undefined, which as the answer to a question reads as no. A goal that
//     excludes an undefined one is not true either, so nobody gains access by
//     a paradox.
//
// The model is chosen because it is unique: it does not depend on where a
// question starts, in which order operands are tried, or what was asked
// before. That is what lets answers be kept and shared.
//
// # Invariants
//
//	R1  An answer depends on the program, the tuples the Reader shows, the
//	    question and the limits; on nothing else. An error of limits may be
//	    spared by what other questions of a batch found out, and by what is
//	    kept of groups.
//	R2  A yes or no in the memo is a fact of the well-founded model: true
//	    whatever is asked, from wherever, at whatever distance.
//	R3  A no that was concluded from a goal in progress is provisional: it is
//	    used only while that goal is in progress, never decides an exclusion,
//	    and becomes a fact only together with all it was concluded from.
//	R4  Undecided is never an answer and never turned into yes or no but by the
//	    exact path.
//	R5  What lies beyond Limits.Depth is unknown: it makes nothing true and
//	    nothing false. Distance is the number of hops on the shortest way, over
//	    all that the question may depend on. If the answer is the same whatever
//	    the unknown is, it is given; else the question fails with
//	    ErrDepthExceeded.
//	R6  Time, memory and stack are bounded by Limits, whatever the data: a
//	    question that would take more fails with ErrTooManySubProblems. Steps
//	    grow with the tuples in reach and not with the ways through them; only
//	    exclusions over circles may multiply them, once for each.
//	R7  An operand is skipped only if it is known to be no for every subject of
//	    the kind in question.
//
//	R8  Nothing of an answer is kept for a request with another context or
//	    instant. What a caveat makes of a context's text is kept: that follows
//	    from the program alone.
//	R9  A list has exactly the entries for which Check is not no, each once,
//	    ascending by id; a part of it begins above any id and depends on nothing
//	    but that. Where an entry cannot be decided the list fails and is not
//	    short. Its memory grows with its sources, not with its entries.
//
//	R10 An explanation has Check's verdict. A yes stands on stored tuples and
//	    leans on no userset further up; each remedy of a no was tried. The reads
//	    of a step are its own and those of its children, and what is said to be
//	    shown above is shown above.
//
// A list first finds its sources: that of objects reads the rewrite backwards
// (routes.go), that of subjects forwards. Then it merges the runs of ids that
// follow from them (merge.go). What the way of an entry does not prove is asked of
// Check. Where that becomes much, the operands of the intersections and exclusions
// at the object (sieve.go) become lists of their own, which together prove most
// entries or refute them (sifting.go).
//
// # Groups
//
// The usersets that relations store and that consist of nothing but stored members
// and one another are groups (groups.go): teams in teams. Of a subject that was
// asked about it can be kept behind the Reader which groups it is in, however deep
// (package tupleset has why that is exact). Then a relation has the subject if it
// stores one of these groups, and nothing has to be walked: neither ten thousand
// teams that a document stores, nor those within them (belonging.go). What is not
// kept yet is found out once a search has gone through many groups, by going up from
// the subject, at about the price of what was spent (group_load.go); past its bounds,
// and where conditions are met on the way, the search goes on as without.
//
// What is known of groups are facts (R2), whatever their distance (R5).
//
// Why the search may stop at a provisional no, and what becomes of it, is
// argued in trail.go; why distance is the shortest way in exact.go. Package
// oracle says the same semantics in the plainest way, and the property tests
// compare the two.
//
// Read next: question.go, then search.go.
package rewrite
