package main

import (
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"

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
				children: {
					kind: KIND_USERSET cut: CUT_REPEATED object: {type: "b" id: "2"} relation: "s"
					condition: {caveat: {name: "c" context: {fields: {key: "n" value: {number_value: 1}}}} expires_at: {seconds: 4102444800}}
				}
			}
			children: {kind: KIND_TUPLE_TO_USERSET_ALL object: {type: "a" id: "1"} relation: "owner" target: "s"}
			children: {
				kind: KIND_TUPLE_TO_USERSET_ALL object: {type: "a" id: "1"} relation: "parent" target: "s"
				children: {kind: KIND_USERSET object: {type: "c" id: "3"} condition: {caveat: {name: "d"}} children: {kind: KIND_NIL}}
			}
			children: {kind: KIND_THIS object: {type: "a" id: "1"} relation: "r" subjects: {type: "user" id: "*"}}
			children: {kind: KIND_SELF object: {type: "a" id: "1"}}
			children: {
				kind: KIND_INTERSECTION
				children: {
					kind: KIND_THIS object: {type: "a" id: "1"} relation: "r"
					subjects: [{type: "user" id: "x"}, {type: "b" id: "y" relation: "s"}] conditions: [{}, {caveat: {name: "d"}}]
				}
			}
		}`
	var root tupelov1.UsersetTree
	if err := prototext.Unmarshal([]byte(tree), &root); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
a:1#r
└── exclusion
    ├── nothing
    ├── except b:2#s (not opened: too deep)
    ├── except parent->s
    │   ├── b:2#s[c:{"n":1}][expiration:2100-01-01T00:00:00Z] (shown above)
    │   └── ... (more: the limit on subjects is reached)
    ├── except owner.all(s)
    │   └── (none)
    ├── except parent.all(s)
    │   └── c:3[d] (has no such relation)
    ├── except this
    │   └── user:*
    ├── except self: a:1
    └── except intersection
        └── this
            ├── user:x
            └── b:y#s[d]
`, "\n")
	if got, err := treeText(&root); got != want || err != nil {
		t.Errorf("the tree is\n%s%v, want\n%s", got, err, want)
	}
}

