package schema

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// MaxImports is how many files a schema may be made of.
const MaxImports = 1000

// LoadFiles is [Load] for a schema that may import others: read gives the text
// of a file by its path, with slashes, from the folder of the file that name
// stands for. The result has no imports: it holds all statements of all files,
// those of an imported file before those of the file that imports it, and
// formats to one text that means the same.
func LoadFiles(name, text string, read func(path string) (text string, err error)) (*Schema, error) {
	m := importer{
		report: &reporter{sources: []source{{name: name, text: text}}},
		read:   read,
		seen:   map[string]bool{path.Base(name): true},
		merged: &Schema{},
	}
	m.file(0, path.Base(name))
	if m.report.failed() {
		return nil, m.report.err()
	}
	m.merged.Trailing = m.carried
	m.merged.sources = m.report.sources
	m.merged.include()
	if err := Check(m.merged); err != nil {
		return nil, err
	}
	return m.merged, nil
}

// importer merges a file and those that it imports.
type importer struct {
	report  *reporter
	read    func(string) (string, error)
	seen    map[string]bool // files, by path
	trail   []string        // the files whose imports are being followed
	merged  *Schema
	carried []Comment // of statements that the merged text does not have
	bytes   int       // of all texts
	done    int       // files
}

// file adds a file: first what it imports, then its own statements.
func (m *importer) file(file int, at string) {
	m.trail = append(m.trail, at)
	s := parseFile(m.report, file)
	for _, i := range s.Imports {
		m.follow(i, path.Dir(at))
	}
	m.add(s)
	m.trail = m.trail[:len(m.trail)-1]
	m.report.sources[file].rank = m.done
	m.done++
}

// follow adds the file that a line imports, from the folder of its own file.
func (m *importer) follow(i *Import, folder string) {
	fail := func(format string, args ...any) {
		m.report.at(i.Pos, len(i.Path)+2, fmt.Sprintf(format, args...), "")
	}
	at := path.Join(folder, i.Path)
	switch {
	case strings.Contains(i.Path, "..") || strings.Contains(i.Path, `\`) || !fs.ValidPath(at) || path.IsAbs(i.Path):
		fail("import `%s` does not stay in the folder of the schema", i.Path)
		return
	case slices.Contains(m.trail, at):
		fail("import `%s` goes round in a circle: %s", i.Path, strings.Join(append(slices.Clone(m.trail), at), " → "))
		return
	case m.seen[at]: // by another file: what it holds is there once
		return
	case len(m.report.sources) > MaxImports:
		fail("the schema imports more than %d files", MaxImports)
		return
	}
	m.seen[at] = true
	text, err := m.read(at)
	if err != nil {
		fail("import `%s` cannot be read: %v", i.Path, err)
		return
	}
	if m.bytes += len(text); m.bytes > MaxTextBytes {
		fail("the files that the schema imports have more than %d bytes", MaxTextBytes)
		return
	}
	name := path.Join(path.Dir(m.report.sources[0].name), at)
	m.report.sources = append(m.report.sources, source{name: name, text: text})
	m.file(len(m.report.sources)-1, at)
}

// add appends the statements of a file to the merged schema. Its imports are
// done, and `use` lines that the schema has already say nothing new: their
// comments go to the next statement that stays.
func (m *importer) add(s *Schema) {
	for _, t := range s.statements() {
		u, isUse := t.node.(*Use)
		if t.kind() == importLine || isUse && (u.Flag == "import" || m.merged.uses(u.Flag)) {
			m.carried = append(append(m.carried, t.comments.Above...), t.comments.Behind...)
			continue
		}
		if len(m.carried) > 0 {
			t.comments.Above = append(m.carried, t.comments.Above...)
			t.comments.clearGap()
			m.carried = nil
		}
		switch node := t.node.(type) {
		case *Use:
			m.merged.Uses = append(m.merged.Uses, node)
		case *Caveat:
			m.merged.Caveats = append(m.merged.Caveats, node)
		case *Partial:
			m.merged.Partials = append(m.merged.Partials, node)
		case *Definition:
			m.merged.Definitions = append(m.merged.Definitions, node)
		}
	}
	m.carried = append(m.carried, s.Trailing...)
}
