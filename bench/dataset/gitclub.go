package dataset

import (
	"fmt"
	"math/rand/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// GitClubSchema is GitClub's and GitClub Jobs' policy.
const GitClubSchema = `
definition user {}

definition team {
	relation member: user | team#member
}

definition organization {
	relation owner: user
	relation member: user
	permission administer = owner
	permission read = member + owner
}

definition repository {
	relation org: organization
	relation reader: user | team#member
	relation maintainer: user | team#member
	relation admin: user | team#member
	permission administer = admin + org->administer
	permission maintain = maintainer + administer
	permission read = reader + maintain + org->read
}

definition job {
	relation repo: repository
	relation creator: user
	permission view = repo->read
	permission cancel = creator + repo->maintain
}

definition run {
	relation job: job
	permission view = job->view
	permission cancel = job->cancel
}
`

// The proportions of one organization.
const (
	orgMembers   = 6
	teams        = 4
	teamMembers  = 6
	repositories = 10
	jobsOfRepo   = 3
	runsOfJob    = 5

	// orgStep is how many users the next organization is further on: each has
	// users of the one before it and of the one before that.
	orgStep = orgMembers / 2
	// orgUsers is how many users an organization knows; the last of them are in
	// teams and not members.
	orgUsers = teams - 1 + teamMembers
)

// GitClub calls visit for at least n tuples, organization by organization, and
// returns how many there were. Equal n give equal tuples.
func GitClub(n int, visit func(tuple.Named)) int {
	count := 0
	for t := range gitClub(n, 0).tuples {
		count++
		visit(t)
	}
	return count
}

// gitClub is a world of n tuples or some more, so that organizations are whole.
func gitClub(n int, seed uint64) *world {
	g := gitClubWorld{orgs: places(n, orgTuples()), seed: seed}
	return &world{
		schema: GitClubSchema,
		count:  g.orgs * orgTuples(),
		tuples: placesOf(g.orgs, g.organization),
		reads: reads{
			check:        func(r *rand.Rand) Operation { return g.check(r, r.IntN(g.orgs)) },
			listObjects:  g.listObjects,
			listSubjects: func(r *rand.Rand) Operation { return g.listSubjects(r, r.IntN(g.orgs)) },
		},
		written: written{"repository", "maintainer", "maintain"},
	}
}

// hot is GitClub's world, of which one organization in a few gets most of what is
// asked: the k-th most popular in proportion to k^-1.1.
func hot(n int, seed uint64) *world {
	w := gitClub(n, seed)
	g := gitClubWorld{orgs: places(n, orgTuples()), seed: seed}
	popular := func(r *rand.Rand) int {
		rank := rand.NewZipf(r, zipfExponent, 1, uint64(g.orgs-1)).Uint64()
		return int(rank * 1_000_003 % uint64(g.orgs)) // neighbours in rank are none on disk
	}
	w.reads.check = func(r *rand.Rand) Operation { return g.check(r, popular(r)) }
	w.reads.listObjects = func(r *rand.Rand) Operation { return g.listObjectsOf(popular(r)*orgStep + r.IntN(orgUsers)) }
	w.reads.listSubjects = func(r *rand.Rand) Operation { return g.listSubjects(r, popular(r)) }
	return w
}

const zipfExponent = 1.1

type gitClubWorld struct {
	orgs int
	seed uint64
}

// orgTuples is how many tuples organization adds.
func orgTuples() int {
	inTeams := teams*teamMembers + teams - 1
	inRepository := 3 + jobsOfRepo*(2+runsOfJob)
	return 1 + orgMembers + inTeams + repositories*inRepository
}

// user is the id of the k-th user. 7919 has no factor in common with the number of
// ids, so no two are one.
func (g gitClubWorld) user(k int) string {
	const ids = 10_000_000
	return fmt.Sprintf("u%d", (uint64(k)*7919+g.seed%ids*104_729)%ids)
}

// users is how many users there are.
func (g gitClubWorld) users() int { return (g.orgs-1)*orgStep + orgUsers }

// organization adds one organization. Users belong to up to three, so that groups
// overlap.
func (g gitClubWorld) organization(org int, add adder) {
	user := func(i int) string { return g.user(org*orgStep + i) }
	id := fmt.Sprintf("org%d", org)
	add("organization", id, "owner", "user", user(0), "")
	for i := range orgMembers {
		add("organization", id, "member", "user", user(i), "")
	}
	team := func(i int) string { return fmt.Sprintf("org%d-team%d", org, i) }
	for i := range teams {
		for j := range teamMembers {
			add("team", team(i), "member", "user", user(i+j), "")
		}
		if i > 0 {
			add("team", team(i-1), "member", "team", team(i), "member")
		}
	}
	for i := range repositories {
		repository(fmt.Sprintf("org%d-repo%d", org, i), id, team(i%teams), user, add)
	}
}

func repository(id, org, team string, user func(int) string, add adder) {
	add("repository", id, "org", "organization", org, "")
	add("repository", id, "reader", "team", team, "member")
	add("repository", id, "maintainer", "user", user(1), "")
	for i := range jobsOfRepo {
		job := fmt.Sprintf("%s-job%d", id, i)
		add("job", job, "repo", "repository", id, "")
		add("job", job, "creator", "user", user(2+i), "")
		for j := range runsOfJob {
			add("run", fmt.Sprintf("%s-run%d", job, j), "job", "job", job, "")
		}
	}
}

// The roles of the users of an organization, by their number in it: 0 owns it, 1
// maintains its repositories, and 2 and on have each created a job in each of them.
func maintains(i int) bool       { return i == 0 || i == 1 }
func cancels(i, job int) bool    { return maintains(i) || i == 2+job }
func belongs(i int) bool         { return i >= 0 && i < orgUsers } // by membership or a team, which all read
func numberIn(org, user int) int { return user - org*orgStep }

// check asks what services ask: mostly whether somebody may cancel or view a run,
// and sometimes about a repository; half of the time about one of its own.
func (g gitClubWorld) check(r *rand.Rand, org int) Operation {
	user := org*orgStep + r.IntN(orgUsers)
	if r.IntN(2) == 0 {
		user = r.IntN(g.users())
	}
	i := numberIn(org, user)
	repo, job := r.IntN(repositories), r.IntN(jobsOfRepo)
	id := fmt.Sprintf("org%d-repo%d", org, repo)
	run := fmt.Sprintf("%s-job%d-run%d", id, job, r.IntN(runsOfJob))
	switch n := r.IntN(10); {
	case n < 6:
		return check("run", run, "cancel", "user", g.user(user), cancels(i, job))
	case n < 8:
		return check("run", run, "view", "user", g.user(user), belongs(i))
	case n < 9:
		return check("repository", id, "maintain", "user", g.user(user), maintains(i))
	default:
		return check("repository", id, "read", "user", g.user(user), belongs(i))
	}
}

// listObjects asks which repositories a user may read.
func (g gitClubWorld) listObjects(r *rand.Rand) Operation { return g.listObjectsOf(r.IntN(g.users())) }

func (g gitClubWorld) listObjectsOf(user int) Operation {
	var want Listed
	for org := max(0, user/orgStep-orgUsers); org < g.orgs && org*orgStep <= user; org++ {
		for repo := range repositories {
			if belongs(numberIn(org, user)) {
				want.Add(fmt.Sprintf("org%d-repo%d", org, repo))
			}
		}
	}
	return listObjects("repository", "read", "user", g.user(user), want)
}

// listSubjects asks who may cancel a run, or read a repository.
func (g gitClubWorld) listSubjects(r *rand.Rand, org int) Operation {
	var want Listed
	repo, job, read := r.IntN(repositories), r.IntN(jobsOfRepo), r.IntN(2) == 0
	for i := range orgUsers {
		if read || cancels(i, job) {
			want.Add(g.user(org*orgStep + i))
		}
	}
	id := fmt.Sprintf("org%d-repo%d", org, repo)
	if read {
		return listSubjects("repository", id, "read", "user", want)
	}
	return listSubjects("run", fmt.Sprintf("%s-job%d-run%d", id, job, r.IntN(runsOfJob)), "cancel", "user", want)
}
