// Package golden compares what a test sees with a file that shows how it must be,
// or with -update writes the file anew, for somebody to read the difference. For
// tests only.
//
// [File] is for one text, [Cases] for a list of inputs with what comes of each.
// Whoever compares in another way asks [Update].
package golden
