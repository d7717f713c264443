package api

import (
	"github.com/tupelodb/tupelo/api/codec"
	"github.com/tupelodb/tupelo/api/tupelov1"
)

// This file reads the requests that bring tuples, as fast.go does those of checks. A
// tuple with a caveat or an expiration is for the library, and so is its request.

// wholeUpdate is an update with its messages; an import has no use of the update.
type wholeUpdate struct {
	update tupelov1.Update
	wholeTuple
}

// wholeTuple is a tuple with its messages.
type wholeTuple struct {
	tuple tupelov1.Tuple
	terms
}

func readWriteRequest(data []byte, m *tupelov1.WriteRequest) bool {
	m.Reset()
	text := string(data)
	updates, list, ok := codec.Room[wholeUpdate, tupelov1.Update](text, codec.Text(1), maxUpdates)
	m.Updates = list
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			u := &updates[len(m.Updates)]
			m.Updates = append(m.Updates, &u.update)
			ok = u.read(f.Text)
		case codec.Text(4):
			ok = f.Set(&m.IdempotencyKey)
		}
		return ok
	})
}

func (u *wholeUpdate) read(text string) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Small(1):
			u.update.Operation, ok = tupelov1.Update_Operation(f.Value), true
		case codec.Text(2):
			u.update.Tuple, ok = &u.tuple, u.wholeTuple.read(f.Text)
		}
		return ok
	})
}

func readImportRequest(data []byte, m *tupelov1.ImportRequest) bool {
	m.Reset()
	text := string(data)
	tuples, list, ok := codec.Room[wholeTuple, tupelov1.Tuple](text, codec.Text(2), maxUpdates)
	m.Tuples = list
	return ok && codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Small(1):
			m.Mode, ok = tupelov1.ImportRequest_Mode(f.Value), true
		case codec.Text(2):
			t := &tuples[len(m.Tuples)]
			m.Tuples = append(m.Tuples, &t.tuple)
			ok = t.read(f.Text)
		}
		return ok
	})
}

func (t *wholeTuple) read(text string) bool {
	return codec.Read(text, func(f codec.Field) (ok bool) {
		switch f.Key {
		case codec.Text(1):
			t.tuple.Object, ok = &t.object, readObject(f.Text, &t.object)
		case codec.Text(2):
			ok = f.Set(&t.tuple.Relation)
		case codec.Text(3):
			t.tuple.Subject, ok = &t.subject, readSubject(f.Text, &t.subject)
		}
		return ok
	})
}
