// Package backup reads and writes the files of `zed backup`, in which a SpiceDB
// leaves its schema and relationships, or finds them.
//
// A file is an Avro object container. Its records are of two kinds, told by a number
// before each: one schema_v1, which comes first, and any number of relationship_v1.
//
//	file    "Obj" 01 │ metadata: avro.schema, avro.codec, the ZedToken │ marker (16) │ block ...
//	block   records │ bytes │ the records, compressed │ marker (16)
//	record  kind │ its fields, in the order that avro.schema has them
//
// Numbers are zigzag varints, and texts have their length before them. What is
// compressed by Snappy has its CRC-32 behind it.
//
// The container is read here, without a library for Avro, because a file is input:
// those there are make as much room as a damaged length says, or panic.
//
// Invariants:
//
//   - K1. Whatever is in a file, reading it ends in tuples or in an error of
//     errors.go, and holds one block at a time, of at most maxBlockBytes.
//   - K2. A relationship comes to say what it said: a field that this version does
//     not know is refused, and an expiration is never taken for none. Older files
//     leave expirations out: they are read only if their schema lets nothing expire.
//   - K3. An expiration is written in whole milliseconds, the earlier ones: it is
//     all that the form has.
//
// Read next: reader.go.
package backup
