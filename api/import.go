package api

import (
	"context"
	"errors"
	"io"
	"maps"
	"strconv"
	"strings"

	"google.golang.org/grpc"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// importsUnderWay is how many messages of an Import are written at a time: while
// some wait for the disk the next are made ready, and the log takes several with
// one sync.
const importsUnderWay = 8

// Import writes the tuples of a stream of messages, those of each as one Write.
func (s *Server) Import(stream grpc.ClientStreamingServer[tupelov1.ImportRequest, tupelov1.ImportResponse]) error {
	ctx := stream.Context()
	f, err := s.identify(ctx)
	if err != nil {
		return err
	}
	i := &importing{server: s, fingerprint: f, newest: s.store.Applied()}
	defer i.wait()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = i.add(ctx, m)
		}
		if err != nil {
			return err
		}
	}
	if err := i.settle(0); err != nil {
		return err
	}
	return stream.SendAndClose(&tupelov1.ImportResponse{Written: i.written, Zookie: s.zookie(f, i.newest)})
}

// importing is an Import under way.
type importing struct {
	server      *Server
	fingerprint fingerprint
	operation   tupelov1.Update_Operation
	messages    int              // received
	underWay    []*importMessage // in the order of the stream
	// written counts the tuples of the messages that are settled, and newest is
	// the newest of their revisions.
	written uint64
	newest  uint64
}

// importMessage is one message of an Import.
type importMessage struct {
	index, tuples int
	done          chan struct{} // closed once the answer is there
	answer        *tupelov1.WriteResponse
	err           error
}

// add has the tuples of a message written, as soon as few enough are under way.
func (i *importing) add(ctx context.Context, m *tupelov1.ImportRequest) error {
	index := i.messages
	i.messages++
	if err := i.validate(m); err != nil {
		if before := i.settle(0); before != nil {
			return before
		}
		return i.fault(index, err)
	}
	if err := i.settle(importsUnderWay - 1); err != nil || len(m.Tuples) == 0 {
		return err
	}
	next := &importMessage{index: index, tuples: len(m.Tuples), done: make(chan struct{})}
	i.underWay = append(i.underWay, next)
	request := &tupelov1.WriteRequest{Updates: updatesOf(m.Tuples, i.operation)}
	go func() {
		defer close(next.done)
		next.answer, next.err = i.server.writePatiently(ctx, request)
	}()
	return nil
}

// validate holds the mode of a message; its tuples are held to as those of a Write.
func (i *importing) validate(m *tupelov1.ImportRequest) error {
	if err := knownFieldsOnly(m); err != nil {
		return err
	}
	operation, known := importOperations[m.Mode]
	switch {
	case !known:
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "mode", "%d is no mode that this server knows", m.Mode)
	case operation == 0 && i.operation == 0:
		return fault(tupelov1.ErrorReason_ERROR_REASON_MISSING_FIELD, "mode", "say CREATE or TOUCH in the first message")
	case operation != 0 && i.operation != 0 && operation != i.operation:
		return fault(tupelov1.ErrorReason_ERROR_REASON_OUT_OF_BOUNDS, "mode", "it is another than in the first message")
	case operation != 0:
		i.operation = operation
	}
	return validateCount("tuples", len(m.Tuples), 0, maxUpdates)
}

var importOperations = map[tupelov1.ImportRequest_Mode]tupelov1.Update_Operation{
	tupelov1.ImportRequest_MODE_UNSPECIFIED: tupelov1.Update_OPERATION_UNSPECIFIED,
	tupelov1.ImportRequest_MODE_CREATE:      tupelov1.Update_OPERATION_CREATE,
	tupelov1.ImportRequest_MODE_TOUCH:       tupelov1.Update_OPERATION_TOUCH,
}

// updatesOf makes updates of tuples; they share their allocation.
func updatesOf(tuples []*tupelov1.Tuple, operation tupelov1.Update_Operation) []*tupelov1.Update {
	all := make([]tupelov1.Update, len(tuples))
	list := make([]*tupelov1.Update, len(tuples))
	for i, t := range tuples {
		all[i].Operation, all[i].Tuple = operation, t
		list[i] = &all[i]
	}
	return list
}

// writePatiently writes, and waits where too much is under way already.
func (s *Server) writePatiently(ctx context.Context, r *tupelov1.WriteRequest) (*tupelov1.WriteResponse, error) {
	limited, cancel := context.WithTimeout(ctx, s.waitLimit)
	defer cancel()
	for {
		answer, err := s.Write(ctx, r)
		if err == nil || reasonOf(err) != tupelov1.ErrorReason_ERROR_REASON_OVERLOADED || !pause(limited) {
			return answer, err
		}
	}
}

// settle waits for the first messages that are under way, until no more than most
// are left. It fails with the error of the first that failed.
func (i *importing) settle(most int) error {
	for len(i.underWay) > most {
		first := i.underWay[0]
		i.underWay = i.underWay[1:]
		<-first.done
		if first.err != nil {
			return i.fault(first.index, first.err)
		}
		revision, err := i.fingerprint.parseZookie(first.answer.Zookie)
		if err != nil {
			return err
		}
		i.written += uint64(first.tuples)
		i.newest = max(i.newest, revision)
	}
	return nil
}

// wait waits for what is under way, whatever comes of it.
func (i *importing) wait() {
	for _, m := range i.underWay {
		<-m.done
	}
}

// fault names the message of the stream that an error is about, and how much of
// what came before it is written.
func (i *importing) fault(message int, err error) error {
	e := Described(err)
	if e.Reason == tupelov1.ErrorReason_ERROR_REASON_UNSPECIFIED {
		return err
	}
	named := *e
	named.Message = strings.ReplaceAll(e.Message, "updates[", "tuples[")
	named.Fields = make([]FieldFault, len(e.Fields))
	for j, f := range e.Fields {
		path := strings.Replace(strings.Replace(f.Path, "updates", "tuples", 1), "].tuple", "]", 1)
		named.Fields[j] = FieldFault{path, strings.ReplaceAll(f.Message, "updates[", "tuples[")}
	}
	named.Metadata = map[string]string{
		"message": strconv.Itoa(message), "imported": strconv.FormatUint(i.written, 10),
	}
	maps.Copy(named.Metadata, e.Metadata)
	return &named
}
