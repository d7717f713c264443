package main

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// byteSize is a flag's number of bytes: 1048576, 512KiB, 64MiB, 2GiB. Only
// powers of 1,024 have names here, and they are spelled as such.
type byteSize int64

var byteUnits = []struct {
	name  string
	bytes int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}}

// Set reads a size.
func (b *byteSize) Set(text string) error {
	number, factor := text, int64(1)
	for _, unit := range byteUnits {
		if rest, ok := strings.CutSuffix(text, unit.name); ok {
			number, factor = rest, unit.bytes
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/factor {
		return fmt.Errorf("%q is not a size such as 512KiB, 64MiB or 2GiB", text)
	}
	*b = byteSize(n * factor)
	return nil
}

// String spells the size with the largest unit that divides it.
func (b *byteSize) String() string {
	for _, unit := range byteUnits {
		if *b != 0 && int64(*b)%unit.bytes == 0 {
			return strconv.FormatInt(int64(*b)/unit.bytes, 10) + unit.name
		}
	}
	return strconv.FormatInt(int64(*b), 10)
}

// Type names the kind of value in the help.
func (b *byteSize) Type() string { return "size" }

// choice is a flag's word out of a few.
type choice struct {
	value string
	among []string
}

// Set takes one of the words.
func (c *choice) Set(text string) error {
	if !slices.Contains(c.among, text) {
		return fmt.Errorf("%q is not one of %s", text, strings.Join(c.among, ", "))
	}
	c.value = text
	return nil
}

// String returns the word.
func (c *choice) String() string { return c.value }

// Type names the words in the help.
func (c *choice) Type() string { return strings.Join(c.among, "|") }
