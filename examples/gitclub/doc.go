// Package gitclub is the example that runs through Tupelo's documentation: a
// code hosting service, GitClub, that was split in two.
//
//	browser ──▶ web   roles of repositories ──── Write ──▶ Tupelo
//	             ▲    zookie kept beside them ◀─ zookie ──┘   ▲
//	             │ GET /repositories/{id}: the zookie         │
//	browser ──▶ jobs  may this user cancel this run? ─ Check ─┘
//	                  at least as fresh as the zookie
//
// With -replica-of, jobs has a replica of Tupelo in its own process, and asks that.
//
// web and jobs are programs of their own, as real services would be. They share
// no database; what they share is here: the policy (schema.zed), the people and
// things it speaks of and what must follow (fixture.yaml), and the
// few lines that any service with an HTTP door and a Tupelo client needs.
//
// Invariants, which TestTheRounds and its neighbours hold:
//
//	G1  web answers a change of a role only after Tupelo has acknowledged it and
//	    its zookie is kept with the repository.
//	G2  The zookie that web keeps is never older than the newest acknowledged
//	    change of the repository; where web does not know one, it says so.
//	G3  jobs never decides at a revision older than the zookie, and asks for a
//	    fully consistent answer where web knows none. So nobody acts on a role
//	    after web has said that it is gone.
//
// Read next: schema.zed, web/roles.go, jobs/runs.go, then rounds/, which
// tries to catch jobs with a stale answer a thousand times.
package gitclub
