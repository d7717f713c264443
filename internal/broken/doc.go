// Package broken names promises of the product that tests break on purpose, to
// see whether other tests notice. Packages raft, store and api each have a
// method Break that takes such a name.
//
// What this package is not: a switch for anybody else. A [Promise] can only be
// had from here, and only this module can import what is internal to it; there
// is no text, flag or build tag that stands for one, and a server has none.
//
// Read next: package raft/sim, which breaks each but those of the caches of
// tuplesets and groups; these package store breaks in its tests, step by step, and package
// replica under load.
package broken
