package rewrite

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"
)

// A batch by many askers goes over the processors. Questions of different askers
// share nothing but the order that they are answered in, since the memo is begun anew
// for each asker; so a batch is cut into pieces between askers, and each piece is
// answered as it would be by one.
//
// Helpers are few, whatever the number of batches: one fewer than the processors of
// the whole engine. So a batch that comes alone has them all, and among many each is
// answered by its own goroutine, without the cost of a switch; and single checks,
// whose goroutines stand beside those, wait behind no more than a processor's share.

// pieceQuestions is the least number of questions in a piece but the last: enough that
// a goroutine and a reader cost little beside them.
const pieceQuestions = 64

// BatchCheckWide is BatchCheck with the help of other processors where there are
// enough questions by different askers. Another returns a further reader of the same
// revision and what closes it, or nil if there is none; it is called by any goroutine,
// and reader is not in use by it meanwhile.
func (e *Engine) BatchCheckWide(ctx context.Context, reader Reader, another func() (Reader, func()), questions []Question, answers []Answer) error {
	if len(questions) < 2*pieceQuestions || len(questions) != len(answers) || runtime.GOMAXPROCS(0) == 1 {
		return e.BatchCheck(ctx, reader, questions, answers)
	}
	r := e.acquire(ctx, reader)
	defer e.release(r)
	r.sort(questions)
	w := wideBatch{order: r.order, questions: questions, answers: answers, starts: pieces(r.order, questions)}
	var helpers sync.WaitGroup
	defer w.join(&helpers)
	for range len(w.starts) - 2 {
		if !e.takeHelper() {
			break
		}
		helpers.Go(func() {
			defer e.helpers.Add(-1)
			defer func() {
				if fault := recover(); fault != nil {
					w.fault.Store(&fault)
				}
			}()
			if w.isDone() {
				return
			}
			if reader, end := another(); reader != nil {
				defer end()
				r := e.acquire(ctx, reader)
				defer e.release(r)
				w.work(r)
			}
		})
	}
	w.work(r)
	helpers.Wait()
	return w.err
}

// join waits for the helpers, and panics if one did: whoever stands around the call
// is to see it, as if its own goroutine had.
func (w *wideBatch) join(helpers *sync.WaitGroup) {
	helpers.Wait()
	if fault := w.fault.Load(); fault != nil {
		panic(*fault)
	}
}

// takeHelper takes one of the goroutines that may help, if one is left.
func (e *Engine) takeHelper() bool {
	if int(e.helpers.Add(1)) < runtime.GOMAXPROCS(0) {
		return true
	}
	e.helpers.Add(-1)
	return false
}

// pieces returns where the pieces of an order begin, and its end.
func pieces(order []int32, questions []Question) (starts []int) {
	starts = append(starts, 0)
	for i := pieceQuestions; i < len(order); i++ {
		if i-starts[len(starts)-1] >= pieceQuestions && questions[order[i]].compareAskers(&questions[order[i-1]]) != 0 {
			starts = append(starts, i)
		}
	}
	return append(starts, len(order))
}

// wideBatch is a batch that several goroutines answer, piece by piece.
type wideBatch struct {
	order     []int32
	questions []Question
	answers   []Answer
	starts    []int        // of pieces in order, and its end
	next      atomic.Int32 // piece
	fault     atomic.Pointer[any]

	mu       sync.Mutex
	failedAt int // in order
	err      error
}

func (w *wideBatch) isDone() bool { return int(w.next.Load()) >= len(w.starts)-1 }

// work answers pieces until none is left, or one has failed.
func (w *wideBatch) work(r *run) {
	for {
		i := int(w.next.Add(1)) - 1
		if i >= len(w.starts)-1 {
			return
		}
		from := w.starts[i]
		if at, err := r.answerAll(w.order[from:w.starts[i+1]], w.questions, w.answers); err != nil {
			w.fail(from+at, err)
			return
		}
	}
}

// fail keeps the error that one goroutine alone would have come to first. The pieces
// that are left are not begun; those before are under way or done.
func (w *wideBatch) fail(at int, err error) {
	w.next.Store(int32(len(w.starts)))
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil || at < w.failedAt {
		w.failedAt, w.err = at, err
	}
}
