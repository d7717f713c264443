package codec

import "unicode/utf8"

// Fields goes through the fields of a message as they are on the wire. It declines
// what a message of few fields need not have: numbers above 15, varints above 127
// that are no lengths, numbers of fixed width, and groups.
type Fields struct {
	text     string
	at       int
	declined bool
}

// FieldsOf returns the fields of a message.
func FieldsOf(text string) Fields { return Fields{text: text} }

// Field is one field of a message.
type Field struct {
	// Key is the field's number and kind, as on the wire; see [Text] and [Small].
	Key byte
	// Text is what the field holds if its kind is a text, a message or bytes, at
	// Start of the text that it is in. Value is what others hold.
	Text  string
	Start int
	Value byte
}

// Text is the key of a field with a text, a message or bytes.
func Text(number int) byte { return byte(number<<3 | 2) }

// Small is the key of a field with a bool or an enum.
func Small(number int) byte { return byte(number << 3) }

// Next returns the next field. At the end, and where it declines, there is none.
func (f *Fields) Next() (field Field, ok bool) {
	if f.at >= len(f.text) {
		return field, false
	}
	field.Key = f.text[f.at]
	f.at++
	switch {
	case field.Key>>3 == 0 || field.Key > 127:
	case field.Key&7 == 0:
		if f.at < len(f.text) && f.text[f.at] <= 127 {
			field.Value = f.text[f.at]
			f.at++
			return field, true
		}
	case field.Key&7 == 2:
		if n, ok := f.length(); ok {
			field.Start = f.at
			f.at += n
			field.Text = f.text[field.Start:f.at]
			return field, true
		}
	}
	f.declined = true
	return Field{}, false
}

// length reads a length of up to three bytes, and reports whether so much is there.
func (f *Fields) length() (n int, ok bool) {
	for shift := 0; shift < 21 && f.at < len(f.text); shift += 7 {
		b := f.text[f.at]
		f.at++
		n |= int(b&0x7f) << shift
		if b <= 127 {
			return n, n <= len(f.text)-f.at
		}
	}
	return 0, false
}

// Count returns how often a key comes in what Next has not come to yet, as far as it
// would not decline.
func (f Fields) Count(key byte) (n int) {
	for field, more := f.Next(); more; field, more = f.Next() {
		if field.Key == key {
			n++
		}
	}
	return n
}

// Whole reports whether Next has come to the end and declined nothing.
func (f *Fields) Whole() bool { return !f.declined && f.at == len(f.text) }

// Set sets a text field, and reports whether it is valid UTF-8.
func (f *Field) Set(to *string) bool {
	*to = f.Text
	return utf8.ValidString(f.Text)
}

// In returns the field's text in the bytes that the text was made of.
func (f *Field) In(data []byte) []byte { return data[f.Start:][:len(f.Text):len(f.Text)] }

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
