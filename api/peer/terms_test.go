package peer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func memberAt(p *Port) Member { return Member{ID: p.options.NodeID, Address: p.Address()} }

// The node's term grows all the time: who asks after it was n is told no less.
func TestATermIsReadAfterItsQuestionWasSent(t *testing.T) {
	var now atomic.Uint64
	server := answering(t, "a", func(n *Node) { n.Term = now.Load })
	client := listen(t, Options{})
	ctx := patient(t)
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 500 {
				before := now.Add(1)
				term, err := client.Term(ctx, memberAt(server))
				if err != nil || term < before {
					t.Errorf("asked in term %d: %d %v", before, term, err)
					return
				}
			}
		})
	}
	asking.Wait()
	if n := server.connections(); n != 1 {
		t.Errorf("it took %d connections", n)
	}
}

// connections returns how many others have open to this port.
func (p *Port) connections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbound
}

// breakAll ends all connections to a port, as a network does.
func breakAll(p *Port) { p.closeConnections() }

// An upgrade node by node has nodes of both versions, and either may lead.
func TestANodeThatKnowsNoLinesIsAskedByACallAndAsksByOne(t *testing.T) {
	older := listen(t, Options{NodeID: "a", withoutLines: true})
	node := quiet()
	node.Term = func() uint64 { return 7 }
	node.ReadIndex = func(context.Context) (uint64, error) { return 70, nil }
	serve(t, older, Services{Node: node})
	newer := answering(t, "b", func(n *Node) {
		n.Term = func() uint64 { return 8 }
		n.ReadIndex = func(context.Context) (uint64, error) { return 80, nil }
	})
	for range 3 {
		if term, err := newer.Term(patient(t), memberAt(older)); term != 7 || err != nil {
			t.Errorf("the older node's term: %d %v", term, err)
		}
		if index, err := newer.ReadIndex(patient(t), memberAt(older)); index != 70 || err != nil {
			t.Errorf("the older node's read index: %d %v", index, err)
		}
	}
	if term, err := older.termByCall(patient(t), memberAt(newer)); term != 8 || err != nil {
		t.Errorf("the newer node's term: %d %v", term, err)
	}
	if index, err := older.readIndexByCall(patient(t), memberAt(newer)); index != 80 || err != nil {
		t.Errorf("the newer node's read index: %d %v", index, err)
	}
	if _, err := newer.Term(patient(t), Member{ID: "c", Address: older.Address()}); !errors.Is(err, ErrWrongNode) {
		t.Errorf("the term of another node: %v", err)
	}
}

// slowTerms is a node whose terms are told when the test says so.
func slowTerms(t *testing.T) (_ *Port, asked chan struct{}, answers chan uint64) {
	asked, answers = make(chan struct{}, 10), make(chan uint64, 10)
	p := answering(t, "a", func(n *Node) {
		n.Term = func() uint64 { asked <- struct{}{}; return <-answers }
	})
	t.Cleanup(func() { close(answers) })
	return p, asked, answers
}

func TestALateAnswerIsNobodys(t *testing.T) {
	server, asked, answers := slowTerms(t)
	client := listen(t, Options{})
	ctx, cancel := context.WithCancel(patient(t))
	result := make(chan error, 1)
	go func() { _, err := client.Term(ctx, memberAt(server)); result <- err }()
	<-asked
	cancel()
	if err := <-result; !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up: %v", err)
	}
	answers <- 5
	answers <- 6
	if term, err := client.Term(patient(t), memberAt(server)); term != 6 || err != nil {
		t.Errorf("the next question was answered with %d %v", term, err)
	}
}

func TestABrokenLineFailsItsQuestionsAndTheNextOpensAnother(t *testing.T) {
	server, asked, answers := slowTerms(t)
	client := listen(t, Options{})
	result := make(chan error, 2)
	for range 2 {
		go func() { _, err := client.Term(patient(t), memberAt(server)); result <- err }()
	}
	<-asked
	breakAll(server)
	for range 2 {
		// The second may have been sent over the next connection already.
		answers <- 1
		if err := <-result; err != nil && !errors.Is(err, ErrOutcomeUnknown) {
			t.Error(err)
		}
	}
	answers <- 7
	answers <- 7
	for {
		term, err := client.Term(patient(t), memberAt(server))
		if term == 7 && err == nil {
			break
		}
		if err != nil && !errors.Is(err, ErrOutcomeUnknown) && !errors.Is(err, ErrNotSent) {
			t.Fatal(err)
		}
	}
}

func TestALineThatIsNotUsedIsClosedAndOpenedAgain(t *testing.T) {
	server := answering(t, "a", func(*Node) {})
	client := listen(t, Options{unusedLimit: 20 * time.Millisecond})
	for range 3 {
		if _, err := client.Term(patient(t), memberAt(server)); err != nil {
			t.Fatal(err)
		}
		for server.connections() > 0 {
			time.Sleep(time.Millisecond)
		}
	}
	// Whenever a question comes, the end of its line is not its end.
	for range 100 {
		if _, err := client.Term(patient(t), memberAt(server)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20*time.Millisecond - 50*time.Microsecond)
	}
	client.mu.Lock()
	defer client.mu.Unlock()
	if n := len(client.lines); n > 1 {
		t.Errorf("%d lines are left", n)
	}
}

