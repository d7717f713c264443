package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/tupelodb/tupelo/schema"
)

// besides reads the files that a schema or a fixture speaks of, from the folder
// of its own file; those of standard input are in the working directory.
func besides(file string) func(path string) (string, error) {
	folder := filepath.Dir(file)
	return func(path string) (string, error) {
		text, err := os.ReadFile(filepath.Join(folder, filepath.FromSlash(path)))
		return string(text), err
	}
}

// wholeSchema returns what to send of a schema's text: the text as it is, for the
// server to judge, or, if it imports files, one text that means the same.
func wholeSchema(name, text string, read func(path string) (string, error)) (string, error) {
	if !importsFiles(text) {
		return text, nil
	}
	loaded, err := schema.LoadFiles(name, text, read)
	if err != nil {
		return "", mistakes("the schema", err)
	}
	return schema.Format(loaded), nil
}

// importsFiles reports whether a text is only a part of a schema.
func importsFiles(text string) bool {
	parsed, err := schema.Parse("", text)
	return err == nil && len(parsed.Imports) > 0
}

// mistakes says what the mistakes that were found are in.
func mistakes(what string, err error) error { return fmt.Errorf("%s has mistakes:\n%w", what, err) }
