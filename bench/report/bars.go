package report

// barChart is a chart of horizontal bars in groups, on a logarithmic scale that
// begins at 1: a bar is as long as its value is away from that, to the left if it is less.
type barChart struct {
	title, below string
	said         string // for who cannot see it
	xTitle       string
	groups       []barGroup
}

// barGroup is the bars of one question.
type barGroup struct {
	name string
	bars []bar
}

// bar is one value with what is written beside it. Without a value there is only the text.
type bar struct {
	target string
	name   string
	value  float64
	text   string
	hollow bool // what it measured was wrong
}

// The layout of bars, in pixels.
const (
	barHeight   = 14
	barPitch    = 20
	groupHeight = 30
)

// draw returns the chart as SVG.
func (c barChart) draw(t theme) string {
	height := headHeight + footHeight + 0.0
	widest, widestText := 0.0, 0.0
	values := []float64{1}
	for _, g := range c.groups {
		height += groupHeight + barPitch*float64(len(g.bars))
		for _, b := range g.bars {
			widest, widestText = max(widest, textWidth(b.name)), max(widestText, textWidth(b.text))
			values = append(values, b.value)
		}
	}
	x := logScale(values, margin+widest+12, chartWidth-margin-widestText-10)
	d := begin(t, chartWidth, height, c.title, c.said)
	d.heading(c.title, c.below)
	for _, v := range x.ticks() {
		d.line(x.at(v), headHeight, x.at(v), height-footHeight, t.grid, 1, "")
		d.text(x.at(v), height-footHeight+16, atMiddle, t.faint, times(v))
	}
	y := float64(headHeight)
	for _, g := range c.groups {
		d.styled(margin, y+20, atStart, t.ink, ` font-weight="600"`, g.name)
		y += groupHeight
		for _, b := range g.bars {
			b.draw(d, x, y)
			y += barPitch
		}
	}
	d.line(x.at(1), headHeight, x.at(1), height-footHeight, t.faint, 1.5, "")
	d.text((x.from+x.to)/2, height-footHeight+36, atMiddle, t.ink, c.xTitle)
	return d.end()
}

func (b bar) draw(d *drawing, x scale, y float64) {
	base := y + barHeight - 3
	d.text(x.from-8, base, atEnd, d.ink, b.name)
	if b.value <= 0 {
		d.text(x.at(1)+6, base, atStart, d.faint, b.text)
		return
	}
	left, right := min(x.at(1), x.at(b.value)), max(x.at(1), x.at(b.value))
	d.bar(left, y, max(right-left, 2), barHeight, d.colour(b.target), b.hollow)
	d.text(right+6, base, atStart, d.ink, b.text)
}
