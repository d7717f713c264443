package rewrite

// SiftAfter has lists make siftings once they asked for so many entries, so that
// the lists of small worlds make them too.
func (e *Engine) SiftAfter(asked int) { e.siftAfter = asked }
