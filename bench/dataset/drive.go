package dataset

import (
	"fmt"
	"math/rand/v2"

	"github.com/tupelodb/tupelo/store/tuple"
)

// driveSchema has folders in folders. Whoever is banned from one sees nothing
// below it either, whatever is said above; and a link lets everybody in but those
// who are banned from the file itself.
const driveSchema = `
definition user {}

definition group {
	relation member: user
}

definition folder {
	relation parent: folder
	relation owner: user
	relation viewer: user | group#member
	relation banned: user
	permission view = (owner + viewer + parent->view) - banned
}

definition file {
	relation folder: folder
	relation viewer: user | user:*
	relation banned: user
	permission view = (viewer + folder->view) - banned
}
`

// The proportions of one drive: a root, folders in it, folders in each of them, and
// files in each of these. Folder 0 is the root, 1 to 4 are in it, and 5 to 20 in
// these by fours.
const (
	driveBranch  = 4
	driveFolders = 1 + driveBranch + driveBranch*driveBranch
	driveFirst   = 1 + driveBranch // of the folders that hold files
	driveFiles   = 4               // of a folder
)

// The users of a drive, by their numbers: the owner; the group's, who view the root;
// four who view one folder each of the second level; four who view the root and are
// banned from one of these each; and four who view nothing but what everybody may.
// The first of the last is banned from the public files, the group's first from the
// file after that.
const (
	driveOwner    = 0
	driveGroup    = 1
	driveViewers  = 8
	driveBanned   = driveViewers + driveBranch
	driveNobodies = driveBanned + driveBranch
	driveUsers    = driveNobodies + driveBranch

	publicFile = 0 // of a folder
	bannedFile = 1
)

const driveTuples = 1 + (driveViewers - driveGroup) + 1 + // owner, group, its view
	3*driveBranch + // viewers of the second level, viewers of the root, bans
	driveFolders - 1 + // parents
	driveBranch*driveBranch*(driveFiles+3) // files, links, bans from files

type driveWorld struct {
	drives int
	seed   uint64
}

func drive(n int, seed uint64) *world {
	w := driveWorld{places(n, driveTuples), seed}
	return &world{
		schema:  driveSchema,
		count:   w.drives * driveTuples,
		tuples:  placesOf(w.drives, w.drive),
		reads:   reads{w.check, w.listObjects, w.listSubjects},
		written: written{"folder", "viewer", "view"},
	}
}

func (w driveWorld) user(drive, i int) string { return userID(drive*driveUsers+i, w.seed) }

func driveFolder(drive, folder int) string { return fmt.Sprintf("d%d-folder%d", drive, folder) }

func driveFile(drive, folder, file int) string {
	return fmt.Sprintf("d%d-folder%d-file%d", drive, folder, file)
}

// above is the folder that a folder is in.
func above(folder int) int { return (folder - 1) / driveBranch }

func (w driveWorld) drive(d int, add adder) {
	group := fmt.Sprintf("d%d", d)
	add("folder", driveFolder(d, 0), "owner", "user", w.user(d, driveOwner), "")
	add("folder", driveFolder(d, 0), "viewer", "group", group, "member")
	for i := driveGroup; i < driveViewers; i++ {
		add("group", group, "member", "user", w.user(d, i), "")
	}
	for i := range driveBranch {
		add("folder", driveFolder(d, 1+i), "viewer", "user", w.user(d, driveViewers+i), "")
		add("folder", driveFolder(d, 0), "viewer", "user", w.user(d, driveBanned+i), "")
		add("folder", driveFolder(d, 1+i), "banned", "user", w.user(d, driveBanned+i), "")
	}
	for f := 1; f < driveFolders; f++ {
		add("folder", driveFolder(d, f), "parent", "folder", driveFolder(d, above(f)), "")
	}
	for f := driveFirst; f < driveFolders; f++ {
		for i := range driveFiles {
			add("file", driveFile(d, f, i), "folder", "folder", driveFolder(d, f), "")
		}
		public := driveFile(d, f, publicFile)
		add("file", public, "viewer", "user", tuple.WildcardID, "")
		add("file", public, "banned", "user", w.user(d, driveNobodies), "")
		add("file", driveFile(d, f, bannedFile), "banned", "user", w.user(d, driveGroup), "")
	}
}

// viewsFolder reports whether the i-th user of a drive views a folder of it.
func viewsFolder(i, folder int) bool {
	for folder >= driveFirst {
		folder = above(folder) // what a folder of the third level inherits is all it has
	}
	switch {
	case i < driveViewers:
		return true // the owner and the group
	case i < driveBanned:
		return folder == 1+i-driveViewers
	case i < driveNobodies:
		return folder != 1+i-driveBanned
	}
	return false
}

// viewsFile reports whether the i-th user of a drive views a file of it.
func viewsFile(i, folder, file int) bool {
	switch file {
	case publicFile:
		return i != driveNobodies
	case bannedFile:
		return i != driveGroup && viewsFolder(i, folder)
	}
	return viewsFolder(i, folder)
}

// check asks about files three times in four, and else about folders; and about
// somebody of the drive as often.
func (w driveWorld) check(r *rand.Rand) Operation {
	drive, of, i := r.IntN(w.drives), 0, r.IntN(driveUsers)
	if of = drive; r.IntN(4) == 0 {
		of = r.IntN(w.drives)
	}
	user, own := w.user(of, i), of == drive
	if r.IntN(4) == 0 {
		folder := r.IntN(driveFolders)
		return check("folder", driveFolder(drive, folder), "view", "user", user, own && viewsFolder(i, folder))
	}
	folder, file := driveFirst+r.IntN(driveFolders-driveFirst), r.IntN(driveFiles)
	yes := own && viewsFile(i, folder, file) || !own && file == publicFile
	return check("file", driveFile(drive, folder, file), "view", "user", user, yes)
}

// listObjects asks for folders: everybody has the public files of all drives.
func (w driveWorld) listObjects(r *rand.Rand) Operation {
	var want Listed
	drive, i := r.IntN(w.drives), r.IntN(driveUsers)
	for folder := range driveFolders {
		if viewsFolder(i, folder) {
			want.Add(driveFolder(drive, folder))
		}
	}
	return listObjects("folder", "view", "user", w.user(drive, i), want)
}

// listSubjects asks about files that are not public: servers differ in how they
// spell everybody but a few.
func (w driveWorld) listSubjects(r *rand.Rand) Operation {
	var want Listed
	drive, folder := r.IntN(w.drives), driveFirst+r.IntN(driveFolders-driveFirst)
	file := bannedFile + r.IntN(driveFiles-bannedFile)
	for i := range driveUsers {
		if viewsFile(i, folder, file) {
			want.Add(w.user(drive, i))
		}
	}
	return listSubjects("file", driveFile(drive, folder, file), "view", "user", want)
}
