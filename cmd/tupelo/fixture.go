package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fixture is what import takes from a YAML file that holds a schema and
// relationships, as SpiceDB's validation files do.
type fixture struct {
	// schema is empty if there is none; schemaName is the file that it stands in.
	schema, schemaName string
	// relationships are lines, the first of which has the number firstLine in the file.
	relationships string
	firstLine     int
	// untested says that there are assertions. They are for tests of schemas,
	// and import leaves them alone.
	untested bool
}

// parseFixture reads a fixture; path is the file's, for a schemaFile beside it.
func parseFixture(data []byte, path string) (*fixture, error) {
	var parts map[string]yaml.Node
	if err := yaml.Unmarshal(data, &parts); err != nil {
		var mismatch *yaml.TypeError
		if errors.As(err, &mismatch) {
			return nil, errors.New("it is not a YAML mapping")
		}
		return nil, err
	}
	f := &fixture{schemaName: path}
	for _, key := range slices.Sorted(maps.Keys(parts)) {
		part := parts[key]
		if err := f.take(key, &part, path); err != nil {
			return nil, fmt.Errorf("line %d: %s: %w", part.Line, key, err)
		}
	}
	return f, nil
}

// fixtureKeys are what a fixture may hold.
var fixtureKeys = []string{"schema", "schemaFile", "relationships", "assertions", "validation"}

// take takes one part of the file.
func (f *fixture) take(key string, part *yaml.Node, path string) error {
	switch key {
	case "assertions", "validation":
		f.untested = true
		return nil
	case "schema", "schemaFile", "relationships":
	default:
		return fmt.Errorf("unknown key%s", nearest(key, fixtureKeys))
	}
	if part.Kind != yaml.ScalarNode {
		return errors.New("takes text, as in \"relationships: |\"")
	}
	switch key {
	case "relationships":
		f.relationships, f.firstLine = part.Value, part.Line
		if part.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			f.firstLine++ // the text begins on the line after its indicator
		}
	case "schema":
		f.schema = part.Value
	case "schemaFile": // after schema, in the order of the alphabet
		if f.schema != "" {
			return errors.New("there is a schema already")
		}
		f.schemaName = filepath.Join(filepath.Dir(path), part.Value)
		text, err := os.ReadFile(f.schemaName)
		if err != nil {
			return err
		}
		f.schema = string(text)
	}
	return nil
}

// isFixture tells the kind of a file by its name.
func isFixture(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}