// P7
func TestANodeThatTookOverAnAddressIsNotAskedForTheOther(t *testing.T) {
	first := answering(t, "a", func(*Node) {})
	client := listen(t, Options{})
	was := memberAt(first)
	if _, err := client.Term(patient(t), was); err != nil {
		t.Fatal(err)
	}
	closeNow(t, first)
	second := listen(t, Options{NodeID: "b", Address: was.Address})
	serve(t, second, Services{Node: quiet()})
	for {
		_, err := client.Term(patient(t), was)
		if errors.Is(err, ErrWrongNode) {
			break
		}
		if err == nil {
			t.Fatal("it vouched for another")
		}
	}
	if _, err := client.Term(patient(t), memberAt(second)); err != nil {
		t.Error(err)
	}
}

func TestAMemberThatAnswersNothingHasABoundedNumberOfQuestions(t *testing.T) {
	server, asked, _ := slowTerms(t)
	client := listen(t, Options{})
	ctx, cancel := context.WithCancel(patient(t))
	defer cancel()
	var asking sync.WaitGroup
	var refused atomic.Int64
	for range maxQuestions + 10 {
		asking.Go(func() {
			if _, err := client.Term(ctx, memberAt(server)); errors.Is(err, ErrOverloaded) {
				if refused.Add(1) == 10 {
					cancel()
				}
			}
		})
	}
	<-asked
	asking.Wait()
	if n := refused.Load(); n != 10 {
		t.Errorf("%d were refused", n)
	}
}

// P8
func TestClosingEndsLinesOnBothSides(t *testing.T) {
	for _, closes := range []string{"who asks", "who is asked"} {
		server := answering(t, "a", func(*Node) {})
		client := listen(t, Options{NodeID: "c"})
		if _, err := client.Term(patient(t), memberAt(server)); err != nil {
			t.Fatal(err)
		}
		closing, other := client, server
		if closes == "who is asked" {
			closing, other = server, client
		}
		closeNow(t, closing)
		for end := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
			other.mu.Lock()
			open := len(other.open) + len(other.lines)
			other.mu.Unlock()
			if open == 0 {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s has closed, and the other side has not", closes)
			}
		}
	}
}

// FuzzALineAnswersTheOneWhoMeansThisNode sends anything to a node: what it
// answers must be what the description in terms.go says.
func FuzzALineAnswersTheOneWhoMeansThisNode(f *testing.F) {
	f.Add([]byte("\x00\x01a\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x02"))
	f.Add([]byte("\x00\x01b\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("\xff\xff"))
	f.Add([]byte("\x00\x00"))
	p := &Port{options: Options{NodeID: "a"}}
	f.Fuzz(func(t *testing.T, said []byte) {
		conn := &script{said: bytes.NewReader(said)}
		_ = p.answerOn(conn, func() uint64 { return 7 })
		if want := wantAnswers(said); !bytes.Equal(conn.heard.Bytes(), want) {
			t.Errorf("%q was answered with %q, want %q", said, conn.heard.Bytes(), want)
		}
	})
}

// script is a connection of which everything is said in advance.
type script struct {
	net.Conn
	said  *bytes.Reader
	heard bytes.Buffer
}

func (s *script) Read(b []byte) (int, error)  { return s.said.Read(b) }
func (s *script) Write(b []byte) (int, error) { return s.heard.Write(b) }
func (s *script) SetDeadline(time.Time) error { return nil }

// wantAnswers is what node a in term 7 says to what it was told.
func wantAnswers(said []byte) []byte {
	if len(said) < 2 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(said))
	said = said[2:]
	switch {
	case n > maxNodeIDBytes || len(said) < n:
		return nil
	case string(said[:n]) != "a":
		return []byte{notMeant}
	}
	answers := []byte{meant}
	for said = said[n:]; len(said) >= questionBytes; said = said[questionBytes:] {
		answers = append(answers, said[:questionBytes]...)
		answers = binary.BigEndian.AppendUint64(answers, 7)
	}
	return answers
}

func BenchmarkAskingByALine(b *testing.B) {
	server, err := Listen(Options{NodeID: "a", Address: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = server.Close(context.Background()) }()
	if err := server.Serve(Services{Node: quiet()}); err != nil {
		b.Fatal(err)
	}
	client, err := Listen(Options{NodeID: "c", Address: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = client.Close(context.Background()) }()
	for name, ask := range map[string]func(context.Context, Member) (uint64, error){
		"term": client.Term, "read index": client.ReadIndex, "read index by a call": client.readIndexByCall,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ask(context.Background(), memberAt(server)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
