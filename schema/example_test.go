package schema_test

import (
	"fmt"

	"github.com/tupelodb/tupelo/schema"
)

func ExampleLoad() {
	_, err := schema.Load("repo.zed", `
definition user {}

definition repository {
	relation maintainer: user
	permission push = maintaner
}
`)
	fmt.Println(err)
	// Output:
	// repo.zed:6:20: `repository` has no relation or permission `maintaner`
	//     permission push = maintaner
	//                       ^^^^^^^^^
	//     hint: did you mean `maintainer`?
}

func ExampleFormat() {
	s, err := schema.Parse("repo.zed", `
definition repository{relation owner:user|team#member; /* who */ relation banned:user
permission push=owner-banned+nil /* no one else */
}`)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Print(schema.Format(s))
	// Output:
	// definition repository {
	// 	relation owner: user | team#member
	// 	/* who */
	// 	relation banned: user
	// 	permission push = owner - (banned + nil) /* no one else */
	// }
}

func ExampleSuggest() {
	name, ok := schema.Suggest("maintaner", []string{"owner", "maintainer", "reader"})
	fmt.Println(name, ok)
	// Output: maintainer true
}
