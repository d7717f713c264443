package codec

import "unicode/utf8"

// Read gives take the fields of a message, as they are on the wire, one after the
// other. It reports whether take took all of them, and none was declined: numbers
// above 15, varints above 28 bits, numbers of fixed width, and groups, which a message
// of few fields need not have.
func Read(text string, take func(Field) bool) bool {
	fields := fields{text: text}
	for f, more := fields.next(); more; f, more = fields.next() {
		if !take(f) {
			return false
		}
	}
	return fields.whole()
}

// ReadTexts reads a message of which the first fields, from number 1 on, are texts, and
// which has no others.
func ReadTexts(text string, to ...*string) bool {
	fields := fields{text: text}
	for f, more := fields.next(); more; f, more = fields.next() {
		i := int(f.Key>>3) - 1
		if f.Key != Text(i+1) || i >= len(to) || !f.Set(to[i]) {
			return false
		}
	}
	return fields.whole()
}

// count returns how often a key comes in a message, as far as it would not be declined.
func count(text string, key byte) (n int) {
	fields := fields{text: text}
	for f, more := fields.next(); more; f, more = fields.next() {
		if f.Key == key {
			n++
		}
	}
	return n
}

// Room returns room for the messages of a repeated field, with what belongs to each, and
// for the pointers to them that the field has; nil if there are none. It reports false if
// they are more than most: they are to be refused, and need not take memory before.
func Room[M, P any](text string, key byte, most int) (messages []M, pointers []*P, ok bool) {
	n := count(text, key)
	if n == 0 || n > most {
		return nil, nil, n == 0
	}
	return make([]M, n), make([]*P, 0, n), true
}

// Field is one field of a message.
type Field struct {
	// Key is the field's number and kind, as on the wire; see [Text] and [Small].
	Key byte
	// Text is what the field holds if its kind is a text, a message or bytes, at
	// Start of the text that it is in. Value is what others hold.
	Text  string
	Start int
	Value uint32
}

// Text is the key of a field with a text, a message or bytes.
func Text(number int) byte { return byte(number<<3 | 2) }

// Small is the key of a field with a bool, an enum or a number that is seldom large.
func Small(number int) byte { return byte(number << 3) }

// Set sets a text field, and reports whether it is valid UTF-8.
func (f *Field) Set(to *string) bool {
	*to = f.Text
	return utf8.ValidString(f.Text)
}

// In returns the field's text in the bytes that the text was made of.
func (f *Field) In(data []byte) []byte { return data[f.Start:][:len(f.Text):len(f.Text)] }

// fields goes through the fields of a message.
type fields struct {
	text     string
	at       int
	declined bool
}

// next returns the next field. At the end, and where it declines, there is none.
func (f *fields) next() (field Field, ok bool) {
	if f.at >= len(f.text) {
		return field, false
	}
	field.Key = f.text[f.at]
	f.at++
	n, ok := f.varint()
	switch kind := field.Key & 7; {
	case !ok || field.Key>>3 == 0 || field.Key > 127:
	case kind == 2 && int(n) <= len(f.text)-f.at:
		field.Start = f.at
		f.at += int(n)
		field.Text = f.text[field.Start:f.at]
		return field, true
	case kind == 0:
		field.Value = n
		return field, true
	}
	f.declined = true
	return Field{}, false
}

// varint reads a number of up to four bytes.
func (f *fields) varint() (n uint32, ok bool) {
	if f.at < len(f.text) && f.text[f.at] <= 127 { // most are
		n = uint32(f.text[f.at])
		f.at++
		return n, true
	}
	for shift := 0; shift < 28 && f.at < len(f.text); shift += 7 {
		b := f.text[f.at]
		f.at++
		n |= uint32(b&0x7f) << shift
		if b <= 127 {
			return n, true
		}
	}
	return 0, false
}

// whole reports whether next has come to the end and declined nothing.
func (f *fields) whole() bool { return !f.declined && f.at == len(f.text) }

// SizeText is what a field with n bytes of text takes; an empty one is not written.
func SizeText(n int) int {
	if n == 0 {
		return 0
	}
	return SizeMessage(n)
}

// SizeMessage is what a field with a message of n bytes takes, though it be empty.
func SizeMessage(n int) int {
	size := 2 + n
	for n > 127 {
		size++
		n >>= 7
	}
	return size
}

// AppendText appends a field with a text, unless it is empty.
func AppendText(to []byte, key byte, text string) []byte {
	if text == "" {
		return to
	}
	return append(AppendHead(to, key, len(text)), text...)
}

// AppendHead appends what stands before n bytes of a message or text.
func AppendHead(to []byte, key byte, n int) []byte {
	to = append(to, key)
	for ; n > 127; n >>= 7 {
		to = append(to, byte(n)|0x80)
	}
	return append(to, byte(n))
}

// SizeEnum is what a field with an enum takes; 0 is not written.
func SizeEnum(value int32) int {
	if value == 0 {
		return 0
	}
	return 2
}

// AppendEnum appends a field with an enum of 0 to 127.
func AppendEnum(to []byte, key byte, value int32) []byte {
	if value == 0 {
		return to
	}
	return append(to, key, byte(value))
}
