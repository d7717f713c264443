package api

import (
	"unicode/utf8"

	"google.golang.org/protobuf/proto"

	"github.com/tupelodb/tupelo/api/codec"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// This file reads the requests and writes the answers of Check and BatchCheck. The
// texts of a request are parts of one, and its messages of few allocations. See
// package codec for what it may decline.

var fastMessages = codec.Fast{Read: fastRead, Size: fastSize, Append: fastAppend}

func fastRead(data []byte, message any) bool {
	switch m := message.(type) {
	case *tupelov1.CheckRequest:
		return readCheckRequest(data, m)
	case *tupelov1.BatchCheckRequest:
		return readBatchCheckRequest(data, m)
	case *tupelov1.WriteRequest:
		return readWriteRequest(data, m)
	case *tupelov1.ImportRequest:
		return readImportRequest(data, m)
	}
	return false
}

// terms are the messages that a check is about.
type terms struct {
	object  tupelov1.Object
	subject tupelov1.Subject
}

func readCheckRequest(data []byte, m *tupelov1.CheckRequest) bool {
	m.Reset()
	about := &terms{}
	return codec.Read(string(data), func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			m.Object, ok = &about.object, readObject(f.Text, &about.object)
		case codec.Text(3):
			ok = f.Set(&m.Relation)
		case codec.Text(4):
			m.Subject, ok = &about.subject, readSubject(f.Text, &about.subject)
		case codec.Text(5):
			m.Context, ok = codec.ReadStruct(f.In(data), m.Context == nil)
		case codec.Small(6):
			m.WithExplanation, ok = f.Value != 0, true
		}
		return ok
	})
}

func readBatchCheckRequest(data []byte, m *tupelov1.BatchCheckRequest) bool {
	m.Reset()
	text := string(data)
	questions, items, ok := codec.Room[batchQuestion, tupelov1.BatchCheckItem](text, codec.Text(2), maxBatchItems)
	m.Items = items
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			m.Consistency, ok = readConsistency(f.Text, m.Consistency == nil)
		case codec.Text(2):
			q := &questions[len(m.Items)]
			m.Items = append(m.Items, &q.item)
			ok = q.read(f.In(data), f.Text)
		}
		return ok
	})
}

// batchQuestion is an item of a batch with its messages.
type batchQuestion struct {
	item tupelov1.BatchCheckItem
	terms
}

func (q *batchQuestion) read(data []byte, text string) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			q.item.Object, ok = &q.object, readObject(f.Text, &q.object)
		case codec.Text(2):
			ok = f.Set(&q.item.Relation)
		case codec.Text(3):
			q.item.Subject, ok = &q.subject, readSubject(f.Text, &q.subject)
		case codec.Text(4):
			q.item.Context, ok = codec.ReadStruct(f.In(data), q.item.Context == nil)
		}
		return ok
	})
}

func readObject(text string, o *tupelov1.Object) bool { return codec.ReadTexts(text, &o.Type, &o.Id) }

func readSubject(text string, s *tupelov1.Subject) bool {
	return codec.ReadTexts(text, &s.Type, &s.Id, &s.Relation)
}

// readConsistency reads a message that is the first of its field.
func readConsistency(text string, first bool) (*tupelov1.Consistency, bool) {
	c := &tupelov1.Consistency{}
	return c, first && codec.Read(text, func(f codec.Field) (ok bool) {
		ok = true
		switch f.Key {
		case codec.Small(1):
			c.Requirement = &tupelov1.Consistency_MinimizeLatency{MinimizeLatency: f.Value != 0}
		case codec.Text(2):
			zookie := &tupelov1.Consistency_AtLeastAsFresh{}
			ok = f.Set(&zookie.AtLeastAsFresh)
			c.Requirement = zookie
		case codec.Text(3):
			zookie := &tupelov1.Consistency_AtExactSnapshot{}
			ok = f.Set(&zookie.AtExactSnapshot)
			c.Requirement = zookie
		case codec.Small(4):
			c.Requirement = &tupelov1.Consistency_FullyConsistent{FullyConsistent: f.Value != 0}
		default:
			ok = false
		}
		return ok
	})
}

func fastSize(message any) (int, bool) {
	switch m := message.(type) {
	case *tupelov1.CheckResponse:
		return sizeCheckResponse(m)
	case *tupelov1.BatchCheckResponse:
		return sizeBatchCheckResponse(m)
	}
	return 0, false
}

func fastAppend(to []byte, message any) []byte {
	switch m := message.(type) {
	case *tupelov1.CheckResponse:
		to = codec.AppendEnum(to, codec.Small(1), int32(m.Result))
		return codec.AppendText(to, codec.Text(2), m.Zookie)
	case *tupelov1.BatchCheckResponse:
		for _, result := range m.Results {
			to = codec.AppendHead(to, codec.Text(1), codec.SizeEnum(int32(result.Result)))
			to = codec.AppendEnum(to, codec.Small(1), int32(result.Result))
		}
		return codec.AppendText(to, codec.Text(2), m.Zookie)
	}
	return to
}

func sizeCheckResponse(m *tupelov1.CheckResponse) (int, bool) {
	plain := m != nil && len(m.MissingContext) == 0 && m.Explanation == nil && plainAnswer(m.Result, m.Zookie, m)
	if !plain {
		return 0, false
	}
	return codec.SizeEnum(int32(m.Result)) + codec.SizeText(len(m.Zookie)), true
}

func sizeBatchCheckResponse(m *tupelov1.BatchCheckResponse) (int, bool) {
	if m == nil || !plainAnswer(0, m.Zookie, m) {
		return 0, false
	}
	size := codec.SizeText(len(m.Zookie))
	for _, result := range m.Results {
		plain := result != nil && result.Error == nil && len(result.MissingContext) == 0 && plainAnswer(result.Result, "", result)
		if !plain {
			return 0, false
		}
		size += codec.SizeMessage(codec.SizeEnum(int32(result.Result)))
	}
	return size, true
}

// plainAnswer reports whether parts of an answer are as the handlers make them.
func plainAnswer(r tupelov1.Result, zookie string, m proto.Message) bool {
	return 0 <= r && r <= 127 && utf8.ValidString(zookie) && len(m.ProtoReflect().GetUnknown()) == 0
}
