package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"

	"github.com/tupelodb/tupelo/api/tupelov1"
)

// What the transcripts do not come by.
func TestTreesShowEveryOperatorAndCut(t *testing.T) {
	const tree = `
		kind: KIND_USERSET object: {type: "a" id: "1"} relation: "r"
		children: {
			kind: KIND_EXCLUSION
			children: {kind: KIND_NIL}
			children: {kind: KIND_USERSET cut: CUT_FOLDED object: {type: "b" id: "2"} relation: "s"}
			children: {
				kind: KIND_TUPLE_TO_USERSET object: {type: "a" id: "1"} relation: "parent" target: "s" cut: CUT_TRUNCATED
				children: {kind: KIND_USERSET cut: CUT_REPEATED object: {type: "b" id: "2"} relation: "s"}
			}
			children: {kind: KIND_TUPLE_TO_USERSET object: {type: "a" id: "1"} relation: "owner" target: "s"}
			children: {kind: KIND_THIS object: {type: "a" id: "1"} relation: "r" subjects: {type: "user" id: "*"}}
			children: {kind: 99}
		}`
	var root tupelov1.UsersetTree
	if err := prototext.Unmarshal([]byte(tree), &root); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
a:1#r
└── exclusion
    ├── nil
    ├── except b:2#s (not opened: too deep)
    ├── except parent->s
    │   ├── b:2#s (shown above)
    │   └── ... (more are left out)
    ├── except owner->s
    │   └── (none)
    ├── except this
    │   └── user:*
    └── except 99
`, "\n")
	if got := treeText(&root); got != want {
		t.Errorf("the tree is\n%swant\n%s", got, want)
	}
}

func TestATreeThatIsNotThereIsNoPanic(t *testing.T) {
	for _, root := range []*tupelov1.UsersetTree{nil, {}, {Kind: tupelov1.UsersetTree_KIND_USERSET}} {
		if got := treeText(root); !strings.HasSuffix(got, "\n") {
			t.Errorf("%v is drawn %q", root, got)
		}
	}
}
