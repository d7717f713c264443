package rewrite

// The trail makes the search linear on data that runs in circles.
//
// A goal that is asked for while it is active is told to be no: a derivation
// that needs its own conclusion proves nothing. That no is provisional, since
// the active goal may still find a yes by another way, and so is each no that
// was concluded from it. Throwing these away would make dense cycles take
// exponential time; keeping them for good would make answers depend on where
// the search began. So a provisional no is kept on the trail, with the lowest
// level of an active goal it depends on, and reused for as long as those goals
// are active. What happens to it then:
//
//   - A goal completes with yes, or unclear, and its provisional no was used:
//     what was concluded since it was entered may be too low, and is forgotten.
//     Entries from before it was entered cannot depend on it.
//   - A goal completes with a no that depends on no goal below its level: it
//     heads a set of goals in which each is no if the others are, and nothing
//     outside supports them. In the well-founded model such an unfounded set
//     is false, so the entries that depend on no lower level become facts.
//   - A goal completes with a no that depends on lower levels: it joins the
//     trail, and what depended on it now depends on those levels.
//
// This keeps three things true. Every level on the trail is that of a goal
// which is still active, was entered before the entry was made, and is marked
// as used. An entry's level is not above the level of any entry it was
// concluded from. And an entry is never dropped before another that was
// concluded from it, because the trail is cut only at its end.
//
// Forgetting costs: data can be made so that each of many goals in turn makes
// the search forget all the others. Once more was forgotten than maxForgotten
// times the goals there are, the search therefore takes up no goal any more
// and leaves the question to the exact path. So it walks each edge a bounded
// number of times (R6).

const maxForgotten = 4

// enter marks a goal as active. It returns its level and where its part of the
// trail starts.
func (r *run) enter(g int32) (level int32, start int) {
	level = r.depth
	r.depth++
	goal := &r.goals.list[g]
	goal.state, goal.level, goal.used = active, level, false
	return level, len(r.trail)
}

// leave completes an active goal with what was found, and returns what others
// may take it for.
func (r *run) leave(g, level int32, start int, found outcome) outcome {
	r.depth = level
	goal := &r.goals.list[g]
	switch {
	case found.value != no:
		goal.state = settledYes
		if found.value == undecided {
			goal.state = unclear
		}
		if goal.used {
			r.forget(start)
		}
		return found
	case found.low >= level:
		goal.state = settledNo
		if goal.used {
			r.settle(start, level)
		}
		return isNo
	default:
		goal.state, goal.level = provisional, found.low
		if goal.used {
			r.lower(start, found.low)
		}
		r.trail = append(r.trail, g)
		return found
	}
}

// forget drops the trail from start; the goals are to be solved again.
func (r *run) forget(start int) {
	for _, g := range r.trail[start:] {
		r.goals.list[g].state = fresh
	}
	r.forgotten += len(r.trail) - start
	r.trail = r.trail[:start]
}

// settle makes facts of the goals from start that depend on no goal below
// level. The others stay: they belong to goals further down the stack.
func (r *run) settle(start int, level int32) {
	kept := r.trail[:start]
	for _, g := range r.trail[start:] {
		if r.goals.list[g].level >= level {
			r.goals.list[g].state = settledNo
		} else {
			kept = append(kept, g)
		}
	}
	r.trail = kept
}

// lower makes the goals from start depend on level as well. Not all of them
// need to, but which ones is not recorded, and lower is safe.
func (r *run) lower(start int, level int32) {
	for _, g := range r.trail[start:] {
		r.goals.list[g].level = min(r.goals.list[g].level, level)
	}
}
