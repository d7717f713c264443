package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// fixture is a YAML file that holds a schema and relationships, as SpiceDB's
// validation files do. What such a file says of expected answers is for tests
// of schemas, and import leaves it alone.
type fixture struct {
	Schema        string    `yaml:"schema"`
	SchemaFile    string    `yaml:"schemaFile"`
	Relationships yaml.Node `yaml:"relationships"`
	Assertions    yaml.Node `yaml:"assertions"`
	Validation    yaml.Node `yaml:"validation"`
}

// parsedFixture is what import takes from a fixture.
type parsedFixture struct {
	// schema is empty if the fixture has none; schemaName says where it stands.
	schema, schemaName string
	// relationships are lines, the first of which has the number firstLine in the file.
	relationships string
	firstLine     int
	// untested says that there are assertions, which import does not look at.
	untested bool
}

// parseFixture reads a fixture; path is the file's, for a schemaFile beside it.
func parseFixture(data []byte, path string) (*parsedFixture, error) {
	var f fixture
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&f); err != nil {
		return nil, err
	}
	p := &parsedFixture{schema: f.Schema, schemaName: path, untested: !f.Assertions.IsZero() || !f.Validation.IsZero()}
	if f.SchemaFile != "" {
		if f.Schema != "" {
			return nil, fmt.Errorf("both schema and schemaFile are given")
		}
		p.schemaName = filepath.Join(filepath.Dir(path), f.SchemaFile)
		text, err := os.ReadFile(p.schemaName)
		if err != nil {
			return nil, fmt.Errorf("schemaFile: %w", err)
		}
		p.schema = string(text)
	}
	if f.Relationships.IsZero() {
		return p, nil
	}
	if f.Relationships.Kind != yaml.ScalarNode {
		return nil, fmt.Errorf("line %d: relationships must be text, one tuple on each line", f.Relationships.Line)
	}
	p.relationships, p.firstLine = f.Relationships.Value, f.Relationships.Line
	if f.Relationships.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		p.firstLine++ // the text begins on the line after its indicator
	}
	return p, nil
}

// isFixture tells the kind of a file by its name.
func isFixture(path string) bool {
	ext := strings.ToLower(filepath.Ext(path))
	return ext == ".yaml" || ext == ".yml"
}
