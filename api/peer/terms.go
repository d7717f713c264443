package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/tupelodb/tupelo/api/peerv1"
)

// Members are asked for their terms over connections of their own, one to each,
// which stay open, and a leader for read indexes in the same way (indexes.go): every
// fully consistent read waits for such questions, and a gRPC call takes several
// times the processor and the time of one. After the greeting, which says what is
// asked for, numbers being big-endian:
//
//	┌────────────┬───── … ─┐                    ┌────────┐
//	│ length (2) │ node id │  who is meant  ──▶ │ 1 or 0 │ it is, or it is not
//	└────────────┴───── … ─┘                    └────────┘
//	┌────────────┐                              ┌────────────┬──────────┐
//	│ number (8) │  a question            ──▶   │ number (8) │ what (8) │
//	└────────────┘                              └────────────┴──────────┘
//
// Questions need not wait for the answers to earlier ones. Each is answered with
// the term, or the index, that was read after it had come in.
const (
	questionBytes = 8
	answerBytes   = 16
)

const (
	notMeant byte = iota
	meant
)

// maxQuestions bounds those that one member has not answered yet. Each has a
// limit of its own in time, which is reached long before.
const maxQuestions = 1024

// errUnused says that a connection was closed because nobody had a question.
var errUnused = errors.New("no question for a while")

// Term returns the term of a member, read after the call began.
func (p *Port) Term(ctx context.Context, m Member) (uint64, error) {
	term, err := p.askByLine(ctx, lineKey{m, carriesTerms})
	if errors.Is(err, errNotAccepted) {
		return p.termByCall(ctx, m)
	}
	return term, err
}

// askByLine asks by the line that there is, or by a new one. Its error is
// errNotAccepted for a member that does not take such lines.
func (p *Port) askByLine(ctx context.Context, key lineKey) (uint64, error) {
	for {
		l, err := p.lineTo(key)
		if err != nil {
			return 0, err
		}
		answer, err := l.ask(ctx)
		if !errors.Is(err, errUnused) { // which has nothing of this question
			return answer, err
		}
	}
}

// termByCall asks a member that does not take lines: one of an older version, in
// the middle of an upgrade.
func (p *Port) termByCall(ctx context.Context, m Member) (uint64, error) {
	answer, err := p.ask(m.Address).Term(ctx, &peerv1.TermRequest{NodeId: m.ID})
	if err != nil {
		return 0, answerOf(err, "asking node %s for its term", m.ID)
	}
	return answer.GetTerm(), nil
}

// lineKey says who is asked for what by a line.
type lineKey struct {
	member Member
	use    greeting
}

// doing says what an error of the line was in the way of.
func (k lineKey) doing() string {
	if k.use == carriesIndexes {
		return fmt.Sprintf("asking node %s for a read index", k.member.ID)
	}
	return fmt.Sprintf("asking node %s for its term", k.member.ID)
}

// line is the connection by which one member is asked for one thing.
type line struct {
	lineKey

	port   *Port
	conn   net.Conn      // valid once opened is closed
	opened chan struct{} // closed if the member takes questions
	ended  chan struct{} // closed when it does not any more, or never did

	mu      sync.Mutex
	last    uint64                 // the number of the last question
	waiting map[uint64]chan uint64 // questions, each with room for its answer
	err     error                  // why it has ended; guarded by mu until then
}

// lineTo returns the line to a member, which may be about to open.
func (p *Port) lineTo(key lineKey) (*line, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, ErrClosed.because(nil, "%s", key.doing())
	}
	key.member.Voter = false // it makes no difference here
	l := p.lines[key]
	if l == nil {
		l = &line{
			lineKey: key, port: p, opened: make(chan struct{}), ended: make(chan struct{}),
			waiting: make(map[uint64]chan uint64),
		}
		p.lines[key] = l
		p.tasks.Go(l.run)
	}
	return l, nil
}

// run opens the connection and takes answers until it breaks or nobody asks.
func (l *line) run() {
	conn, err := l.open()
	if err != nil {
		l.end(err)
		return
	}
	l.conn = conn
	close(l.opened)
	for err == nil {
		err = l.takeAnswer()
	}
	_ = conn.Close()
	l.end(err)
}

// end lets the next question open another line, and those that wait fail.
func (l *line) end(err error) {
	l.port.mu.Lock()
	delete(l.port.lines, l.lineKey)
	l.port.mu.Unlock()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
	close(l.ended)
}

// open dials the member, and has it say that it is the one that is meant.
func (l *line) open() (net.Conn, error) {
	m := l.member
	if len(m.ID) > maxNodeIDBytes {
		return nil, ErrRefused.because(nil, "a node id of %d bytes, and at most %d are allowed", len(m.ID), maxNodeIDBytes)
	}
	conn, err := l.port.dial(l.port.closing, m.Address, l.use)
	if err != nil {
		return nil, ErrNotSent.because(err, "%s", l.doing())
	}
	err = conn.SetDeadline(time.Now().Add(l.port.options.GreetingLimit))
	if err == nil {
		_, err = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(m.ID))), m.ID...))
	}
	var verdict [1]byte
	if err == nil {
		_, err = io.ReadFull(conn, verdict[:])
	}
	if err == nil {
		err = conn.SetDeadline(time.Time{})
	}
	switch {
	case err != nil:
		err = ErrNotSent.because(err, "%s", l.doing())
	case verdict[0] != meant:
		err = ErrWrongNode.because(nil, "%s, at %s", l.doing(), m.Address)
	default:
		return conn, nil
	}
	_ = conn.Close()
	return nil, err
}

