package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// terminal is where a command reads and prints. Results are buffered and
// errors of writing them are kept until Flush, so that commands need not look
// at each: a result that could not be printed makes the command fail.
type terminal struct {
	in   io.Reader
	out  *bufio.Writer
	diag io.Writer // diagnostics; not buffered
	// tty says that a person sees the diagnostics appear.
	tty  bool
	json bool
	// quiet leaves out the words around an answer.
	quiet bool
}

// printf prints a part of a result.
func (t *terminal) printf(format string, args ...any) {
	fmt.Fprintf(t.out, format, args...)
}

// notef prints a diagnostic; with --json there are none but errors.
func (t *terminal) notef(format string, args ...any) {
	if !t.json {
		fmt.Fprintf(t.diag, format+"\n", args...)
	}
}

// acknowledge prints that a write is done: the words, and the write's zookie.
func (t *terminal) acknowledge(response proto.Message, zookie, words string) error {
	switch {
	case t.json:
		return t.message(response)
	case t.quiet:
		t.printf("%s\n", zookie)
	default:
		t.printf("%s\nzookie %s\n", words, zookie)
	}
	return nil
}

// message prints a message of the API as one line of JSON, with the field
// names of the .proto file and every field present, so that the form is fixed.
func (t *terminal) message(m proto.Message) error {
	data, err := protojson.MarshalOptions{UseProtoNames: true, EmitDefaultValues: true}.Marshal(m)
	if err != nil {
		return fmt.Errorf("printing %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	// protojson varies its white space on purpose.
	var line bytes.Buffer
	if err := json.Compact(&line, data); err != nil {
		return fmt.Errorf("printing %s as JSON: %w", m.ProtoReflect().Descriptor().FullName(), err)
	}
	t.printf("%s\n", line.Bytes())
	return nil
}

// object prints a value of our own as one line of JSON.
func (t *terminal) object(v any) error { return writeJSON(t.out, v) }

func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// interactive reports whether words may come and go for a person to watch.
func (t *terminal) interactive() bool { return t.tty && !t.json && !t.quiet }

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// open returns the file of an argument, and its name for messages; "-" is
// standard input.
func (t *terminal) open(path string) (io.ReadCloser, string, error) {
	if path == "-" {
		return io.NopCloser(t.in), "standard input", nil
	}
	f, err := os.Open(path)
	return f, path, err
}

// readFile returns the content of the file of an argument.
func (t *terminal) readFile(path string) (content []byte, name string, err error) {
	f, name, err := t.open(path)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	content, err = io.ReadAll(f)
	if err != nil {
		return nil, "", fmt.Errorf("reading %s: %w", name, err)
	}
	return content, name, nil
}
