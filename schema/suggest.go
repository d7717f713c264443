package schema

// maxSuggestBytes bounds the work of [Suggest] for names that come from outside.
const maxSuggestBytes = 128

// Suggest returns the candidate that name is most likely a misspelling of, for
// a hint such as "did you mean `maintainer`?". Of equally near candidates it
// takes the first. It is not ok if none is near: more than a third of the
// name would have to change.
func Suggest(name string, candidates []string) (nearest string, ok bool) {
	if name == "" || len(name) > maxSuggestBytes {
		return "", false
	}
	best := 1 + max(1, len(name)/3)
	for _, c := range candidates {
		if c == name || len(c) > maxSuggestBytes || abs(len(c)-len(name)) >= best {
			continue
		}
		if d := editDistance(name, c, best); d < best {
			best, nearest, ok = d, c, true
		}
	}
	return nearest, ok
}

// editDistance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b, byte by byte; from limit on it does not count.
func editDistance(a, b string, limit int) int {
	// Cells as far off the diagonal as the limit can only hold more than it.
	before, above, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = min(j, limit)
	}
	for i := 1; i <= len(a); i++ {
		before, above, row = above, row, before
		for j := range row {
			row[j] = limit
		}
		row[0] = min(i, limit)
		for j := max(1, i-limit); j <= min(len(b), i+limit); j++ {
			replace := above[j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			row[j] = min(replace, above[j]+1, row[j-1]+1, limit)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
