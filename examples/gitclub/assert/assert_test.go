package main

import (
	"strings"
	"testing"

	"github.com/tupelodb/tupelo/api/tupelov1"
	"github.com/tupelodb/tupelo/examples/gitclub/gitclubtest"
)

func TestAServerWithGitClubPassesAndAChangedOneFails(t *testing.T) {
	addr, client := gitclubtest.Start(t)
	if err := run(addr); err != nil {
		t.Error(err)
	}
	_, err := client.DeleteByFilter(t.Context(), &tupelov1.DeleteByFilterRequest{Filter: &tupelov1.Filter{ObjectType: "run"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := run(addr); err == nil || !strings.Contains(err.Error(), "user:alice has cancel on run:42") {
		t.Errorf("of a server without runs, assert says %v", err)
	}
}