// What the transcripts do not come by.
func TestExplanationsShowEveryKindOfStepAndNote(t *testing.T) {
	const explanation = `
		root: {
			kind: KIND_USERSET result: RESULT_NO object: {type: "a" id: "1"} relation: "r" reads: 7 elapsed: {nanos: 1500}
			children: {
				kind: KIND_INTERSECTION result: RESULT_NO object: {type: "a" id: "1"} relation: "r"
				children: {
					kind: KIND_UNION result: RESULT_CONDITIONAL missing_context: ["day", "ip"] object: {type: "a" id: "1"} relation: "r"
					children: {kind: KIND_NIL result: RESULT_NO}
					children: {kind: KIND_SELF result: RESULT_YES object: {type: "a" id: "1"} relation: "r"}
					children: {
						kind: KIND_TUPLE result: RESULT_CONDITIONAL missing_context: "day" object: {type: "a" id: "1"} relation: "q"
						tuple: {object: {type: "a" id: "1"} relation: "q" subject: {type: "user" id: "*"} caveat: {name: "c"}}
					}
				}
				children: {
					kind: KIND_EXCLUSION result: RESULT_NO
					children: {kind: KIND_USERSET note: NOTE_SHOWN_ABOVE result: RESULT_YES object: {type: "a" id: "1"} relation: "q"}
					children: {kind: KIND_USERSET note: NOTE_IN_CIRCLE result: RESULT_YES object: {type: "a" id: "1"} relation: "o"}
				}
				children: {
					kind: KIND_TUPLE_TO_USERSET result: RESULT_NO object: {type: "a" id: "1"} relation: "parent" target: "r" omitted: 3
					children: {
						kind: KIND_USERSET result: RESULT_NO tuple_result: RESULT_NO note: NOTE_FAILED object: {type: "a" id: "2"} relation: "r"
						tuple: {
							object: {type: "a" id: "1"} relation: "parent" subject: {type: "a" id: "2"}
							caveat: {name: "c"} expires_at: {seconds: 4102444800}
						}
					}
					children: {kind: KIND_USERSET note: NOTE_OUT_OF_REACH result: RESULT_NO object: {type: "a" id: "3"} relation: "r"}
					children: {kind: KIND_USERSET note: NOTE_BEYOND_LIMITS result: RESULT_NO object: {type: "a" id: "4"} relation: "r"}
					children: {kind: KIND_USERSET note: NOTE_PARADOXICAL result: RESULT_NO object: {type: "a" id: "5"} relation: "r"}
					children: {kind: KIND_USERSET note: NOTE_UNEXPLAINED result: RESULT_NO object: {type: "a" id: "6"} relation: "r"}
					children: {kind: KIND_USERSET note: NOTE_NOT_DECISIVE result: RESULT_NO object: {type: "a" id: "7"} relation: "r"}
				}
				children: {kind: KIND_TUPLE_TO_USERSET_ALL result: RESULT_NO object: {type: "a" id: "1"} relation: "parent" target: "q"}
			}
		}
		remedies: {
			add: {object: {type: "a" id: "1"} relation: "q" subject: {type: "user" id: "x"}}
			remove: {object: {type: "a" id: "1"} relation: "o" subject: {type: "b" id: "y" relation: "s"} caveat: {name: "c"}}
		}`
	var m tupelov1.Explanation
	if err := prototext.Unmarshal([]byte(explanation), &m); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
✗ a:1#r (7 reads; 1.5µs)
└── ✗ all of
    ├── ? any of (depends on day, ip)
    │   ├── ✓ it is the subject itself
    │   └── ? a:1#q@user:*[c] counts perhaps (depends on day)
    ├── ✗ the first, except
    │   ├── ✓ a:1#q (shown above)
    │   └── except ✓ a:1#o (in a circle)
    ├── ✗ parent->r
    │   ├── ✗ a:2#r[c][expiration:2100-01-01T00:00:00Z] (the tuple does not count; its condition has no value)
    │   ├── ✗ a:3#r (never has such a subject)
    │   ├── ✗ a:4#r (beyond the limits)
    │   ├── ✗ a:5#r (it excludes itself: neither yes nor no)
    │   ├── ✗ a:6#r (not explained: too long)
    │   ├── ✗ a:7#r
    │   └── and 3 more
    └── ✗ parent.all(q) (there is none)

To make it yes, one of:
  add a:1#q@user:x, and remove a:1#o@b:y#s[c]
`, "\n")
	if got, err := explanationText(&m, nil); got != want || err != nil {
		t.Errorf("the explanation is\n%s%v, want\n%s", got, err, want)
	}
}

func TestWhatANewerServerSaysIsNotDrawnWrong(t *testing.T) {
	for _, root := range []*tupelov1.UsersetTree{nil, {}, {Kind: 99}, {Kind: tupelov1.UsersetTree_KIND_NIL, Cut: 99}} {
		if got, err := treeText(root); err == nil || !strings.Contains(err.Error(), "cannot draw") {
			t.Errorf("%v is drawn %q, %v", root, got, err)
		}
	}
	for _, root := range []*tupelov1.ExplanationStep{
		nil, {},
		{Kind: 99, Result: tupelov1.Result_RESULT_NO},
		{Kind: tupelov1.ExplanationStep_KIND_NIL, Result: 99},
		{Kind: tupelov1.ExplanationStep_KIND_NIL, Result: tupelov1.Result_RESULT_NO, Note: 99},
		{Kind: tupelov1.ExplanationStep_KIND_TUPLE, Result: tupelov1.Result_RESULT_NO},
	} {
		if got, err := explanationText(&tupelov1.Explanation{Root: root}, nil); err == nil || !strings.Contains(err.Error(), "cannot draw") {
			t.Errorf("%v is drawn %q, %v", root, got, err)
		}
	}
}

func FuzzDrawings(f *testing.F) {
	f.Add([]byte{10, 4, 8, 1, 24, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var tree tupelov1.UsersetTree
		if proto.Unmarshal(data, &tree) == nil {
			if text, err := treeText(&tree); err == nil && !strings.HasSuffix(text, "\n") {
				t.Errorf("%v is drawn %q", &tree, text)
			}
		}
		var explanation tupelov1.Explanation
		if proto.Unmarshal(data, &explanation) == nil {
			if text, err := explanationText(&explanation, nil); err == nil && !strings.HasSuffix(text, "\n") {
				t.Errorf("%v is drawn %q", &explanation, text)
			}
		}
	})
}
