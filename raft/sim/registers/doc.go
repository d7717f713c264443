// Package registers spells the registers of package history in the protocol:
// what to send in order to write and read them, and what an answer says of them.
//
// A register is an object of the type doc. Bit 3 of its number is set if the user
// b3 has it:
//
//	doc:r1#has@user:b0, doc:r1#has@user:b3   r1 holds 9
//
// One register is the schema itself. Its number is in its first line, and is told
// by checks too: permission bit3 of the one object sys:sys leads to a tuple if the
// number has that bit, and to none if it has not.
//
// What this package is not: it calls nobody, and notes nothing.
//
// Read next: registers.go.
package registers
