package rewrite

// landInGroups lands in all groups that the subject is known to be in, so that the
// walk need not go up through them. A list finds out what is not known: that reads
// what the walk would.
func (l *objectList) landInGroups() error {
	r := l.run
	for k, slot := range r.engine.groups.kinds {
		if len(l.routes.bySource[slot]) == 0 || !r.reaches(slot) {
			continue
		}
		b := r.belonging(int32(k))
		if !b.whole && !b.refused {
			if _, err := r.findGroups(int32(k), listGroupReads); err != nil {
				return err
			}
		}
		if !b.whole {
			continue
		}
		for s := range b.sections {
			for i := range b.sections[s].Len() {
				if err := l.landAround(slot, b.sections[s].ID(i)); err != nil {
					return err
				}
			}
		}
		if l.landed == nil {
			l.landed = make(map[int32]bool)
		}
		l.landed[slot] = true
	}
	return nil
}

// listGroupReads is what finding out the groups of a subject may read at first for a
// list, which would go up through them in any case.
const listGroupReads = 64

// landAround lands in a group and in what follows from it at the same object.
func (l *objectList) landAround(slot int32, id []byte) error {
	for _, at := range l.routes.same[slot] {
		if len(l.routes.bySource[at.slot]) == 0 {
			continue
		}
		if err := l.land(at, id, certain, 1); err != nil {
			return err
		}
	}
	return nil
}

// hasLanded reports whether a link leads to no sources but those in which the list
// has landed.
func (l *objectList) hasLanded(k *link) bool {
	for _, at := range k.lands {
		if !l.landed[at.slot] {
			return false
		}
	}
	return true
}
