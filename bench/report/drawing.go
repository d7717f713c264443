package report

import (
	"math"
	"strconv"
	"strings"
)

// theme holds the colours of one background.
type theme struct {
	// suffix is what the names of its files end in, before .svg.
	suffix           string
	background       string
	ink, faint, grid string
	products         map[string]string
	others           []string // for products that have no colour of their own
}

// The colours of products are Okabe and Ito's, which people who confuse red and
// green tell apart; on dark ground their lighter neighbours. Variants of one
// product differ by dashes and markers, so that nothing hangs on colour alone.
var (
	light = theme{
		suffix: "", background: "#ffffff", ink: "#1f2328", faint: "#59636e", grid: "#d8dee4",
		products: map[string]string{"tupelo": "#0072b2", "spicedb": "#d55e00", "openfga": "#00805e", "keto": "#aa4c86", "permify": "#8a6d00", "echo": "#6e7781"},
		others:   []string{"#1f2328", "#7d4e00"},
	}
	dark = theme{
		suffix: "-dark", background: "#0d1117", ink: "#e6edf3", faint: "#9198a1", grid: "#2a313a",
		products: map[string]string{"tupelo": "#56b4e9", "spicedb": "#ff9444", "openfga": "#35c49b", "keto": "#e79ac6", "permify": "#e0c341", "echo": "#9198a1"},
		others:   []string{"#e6edf3", "#f0e442"},
	}
)

// colour returns the colour of a target, by the product that its id begins with.
func (t theme) colour(target string) string {
	product, _, _ := strings.Cut(target, "-")
	if c, ok := t.products[product]; ok {
		return c
	}
	return t.others[len(product)%len(t.others)]
}

// dashes and markers tell the variants of one product apart, in the order in which they were measured.
var (
	dashes  = []string{"", "7 4", "2 4", "9 3 2 3", "4 2"}
	markers = []string{"circle", "square", "diamond", "triangle", "cross"}
)

// drawing is one SVG file as it is written. Lengths are pixels from the upper left corner.
type drawing struct {
	strings.Builder
	theme
}

// Sizes of text, in pixels.
const (
	titleSize = 16
	textSize  = 12
)

// begin opens a drawing; what is said of it is for who cannot see it.
func begin(t theme, width, height float64, title, said string) *drawing {
	d := &drawing{theme: t}
	d.put(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 `, px(width), ` `, px(height), `" width="`, px(width), `" height="`, px(height),
		`" role="img" font-family="-apple-system, 'Segoe UI', Helvetica, Arial, 'Liberation Sans', sans-serif" font-size="`, px(textSize), `">`, "\n")
	d.put(`<title>`, escape(title), "</title>\n<desc>", escape(said), "</desc>\n")
	d.put(`<rect width="100%" height="100%" fill="`, t.background, `"/>`, "\n")
	return d
}

func (d *drawing) end() string {
	d.put("</svg>\n")
	return d.String()
}

func (d *drawing) put(parts ...string) {
	for _, part := range parts {
		d.WriteString(part)
	}
}

// anchors say which part of a text stands at its place.
const (
	atStart  = "start"
	atMiddle = "middle"
	atEnd    = "end"
)

// text writes a line of text, its baseline at y.
func (d *drawing) text(x, y float64, anchor, colour, s string) {
	d.styled(x, y, anchor, colour, "", s)
}

func (d *drawing) styled(x, y float64, anchor, colour, style, s string) {
	d.put(`<text x="`, px(x), `" y="`, px(y), `" text-anchor="`, anchor, `" fill="`, colour, `"`, style, `>`, escape(s), "</text>\n")
}

// heading writes the title of a chart and a line below it.
func (d *drawing) heading(title, below string) {
	d.styled(margin, 26, atStart, d.ink, ` font-size="`+px(titleSize)+`" font-weight="600"`, title)
	d.text(margin, 46, atStart, d.faint, below)
}

// line draws from one point to another. Dash is a pattern, or nothing for a whole line.
func (d *drawing) line(x1, y1, x2, y2 float64, colour string, width float64, dash string) {
	d.put(`<line x1="`, px(x1), `" y1="`, px(y1), `" x2="`, px(x2), `" y2="`, px(y2), `" stroke="`, colour, `" stroke-width="`, px(width), `"`)
	if dash != "" {
		d.put(` stroke-dasharray="`, dash, `"`)
	}
	d.put("/>\n")
}

// path draws a line through points.
func (d *drawing) path(points []point, colour, dash string) {
	d.put(`<polyline fill="none" stroke="`, colour, `" stroke-width="2" stroke-linejoin="round" points="`)
	for i, p := range points {
		if i > 0 {
			d.put(" ")
		}
		d.put(px(p.x), ",", px(p.y))
	}
	d.put(`"`)
	if dash != "" {
		d.put(` stroke-dasharray="`, dash, `"`)
	}
	d.put("/>\n")
}

// bar draws a bar; hollow ones are of targets that gave wrong answers.
func (d *drawing) bar(x, y, width, height float64, colour string, hollow bool) {
	fill := `" fill="` + colour + `"`
	if hollow {
		fill = `" fill="none" stroke="` + colour + `" stroke-dasharray="3 2"`
	}
	d.put(`<rect x="`, px(x), `" y="`, px(y), `" width="`, px(width), `" height="`, px(height), `" rx="1.5`, fill, "/>\n")
}

// marker marks a point by one of the markers.
func (d *drawing) marker(p point, kind, colour string) {
	const r = 4
	polygon := func(corners ...float64) {
		d.put(`<polygon fill="`, colour, `" points="`)
		for i := 0; i < len(corners); i += 2 {
			d.put(px(p.x+corners[i]), ",", px(p.y+corners[i+1]), " ")
		}
		d.put("\"/>\n")
	}
	switch kind {
	case "square":
		polygon(-r+.5, -r+.5, r-.5, -r+.5, r-.5, r-.5, -r+.5, r-.5)
	case "diamond":
		polygon(0, -r-1, r+1, 0, 0, r+1, -r-1, 0)
	case "triangle":
		polygon(0, -r-1, r+1, r, -r-1, r)
	case "cross":
		d.line(p.x-r, p.y-r, p.x+r, p.y+r, colour, 2, "")
		d.line(p.x-r, p.y+r, p.x+r, p.y-r, colour, 2, "")
	default:
		d.put(`<circle cx="`, px(p.x), `" cy="`, px(p.y), `" r="`, px(r), `" fill="`, colour, "\"/>\n")
	}
}

// point is a place in a drawing, or a value in a chart.
type point struct{ x, y float64 }

// px spells a length to a tenth of a pixel: what computers round differently is not in it.
func px(v float64) string {
	v = math.Round(v*10) / 10
	if v == 0 {
		v = 0 // never -0
	}
	return strconv.FormatFloat(v, 'f', -1, 64)
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace

// textWidth estimates how wide a text is, a little generously, as every reader has another font.
func textWidth(s string) float64 {
	width := 0.0
	for _, r := range s {
		switch {
		case strings.ContainsRune("iljtfrI.,:;|!'()[] ·", r):
			width += 0.34
		case strings.ContainsRune("mwMW", r):
			width += 0.9
		case r >= 'A' && r <= 'Z':
			width += 0.72
		default:
			width += 0.57
		}
	}
	return width * textSize
}
