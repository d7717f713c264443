// Package durable has names in directories survive a loss of power: a file system
// keeps what is in a file once the file is synced, and that there is one, under
// which name, once its directory is.
//
// It is what the log, the state and the directory around them have in common, who
// do not know each other. It syncs no files: whoever writes one does.
//
// Read [Markers] next, which the two databases are opened with.
package durable
