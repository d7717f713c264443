package schema

import (
	"maps"
	"slices"
	"strings"
)

// use reads `use feature`. The words of the feature are keywords from the next
// one on.
func (p *parser) use(s *Schema) {
	u := &Use{Comments: p.lead()}
	if p.last != useLine {
		u.clearGap()
	}
	at := p.tok
	p.advance()
	u.Pos, u.Flag = p.tok.pos, p.tok.text
	switch {
	case p.tok.kind != word && useFlags[u.Flag] == nil:
		p.fail("", "expected the name of a feature after `use`, found %s", p.found())
		return
	case useFlags[u.Flag] == nil:
		p.fail(featureHint(u.Flag), "unknown feature `%s`", u.Flag)
	case len(s.Definitions)+len(s.Caveats) > 0:
		p.report.at(at.pos, len(at.text), "`use` must stand before the first definition or caveat", "")
	}
	p.lex.flags = append(p.lex.flags, u.Flag)
	p.advance()
	u.Above = append(u.Above, p.takeLoose()...)
	u.Behind, _ = p.behindStatement()
	s.Uses = append(s.Uses, u)
}

func featureHint(flag string) string {
	features := slices.Sorted(maps.Keys(useFlags))
	if hint := didYouMean(flag, features); hint != "" {
		return hint
	}
	return "the features are " + strings.Join(features, ", ")
}

// importLine reads `import "path"`.
func (p *parser) importLine(s *Schema) {
	i := &Import{Comments: p.lead()}
	if p.last != importLine {
		i.clearGap()
	}
	p.advance()
	i.Pos = p.tok.pos
	if p.tok.kind != literal {
		p.fail("an import is `import \"file.zed\"`", "expected the path of a file in quotes, found %s", p.found())
		return
	}
	i.Path = unquote(p.tok.text)
	if i.Path == "" || strings.ContainsAny(i.Path, "\"'\r\n") {
		p.fail("", "the path of an import is not empty and has no quotes or line ends")
	}
	p.advance()
	i.Above = append(i.Above, p.takeLoose()...)
	i.Behind, _ = p.behindStatement()
	s.Imports = append(s.Imports, i)
}

// unquote returns what is between the quotes of a literal.
func unquote(text string) string {
	quotes := 1
	if len(text) >= 6 && text[1] == text[0] && text[2] == text[0] {
		quotes = 3
	}
	return text[quotes : len(text)-quotes]
}
