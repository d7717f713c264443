package target

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tupelodb/tupelo/bench/dataset"
	"github.com/tupelodb/tupelo/bench/load"
	"github.com/tupelodb/tupelo/schema"
)

// Schema returns a set's schema in the language of a target. The error wraps
// [load.ErrNotSupported] if that has no words for it.
func Schema(target string, s *dataset.Set) (string, error) {
	switch target {
	case "openfga":
		model, err := openfgaModel(s.Schema())
		if err != nil {
			return "", err
		}
		text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(model)
		if err != nil {
			return "", err
		}
		var even bytes.Buffer // protojson varies its white space on purpose
		err = json.Indent(&even, text, "", "  ")
		return even.String() + "\n", err
	case "keto":
		return ketoNamespaces(s.Schema())
	case "permify":
		return permifySchema(s.Schema())
	}
	return strings.TrimLeft(s.Schema(), "\n"), nil
}

// language is how one spells a permission.
type language struct {
	name            string
	or, and, except string
	// relation and permission are those of the object, arrow of the objects that a
	// relation leads to, where target is a relation or a permission.
	relation, permission func(name string) string
	arrow                func(relation, target string, permission bool) string
}

// spell spells an expression of a definition.
func (l language) spell(s *schema.Schema, of *schema.Definition, e schema.Expr) (string, error) {
	switch e := e.(type) {
	case *schema.Ref:
		if isPermission(of, e.Name) {
			return l.permission(e.Name), nil
		}
		return l.relation(e.Name), nil
	case *schema.Arrow:
		if target := leadsTo(s, of, e.Relation); target != nil && !e.All() {
			return l.arrow(e.Relation, e.Target, isPermission(target, e.Target)), nil
		}
	case *schema.Binary:
		left, err := l.spell(s, of, e.Left)
		if err != nil {
			return "", err
		}
		right, err := l.spell(s, of, e.Right)
		if err != nil {
			return "", err
		}
		between := map[schema.Op]string{schema.Union: l.or, schema.Intersection: l.and, schema.Exclusion: l.except}[e.Op]
		return "(" + left + between + right + ")", nil
	}
	return "", fmt.Errorf("%s: %w: the language has no form for %T", l.name, load.ErrNotSupported, e)
}

func isPermission(of *schema.Definition, name string) bool {
	for _, m := range of.Members {
		if p, ok := m.(*schema.Permission); ok && p.Name == name {
			return true
		}
	}
	return false
}

// leadsTo returns the definition of a relation's subjects, if they have one in common.
func leadsTo(s *schema.Schema, of *schema.Definition, relation string) (only *schema.Definition) {
	for _, m := range of.Members {
		r, ok := m.(*schema.Relation)
		if !ok || r.Name != relation || len(r.Types) != 1 {
			continue
		}
		for _, d := range s.Definitions {
			if d.Name == r.Types[0].Type {
				only = d
			}
		}
	}
	return only
}

// ketoNamespaces says a schema in the Ory Permission Language.
func ketoNamespaces(text string) (string, error) {
	l := language{
		name: "keto", or: " || ", and: " && ", except: " && !",
		relation:   func(name string) string { return "this.related." + name + ".includes(ctx.subject)" },
		permission: func(name string) string { return "this.permits." + name + "(ctx)" },
		arrow: func(relation, target string, permission bool) string {
			of := "x.related." + target + ".includes(ctx.subject)"
			if permission {
				of = "x.permits." + target + "(ctx)"
			}
			return "this.related." + relation + ".traverse((x) => " + of + ")"
		},
	}
	typ := func(t *schema.TypeRef) string {
		if t.Relation != "" {
			return fmt.Sprintf("SubjectSet<%s, %q>", t.Type, t.Relation)
		}
		return t.Type
	}
	var b strings.Builder
	b.WriteString("import { Namespace, SubjectSet, Context } from \"@ory/keto-namespace-types\"\n")
	err := eachDefinition(text, l, func(name string, relations []*schema.Relation, permissions []spelled) {
		fmt.Fprintf(&b, "\nclass %s implements Namespace {", name)
		if len(relations) > 0 {
			b.WriteString("\n  related: {\n")
			for _, r := range relations {
				types := make([]string, len(r.Types))
				for i, t := range r.Types {
					types[i] = typ(t)
				}
				fmt.Fprintf(&b, "    %s: (%s)[]\n", r.Name, strings.Join(types, " | "))
			}
			b.WriteString("  }\n")
		}
		if len(permissions) > 0 {
			b.WriteString("\n  permits = {\n")
			for _, p := range permissions {
				fmt.Fprintf(&b, "    %s: (ctx: Context): boolean => %s,\n", p.name, p.text)
			}
			b.WriteString("  }\n")
		}
		b.WriteString("}\n")
	})
	return b.String(), err
}

// permifySchema says a schema in Permify's language.
func permifySchema(text string) (string, error) {
	same := func(name string) string { return name }
	l := language{
		name: "permify", or: " or ", and: " and ", except: " not ", relation: same, permission: same,
		arrow: func(relation, target string, _ bool) string { return relation + "." + target },
	}
	var b strings.Builder
	err := eachDefinition(text, l, func(name string, relations []*schema.Relation, permissions []spelled) {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "entity %s {\n", name)
		for _, r := range relations {
			fmt.Fprintf(&b, "    relation %s", r.Name)
			for _, t := range r.Types {
				b.WriteString(" @" + t.Type)
				if t.Relation != "" {
					b.WriteString("#" + t.Relation)
				}
			}
			b.WriteString("\n")
		}
		for _, p := range permissions {
			fmt.Fprintf(&b, "    permission %s = %s\n", p.name, p.text)
		}
		b.WriteString("}\n")
	})
	return b.String(), err
}

// spelled is a permission in another language.
type spelled struct{ name, text string }

// eachDefinition shows the definitions of a schema, their permissions spelled in a
// language that has no wildcards.
func eachDefinition(text string, l language, show func(name string, relations []*schema.Relation, permissions []spelled)) error {
	s, err := schema.Load("data set", text)
	if err != nil {
		return err
	}
	for _, d := range s.Definitions {
		var relations []*schema.Relation
		var permissions []spelled
		for _, m := range d.Members {
			switch m := m.(type) {
			case *schema.Relation:
				for _, t := range m.Types {
					if t.Wildcard {
						return fmt.Errorf("%s: %w: %s#%s takes everybody, and the language has no wildcards", l.name, load.ErrNotSupported, d.Name, m.Name)
					}
				}
				relations = append(relations, m)
			case *schema.Permission:
				text, err := l.spell(s, d, m.Expr)
				if err != nil {
					return err
				}
				permissions = append(permissions, spelled{m.Name, text})
			}
		}
		show(d.Name, relations, permissions)
	}
	return nil
}
