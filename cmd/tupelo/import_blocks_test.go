package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
)

// blockLines returns what the lines of a text say, each with its number, read in
// blocks whose memory is used again as soon as they are worked off.
func blockLines(t *testing.T, text string) (lines []string, err error) {
	blocks, done := make(chan block), make(chan error, 1)
	go func() {
		defer close(blocks)
		done <- readBlocks(t.Context(), "tuples.txt", iotest.HalfReader(strings.NewReader(text)), blocks)
	}()
	for b := range blocks {
		number := b.first
		for rest := b.text(); rest != ""; number++ {
			var line string
			line, rest, _ = strings.Cut(rest, "\n")
			if line = plainLine(line); line != "" {
				lines = append(lines, fmt.Sprint(number, line))
			}
		}
		b.release()
	}
	return lines, <-done
}

// TestBlocksHoldTheLinesOfAFile reads random files, longer than a block, in blocks
// and line by line.
func TestBlocksHoldTheLinesOfAFile(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var text strings.Builder
		parts := []string{"", "#", "// comment", "a:b#c@d:e", " a:b#c@d:e\t", "a:b#c@d:e # why", `a:b#c@d:e[x:{"y":"# // no"}] // yes`,
			"a:b#c@d:" + strings.Repeat("e", 1000), strings.Repeat(" ", 3000), "/", "a/b:c#d@e:f"}
		for text.Len() < int(seed)*blockBytes/2 {
			text.WriteString(parts[rng.IntN(len(parts))])
			text.WriteString([]string{"\n", "\r\n", "\n\n"}[rng.IntN(3)])
		}
		text.WriteString(parts[rng.IntN(len(parts))])
		var want []string
		for l, err := range linesOf(strings.NewReader(text.String())) {
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, fmt.Sprint(l.number, l.text))
		}
		got, err := blockLines(t, text.String())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("seed %d: %d lines, want %d (%v)", seed, len(got), len(want), err)
		}
	}
}

func TestALineThatIsTooLongIsToldOf(t *testing.T) {
	long := strings.Repeat("x", blockBytes+maxLineBytes)
	_, err := blockLines(t, "a:b#c@d:e\n"+long)
	var at situated
	if !errors.Is(err, errLongLine) || !errors.As(err, &at) || at.place != "tuples.txt:2" {
		t.Errorf("a line longer than a block: %v", err)
	}
	if _, err := resolveLine(nil, long[:maxLineBytes+1]); !errors.Is(err, errLongLine) {
		t.Errorf("a line within a block: %v", err)
	}
}
