// Package codectest holds fast paths of package codec to its invariant C1: what they
// read and write is what the protobuf library would. It is for tests, of all packages
// that know messages.
package codectest