// ask has one question answered.
func (l *line) ask(ctx context.Context) (uint64, error) {
	select {
	case <-l.opened:
	case <-l.ended:
		return 0, l.err
	case <-ctx.Done():
		return 0, ErrNotSent.because(ctx.Err(), "%s", l.doing())
	}
	answer := make(chan uint64, 1)
	number, err := l.send(ctx, answer)
	if err != nil {
		return 0, err
	}
	select {
	case term := <-answer:
		return term, nil
	case <-l.ended:
		return 0, l.err
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.waiting, number)
		l.mu.Unlock()
		return 0, ErrOutcomeUnknown.because(ctx.Err(), "%s", l.doing())
	}
}

// send sends a question, within ctx, and returns its number.
func (l *line) send(ctx context.Context, answer chan uint64) (uint64, error) {
	limit, _ := ctx.Deadline() // none is none for the connection, too
	var question [questionBytes]byte
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err != nil {
		return 0, l.err
	}
	if len(l.waiting) >= maxQuestions {
		return 0, ErrOverloaded.because(nil, "%s, with %d questions unanswered", l.doing(), len(l.waiting))
	}
	l.last++
	binary.BigEndian.PutUint64(question[:], l.last)
	err := l.conn.SetWriteDeadline(limit)
	if err == nil {
		_, err = l.conn.Write(question[:])
	}
	if err != nil {
		// A part of it may be sent: nothing can follow.
		l.err = ErrOutcomeUnknown.because(err, "%s", l.doing())
		_ = l.conn.Close()
		return 0, l.err
	}
	l.waiting[l.last] = answer
	return l.last, nil
}

// takeAnswer hands the next answer to who waits for it, if anybody still does.
func (l *line) takeAnswer() error {
	if err := l.conn.SetReadDeadline(time.Now().Add(l.port.options.unusedLimit)); err != nil {
		return ErrOutcomeUnknown.because(err, "%s", l.doing())
	}
	var frame [answerBytes]byte
	n, err := io.ReadFull(l.conn, frame[:])
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		unused := n == 0 && errors.Is(err, os.ErrDeadlineExceeded) && l.err == nil
		switch {
		case unused && len(l.waiting) > 0:
			return nil // a question has come at the last moment
		case unused:
			l.err = errUnused
		case l.port.closing.Err() != nil:
			l.err = ErrClosed.because(nil, "%s", l.doing())
		}
		return ErrOutcomeUnknown.because(err, "%s", l.doing())
	}
	number := binary.BigEndian.Uint64(frame[:])
	if answer := l.waiting[number]; answer != nil {
		delete(l.waiting, number)
		answer <- binary.BigEndian.Uint64(frame[questionBytes:])
	}
	return nil
}

// answerLines takes connections by which this node is asked for one thing until
// the port closes.
func (p *Port) answerLines(lines *intake, answer func() uint64) {
	for {
		conn, err := lines.Accept()
		if err != nil {
			return
		}
		p.tasks.Go(func() {
			err := p.answerOn(conn, answer)
			_ = conn.Close()
			if p.closing.Err() == nil && !errors.Is(err, io.EOF) {
				p.options.Logger.Debug("questions of another node have ended", "from", conn.RemoteAddr(), "error", err)
			}
		})
	}
}

// answerOn answers the questions of one connection until it ends.
func (p *Port) answerOn(conn net.Conn, answer func() uint64) error {
	if err := conn.SetDeadline(time.Now().Add(p.options.GreetingLimit)); err != nil {
		return err
	}
	questions := bufio.NewReaderSize(conn, 64*questionBytes)
	id, err := readNodeID(questions)
	if err != nil {
		return err
	}
	if id != p.options.NodeID {
		_, err := conn.Write([]byte{notMeant})
		return errors.Join(ErrWrongNode.because(nil, "asking node %q, and this is %q", id, p.options.NodeID), err)
	}
	if _, err := conn.Write([]byte{meant}); err != nil {
		return err
	}
	var frame [answerBytes]byte
	for {
		// Who asks closes it when it is not used; this is for one that never does.
		if err := conn.SetDeadline(time.Now().Add(2 * p.options.unusedLimit)); err != nil {
			return err
		}
		if _, err := io.ReadFull(questions, frame[:questionBytes]); err != nil {
			return err
		}
		binary.BigEndian.PutUint64(frame[questionBytes:], answer())
		if _, err := conn.Write(frame[:]); err != nil {
			return err
		}
	}
}

func readNodeID(r io.Reader) (string, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	n := binary.BigEndian.Uint16(length[:])
	if n > maxNodeIDBytes {
		return "", fmt.Errorf("a node id of %d bytes, and at most %d are allowed", n, maxNodeIDBytes)
	}
	id := make([]byte, n)
	_, err := io.ReadFull(r, id)
	return string(id), err
}
