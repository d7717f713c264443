package main

import (
	"strings"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// treeText draws the answer of an Expand, one node or subject a line:
//
//	run:42#cancel
//	└── union
//	    ├── job->cancel
//	    │   └── job:ci#cancel
//	    └── run:42#starter
//	        └── user:alice
//
// What is stored for a userset stands directly under it.
func treeText(root *tupelov1.UsersetTree) string {
	var d drawing
	d.node(root, "", "")
	return d.text.String()
}

type drawing struct {
	text strings.Builder
}

// twig is one line under a node: a subtree with the words before it, or words alone.
type twig struct {
	words string
	tree  *tupelov1.UsersetTree
}

// node draws a node behind the words that come before it; the lines below it
// begin with indent.
func (d *drawing) node(t *tupelov1.UsersetTree, before, indent string) {
	d.text.WriteString(before + nodeText(t) + "\n")
	twigs := twigsOf(t)
	for i, w := range twigs {
		branch, deeper := "├── ", "│   "
		if i == len(twigs)-1 {
			branch, deeper = "└── ", "    "
		}
		if w.tree == nil {
			d.text.WriteString(indent + branch + w.words + "\n")
			continue
		}
		d.node(w.tree, indent+branch+w.words, indent+deeper)
	}
}

func nodeText(t *tupelov1.UsersetTree) string {
	switch t.GetKind() {
	case tupelov1.UsersetTree_KIND_USERSET:
		return objectText(t.Object) + "#" + t.Relation + cutText(t.Cut)
	case tupelov1.UsersetTree_KIND_THIS:
		return "this"
	case tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET:
		return t.Relation + "->" + t.Target
	case tupelov1.UsersetTree_KIND_NIL:
		return "nil"
	}
	// The operators are called what the API calls them, those of a newer server too.
	return strings.ToLower(strings.TrimPrefix(t.GetKind().String(), "KIND_"))
}

func cutText(c tupelov1.UsersetTree_Cut) string {
	switch c {
	case tupelov1.UsersetTree_CUT_FOLDED:
		return " (not opened: too deep)"
	case tupelov1.UsersetTree_CUT_REPEATED:
		return " (shown above)"
	}
	return ""
}

// twigsOf lists what stands under a node.
func twigsOf(t *tupelov1.UsersetTree) []twig {
	children := t.GetChildren()
	if t.GetKind() == tupelov1.UsersetTree_KIND_USERSET && len(children) == 1 &&
		children[0].GetKind() == tupelov1.UsersetTree_KIND_THIS {
		return twigsOf(children[0])
	}
	var twigs []twig
	for _, s := range t.GetSubjects() {
		twigs = append(twigs, twig{words: subjectText(s)})
	}
	for i, child := range children {
		words := ""
		if t.Kind == tupelov1.UsersetTree_KIND_EXCLUSION && i > 0 {
			words = "except "
		}
		twigs = append(twigs, twig{words, child})
	}
	stores := t.GetKind() == tupelov1.UsersetTree_KIND_THIS ||
		t.GetKind() == tupelov1.UsersetTree_KIND_TUPLE_TO_USERSET
	switch {
	case t.GetCut() == tupelov1.UsersetTree_CUT_TRUNCATED:
		twigs = append(twigs, twig{words: "... (more are left out)"})
	case stores && len(twigs) == 0:
		twigs = append(twigs, twig{words: "(none)"})
	}
	return twigs
}
