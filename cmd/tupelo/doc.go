// Command tupelo is the one binary of Tupelo: the server and its clients.
//
// The picture to have in mind: a tree of commands on the left, and behind each
// either a call of the gRPC API or, for serve alone, a replica.
//
//	tupelo serve ──▶ package replica ──▶ listeners
//	tupelo check, expand, list, read, write, delete, import, export, watch, cluster,
//	       schema read|write|impact, schema diff NEW ──▶ client ──▶ gRPC
//	tupelo bench ──▶ packages dataset, target, load ──▶ gRPC, of servers of several makes
//	tupelo schema check|fmt, schema diff OLD NEW, validate, cert, version ──▶ (no server)
//
// No logic lives here. serve turns settings into the options of a replica; the
// rest turns words into messages and messages into words.
//
// Rules that hold for every command:
//
//	C1  Results go to standard output, diagnostics to standard error. With
//	    --json both are JSON objects, one a line, and results are the API's
//	    response messages.
//	C2  Exit status 0 is success or yes, 1 is no (of check, validate, schema check,
//	    schema fmt --check, cert show, cluster status, cluster verify and bench)
//	    or, of schema diff and impact, that something changes, 2 is an error: there is no
//	    answer, and 3 is of check alone: yes or no, depending on context that was
//	    not given. What is not a plain yes is never 0, and no line of a list that
//	    is not one looks like one.
//	C3  A write is acknowledged when its zookie is printed; nothing is printed
//	    before the server has acknowledged it.
//	C4  A setting comes from its flag, else from its TUPELO_ variable, else from
//	    the file that --config names. What only one call asks for is an argument,
//	    and never comes from the environment: no variable turns a write into a delete.
//	    A secret of another server is a setting, and no secret of Tupelo's
//	    environment is shown to one.
//	C5  A tuple is printed as write and import read it, with all that it carries.
//	C6  What --resume remembers of an import is that all before it is written:
//	    an import that goes on from there loses nothing, however the one before it
//	    ended. What it writes again does no harm.
//
// Other stores come in through an origin (import_origin.go): a server of SpiceDB's
// protocol, which package api/authzed reads, or a file that its package backup reads.
// Neither the protocol nor the form of the file is known here.
//
// Read next: root.go, then serve.go.
package main
