package main

import (
	"fmt"
	"strconv"
	"time"
)

// maxDays is a hundred years: more would not fit into a time.Duration for long.
const maxDays = 36500

// day is the unit in which the validity of certificates is counted.
const day = 24 * time.Hour

// days is a flag's number of days.
type days int

// Set reads a number.
func (d *days) Set(text string) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > maxDays {
		return fmt.Errorf("%q is not a number of days up to %d", text, maxDays)
	}
	*d = days(n)
	return nil
}

// String spells the number.
func (d *days) String() string { return strconv.Itoa(int(*d)) }

// Type names the kind of value in the help.
func (d *days) Type() string { return "days" }

func (d days) duration() time.Duration { return time.Duration(d) * day }

// lifetime is duration for certificates to make, which none is zero of.
func (d days) lifetime() (time.Duration, error) {
	if d == 0 {
		return 0, usagef("--days must be above zero")
	}
	return d.duration(), nil
}
