package schema

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

const gitClub = `
definition user {}
definition organization {
	relation owner: user
	relation member: user
	permission administer = owner
	permission read = owner + member
}
definition team {
	relation member: user | team#member
}
definition repository {
	relation organization: organization
	relation reader: user | team#member
	relation maintainer: user | team#member
	relation admin: user
	permission administer = admin + organization->administer
	permission maintain = maintainer + administer
	permission read = reader + maintain + organization->read
}
definition job {
	relation repository: repository
	relation creator: user
	permission view = repository->read
	permission cancel = (creator & view) + repository->maintain
}
definition run {
	relation job: job
	permission view = job->view
	permission cancel = job->cancel
}
`

// tangled returns as large a schema as is allowed, of permissions that all
// come to one another: the worst case of what compiling computes.
func tangled() string {
	rng := rand.New(rand.NewPCG(1, 1))
	var b strings.Builder
	b.WriteString("definition user {}\ndefinition doc {\nrelation own: user\nrelation parent: doc\n")
	for i := range MaxMembers - 2 {
		a := func() string { return fmt.Sprintf("parent->p%04d", rng.IntN(MaxMembers-2)) }
		fmt.Fprintf(&b, "permission p%04d = parent->p%04d + (%s & %s & (own + %s)) + (%s - %s) + own\n",
			i, (i+MaxMembers-3)%(MaxMembers-2), a(), a(), a(), a(), a())
	}
	return b.String() + "}"
}

func BenchmarkLoadGitClub(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(gitClub)))
	for b.Loop() {
		mustLoad(b, gitClub)
	}
}

func BenchmarkFormatGitClub(b *testing.B) {
	s := mustLoad(b, gitClub)
	b.ReportAllocs()
	for b.Loop() {
		Format(s)
	}
}

func benchmarkCompile(b *testing.B, text string) {
	s := mustLoad(b, text)
	n := numbered(s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile(s, n); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompileGitClub(b *testing.B) { benchmarkCompile(b, gitClub) }

func BenchmarkCompileLargestSchema(b *testing.B) { benchmarkCompile(b, tangled()) }

func BenchmarkReaches(b *testing.B) {
	p := mustCompile(b, gitClub)
	typeIndex, _ := p.TypeByName("run")
	slot, _ := p.Slot(typeIndex, "cancel")
	b.ReportAllocs()
	for b.Loop() {
		if !p.Reaches(slot, 1, selfNumber) {
			b.Fatal("a user cannot cancel a run")
		}
	}
}
