package report

import (
	"fmt"
	"math"
	"strconv"
)

// scale maps values between low and high to pixels between from and to.
type scale struct {
	low, high float64
	from, to  float64
	log       bool
}

// at returns where a value is; what is out of the scale is at its nearer end.
func (s scale) at(v float64) float64 {
	low, high := s.low, s.high
	if s.log {
		v, low, high = math.Log(max(v, s.low)), math.Log(low), math.Log(high)
	}
	if high <= low {
		return s.from
	}
	return s.from + min(max((v-low)/(high-low), 0), 1)*(s.to-s.from)
}

// logScale returns a logarithmic scale that holds all values, from one of 1, 2, 5 times a power of ten to another.
func logScale(values []float64, from, to float64) scale {
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	if high == 0 {
		low, high = 1, 10
	}
	s := scale{low: roundStep(low, false), high: roundStep(high, true), from: from, to: to, log: true}
	if s.high <= s.low {
		s.high = roundStep(s.low*1.01, true)
	}
	return s
}

// steps are the values that people count by.
var steps = []float64{1, 2, 5}

// roundStep returns the nearest of 1, 2, 5 times a power of ten that is not above the value, or not below it.
func roundStep(v float64, up bool) float64 {
	best := 0.0
	magnitude := math.Floor(math.Log10(v))
	for e := magnitude - 1; e <= magnitude+1; e++ {
		for _, m := range steps {
			s := decimal(m, int(e))
			switch {
			case up && s >= v*(1-1e-9):
				return s
			case !up && s <= v*(1+1e-9):
				best = s
			}
		}
	}
	return best
}

// decimal returns m × 10^e as it is spelled, which repeated multiplication does not.
func decimal(m float64, e int) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(m, 'f', -1, 64)+"e"+strconv.Itoa(e), 64)
	return v
}

// ticks returns the values of a logarithmic scale to label: 1, 2, 5, 10 … if there is room, else powers of ten.
func (s scale) ticks() []float64 {
	const few = 9
	var all, powers []float64
	for e := int(math.Floor(math.Log10(s.low))); decimal(1, e) <= s.high; e++ {
		for _, m := range steps {
			v := decimal(m, e)
			if v < s.low*(1-1e-9) || v > s.high*(1+1e-9) {
				continue
			}
			all = append(all, v)
			if m == 1 {
				powers = append(powers, v)
			}
		}
	}
	if len(all) <= few || len(powers) < 2 {
		return all
	}
	return powers
}

// count spells a number of things: 1,234 and 12 k and 1.5 M.
func count(v float64) string {
	switch {
	case v >= 999_500:
		return digits(v/1e6) + " M"
	case v >= 9_999.5:
		return digits(v/1e3) + " k"
	}
	return digits(v)
}

// seconds spells a time in the unit that suits it.
func seconds(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 999.5e-9:
		return digits(v*1e9) + " ns"
	case v < 999.5e-6:
		return digits(v*1e6) + " µs"
	case v < 999.5e-3:
		return digits(v*1e3) + " ms"
	}
	return digits(v) + " s"
}

// times spells a ratio.
func times(v float64) string { return digits(v) + "×" }

// digits spells a value with the two or three digits that a measurement of seconds can bear.
func digits(v float64) string {
	switch {
	case v >= 999.5:
		return fmt.Sprintf("%d,%03d", int(math.Round(v))/1000, int(math.Round(v))%1000)
	case v >= 9.95:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 0.995:
		return trimZero(strconv.FormatFloat(v, 'f', 1, 64))
	}
	return trimZero(strconv.FormatFloat(v, 'f', 2, 64))
}

func trimZero(s string) string {
	for len(s) > 1 && s[len(s)-1] == '0' {
		s = s[:len(s)-1]
	}
	if s[len(s)-1] == '.' {
		s = s[:len(s)-1]
	}
	return s
}

// size spells a size of memory.
func size(v float64) string {
	if v >= 1<<30 {
		return digits(v/(1<<30)) + " GiB"
	}
	return digits(v/(1<<20)) + " MiB"
}
