package report

import (
	"math"
	"slices"
)

// series is one line of a chart.
type series struct {
	target string // by which it is coloured
	name   string
	points []point
}

// lineChart is a chart of lines, each labelled at its end, on logarithmic scales.
type lineChart struct {
	title, below   string
	said           string // for who cannot see it
	xTitle, yTitle string
	xTicks         []tick // where given, what is labelled below
	xText, yText   func(float64) string
	series         []series
	smooth         bool // many points, which are not marked
}

// tick labels a value of a scale.
type tick struct {
	value float64
	label string
}

// The layout of all charts, in pixels.
const (
	chartWidth  = 860
	chartHeight = 400
	margin      = 16
	headHeight  = 64
	footHeight  = 48
	axisWidth   = 56
	plotTop     = headHeight + 22 // below the title of the vertical axis
	labelHeight = 16
	labelGap    = 14
)

// draw returns the chart as SVG.
func (c lineChart) draw(t theme) string {
	widest := 0.0
	var xs, ys []float64
	for _, s := range c.series {
		widest = max(widest, textWidth(s.name))
		for _, p := range s.points {
			xs, ys = append(xs, p.x), append(ys, p.y)
		}
	}
	for _, k := range c.xTicks {
		xs = append(xs, k.value)
	}
	height := max(chartHeight, plotTop+footHeight+labelHeight*float64(len(c.series)+1))
	x := logScale(xs, margin+axisWidth, chartWidth-margin-widest-labelGap-8)
	if len(xs) > 0 {
		x.low, x.high = slices.Min(xs), slices.Max(xs)
	}
	y := logScale(ys, height-footHeight, plotTop)
	d := begin(t, chartWidth, height, c.title, c.said)
	d.heading(c.title, c.below)
	c.axes(d, x, y)
	variants := variantsOf(c.series)
	ends := make([]label, len(c.series))
	for i, s := range c.series {
		colour, dash := t.colour(s.target), dashes[variants[i]%len(dashes)]
		places := make([]point, len(s.points))
		for j, p := range s.points {
			places[j] = point{x.at(p.x), y.at(p.y)}
		}
		if len(places) > 1 {
			d.path(places, colour, dash)
		}
		for _, p := range places {
			if !c.smooth {
				d.marker(p, markers[variants[i]%len(markers)], colour)
			}
		}
		if len(places) > 0 {
			ends[i] = label{name: s.name, colour: colour, from: places[len(places)-1]}
		}
	}
	placeLabels(ends, plotTop, height-footHeight)
	for _, l := range ends {
		if l.name != "" {
			l.draw(d, x.to+labelGap)
		}
	}
	return d.end()
}

// axes draws the grid, the ticks and the titles of both axes.
func (c lineChart) axes(d *drawing, x, y scale) {
	for _, v := range y.ticks() {
		d.line(x.from, y.at(v), x.to, y.at(v), d.grid, 1, "")
		d.text(x.from-8, y.at(v)+4, atEnd, d.faint, c.yText(v))
	}
	ticks := c.xTicks
	if ticks == nil {
		for _, v := range x.ticks() {
			ticks = append(ticks, tick{v, c.xText(v)})
		}
	}
	for _, k := range ticks {
		d.line(x.at(k.value), y.from, x.at(k.value), y.from+4, d.faint, 1, "")
		d.text(x.at(k.value), y.from+18, atMiddle, d.faint, k.label)
	}
	d.line(x.from, y.from, x.to, y.from, d.faint, 1, "")
	d.text((x.from+x.to)/2, y.from+38, atMiddle, d.ink, c.xTitle)
	d.text(margin, headHeight+4, atStart, d.ink, c.yTitle)
}

// label is the name at the end of a line.
type label struct {
	name, colour string
	from         point
	y            float64
}

func (l label) draw(d *drawing, x float64) {
	if math.Abs(l.y-l.from.y) > 2 || x-l.from.x > labelGap+2 {
		d.line(l.from.x+5, l.from.y, x-3, l.y, l.colour, 0.8, "1 3")
	}
	d.text(x, l.y+4, atStart, l.colour, l.name)
}

// placeLabels moves labels apart that would cover each other, and keeps them between top and bottom.
// Labels keep the order of the lines that they name.
func placeLabels(labels []label, top, bottom float64) {
	order := make([]*label, 0, len(labels))
	for i := range labels {
		if labels[i].name != "" {
			labels[i].y = labels[i].from.y
			order = append(order, &labels[i])
		}
	}
	slices.SortStableFunc(order, func(a, b *label) int {
		switch {
		case a.y < b.y:
			return -1
		case a.y > b.y:
			return 1
		}
		return 0
	})
	// Downwards until none covers the one above, then upwards from the bottom: at
	// the end all are apart, as far as there is room.
	for i, l := range order {
		l.y = max(l.y, top)
		if i > 0 {
			l.y = max(l.y, order[i-1].y+labelHeight)
		}
	}
	for i := len(order) - 1; i >= 0; i-- {
		limit := bottom
		if i < len(order)-1 {
			limit = order[i+1].y - labelHeight
		}
		order[i].y = min(order[i].y, limit)
	}
}

// variantsOf numbers the series of each product.
func variantsOf(all []series) []int {
	numbers := make([]int, len(all))
	next := make(map[string]int)
	for i, s := range all {
		colour := light.colour(s.target)
		numbers[i] = next[colour]
		next[colour]++
	}
	return numbers
}
