package bench

import (
	"fmt"
	"html"
	"math"
	"slices"
	"strings"
)

// colours is how many the page's style names; see htmlStyle.
const colours = 6

// plotLine is a line of a plot, its points in any order.
type plotLine struct {
	name string
	x, y []float64
}

// plotBar is a horizontal bar: share of the full width, from 0 to 1.
type plotBar struct {
	label, words string
	value, share float64
	colour       int
}

// barPlot draws bars below each other. What is beyond the full width ends there.
func barPlot(bars []plotBar) string {
	const width, label, row = 920, 400, 22
	var b strings.Builder
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", width, row*len(bars)+8)
	for i, bar := range bars {
		y := 4 + row*i
		room := float64(width - label - 110)
		length := math.Max(1, math.Min(1, bar.share)*room)
		fmt.Fprintf(&b, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text>", label-8, y+14, html.EscapeString(shortened(bar.label, 60)))
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"%d\" rx=\"2\" style=\"fill:var(--c%d)\"><title>%s</title></rect>", label, y+2, length, row-6, bar.colour%colours, html.EscapeString(bar.label))
		fmt.Fprintf(&b, "<text class=\"faint\" x=\"%.1f\" y=\"%d\">%s</text>\n", label+length+6, y+14, html.EscapeString(bar.words))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// linePlot draws lines from the origin of both axes, with a legend below.
func linePlot(lines []plotLine, xName, yName string) string {
	const width, height, left, bottom, right, top = 920, 320, 70, 36, 20, 14
	var mostX, mostY float64
	for _, l := range lines {
		mostX, mostY = max(mostX, slices.Max(l.x)), max(mostY, slices.Max(l.y))
	}
	mostX, mostY = max(mostX, 1), max(mostY, 1e-9)*1.05
	px := func(x float64) float64 { return left + x/mostX*(width-left-right) }
	py := func(y float64) float64 { return height - bottom - y/mostY*(height-top-bottom) }
	var b strings.Builder
	fmt.Fprintf(&b, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n", width, height+20*len(lines)+8)
	for _, y := range ticks(mostY) {
		fmt.Fprintf(&b, "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text class=\"faint\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n", left, width-right, py(y), py(y), left-8, py(y)+4, tickText(y))
	}
	for _, x := range ticks(mostX) {
		fmt.Fprintf(&b, "<text class=\"faint\" x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n", px(x), height-bottom+18, tickText(x))
	}
	fmt.Fprintf(&b, "<text class=\"faint\" x=\"%d\" y=\"%d\" text-anchor=\"end\">%s</text><text class=\"faint\" x=\"4\" y=\"%d\">%s</text>\n", width-right, height-2, html.EscapeString(xName), top, html.EscapeString(yName))
	for i, l := range lines {
		order := make([]int, len(l.x))
		for n := range order {
			order[n] = n
		}
		slices.SortFunc(order, func(a, b int) int { return int(math.Copysign(1, l.x[a]-l.x[b])) })
		var points []string
		var marks strings.Builder
		for _, n := range order {
			points = append(points, fmt.Sprintf("%.1f,%.1f", px(l.x[n]), py(l.y[n])))
			fmt.Fprintf(&marks, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\" style=\"fill:var(--c%d)\"><title>%s at %g: %.2f</title></circle>", px(l.x[n]), py(l.y[n]), i%colours, html.EscapeString(l.name), l.x[n], l.y[n])
		}
		fmt.Fprintf(&b, "<polyline points=\"%s\" style=\"stroke:var(--c%d)\"/>%s\n", strings.Join(points, " "), i%colours, marks.String())
		fmt.Fprintf(&b, "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"4\" style=\"fill:var(--c%d)\"/><text x=\"%d\" y=\"%d\">%s</text>\n", left, height+20*i+8, i%colours, left+22, height+20*i+14, html.EscapeString(shortened(l.name, 110)))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// ticks are some four round numbers from 0 to most.
func ticks(most float64) []float64 {
	step := math.Pow(10, math.Floor(math.Log10(most/4)))
	for _, factor := range []float64{1, 2, 5, 10} {
		if step*factor*5 >= most {
			step *= factor
			break
		}
	}
	var list []float64
	for v := 0.0; v <= most && len(list) < 12; v += step {
		list = append(list, v)
	}
	return list
}

func tickText(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%.4g", v)
}

// shortened cuts a text to so many characters.
func shortened(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}
