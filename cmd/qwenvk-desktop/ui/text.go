package ui

import (
	"math"
	"unicode"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

// Kit is what text is laid out and drawn with.
type Kit struct {
	Fonts *glyph.Fonts
	Atlas *glyph.Atlas
	Scale float64 // pixels per unit of the layout: 2 on a HiDPI screen
}

// Run is a piece of text of one look. Size is in units of the layout.
type Run struct {
	Text  string
	Style glyph.Style
	Size  float64
	Color canvas.Color
}

type placed struct {
	r     rune
	at    int // place in the text, in runes
	x     float64
	width float64
	style glyph.Style
	size  float64 // pixels
	color canvas.Color
}

// Line is a line of laid out text. From and To are its runes in the text; a newline at its end belongs to it.
type Line struct {
	From, To int
	Width    float64 // pixels, without spaces at the end
	glyphs   []placed
}

// Text is text broken into lines.
type Text struct {
	Lines      []Line
	LineHeight float64 // pixels
	ascent     float64 // from a line's top to its base line
}

// Height is the height of all lines, in pixels.
func (t *Text) Height() float64 { return float64(len(t.Lines)) * t.LineHeight }

// Width is the width of the widest line.
func (t *Text) Width() (w float64) {
	for _, l := range t.Lines {
		w = max(w, l.Width)
	}
	return w
}

// Layout breaks runs into lines of at most width pixels. leading is a line's height in sizes of the first run.
func (k *Kit) Layout(runs []Run, width, leading float64) Text {
	size := 15.0
	if len(runs) > 0 {
		size = runs[0].Size
	}
	t := Text{LineHeight: math.Round(size * leading * k.Scale)}
	t.ascent = math.Round((t.LineHeight-size*k.Scale*(glyph.Ascent+glyph.Descent))/2 + size*k.Scale*glyph.Ascent)
	var line []placed
	at, from := 0, 0
	flush := func(to int) {
		for _, l := range wrap(line, width) {
			l.From, l.To = from, to
			if n := len(l.glyphs); n > 0 {
				l.To = l.glyphs[n-1].at + 1
			}
			from = l.To
			t.Lines = append(t.Lines, l)
		}
		t.Lines[len(t.Lines)-1].To = to
		line, from = line[:0:0], to
	}
	for _, run := range runs {
		px := run.Size * k.Scale
		for _, r := range run.Text {
			at++
			if r == '\n' {
				flush(at)
				continue
			}
			line = append(line, placed{r: r, at: at - 1, width: k.Fonts.Advance(run.Style, px, r), style: run.Style, size: px, color: run.Color})
		}
	}
	flush(at)
	return t
}

// wrap breaks one paragraph. Spaces at the end of a line hang over its edge.
func wrap(glyphs []placed, width float64) []Line {
	var lines []Line
	for {
		n, next := fit(glyphs, width)
		l := Line{glyphs: glyphs[:n:n]}
		x := 0.0
		for i := range l.glyphs {
			l.glyphs[i].x = x
			x += l.glyphs[i].width
			if l.glyphs[i].r != ' ' {
				l.Width = x
			}
		}
		lines = append(lines, l)
		if glyphs = glyphs[next:]; len(glyphs) == 0 {
			return lines
		}
	}
}

// fit returns how many glyphs the first line takes.
func fit(glyphs []placed, width float64) (n, next int) {
	x, last := 0.0, 0
	for i, g := range glyphs {
		if i > 0 && breaks(glyphs[i-1].r, g.r) {
			last = i
		}
		x += g.width
		if x <= width || g.r == ' ' || i == 0 || unicode.Is(unicode.Mn, g.r) {
			continue
		}
		if last > 0 {
			return last, last
		}
		return i, i
	}
	return len(glyphs), len(glyphs)
}

// breaks reports whether a line may end between two characters: behind a space or a hyphen, and beside a Chinese, Japanese or
// Korean character, but not before punctuation that closes nor behind such that opens (kinsoku).
func breaks(before, after rune) bool {
	switch {
	case after == ' ' || unicode.Is(unicode.Mn, after) || glyph.Invisible(after):
		return false
	case before == ' ' || before == '\t':
		return true
	case before == '-' || before == '/':
		return unicode.IsLetter(after)
	case !wide(before) && !wide(after):
		return false
	}
	return !unicode.In(after, unicode.Pe, unicode.Pf) && !unicode.In(before, unicode.Ps, unicode.Pi) && !closes(after)
}

// wide reports characters of scripts that are written without spaces between words.
func wide(r rune) bool {
	return unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r >= 0x3000 && r <= 0x303f || r >= 0xff00 && r <= 0xffef
}

func closes(r rune) bool {
	switch r {
	case ',', '.', '!', '?', ':', ';', '、', '。', '，', '．', '！', '？', '：', '；', 'ー', '々', '…', '%', '％', '·', '～':
		return true
	}
	return false
}

// DrawText draws lines with their left upper corner at x, y.
func (k *Kit) DrawText(l *canvas.List, t *Text, x, y float64) {
	for i := range t.Lines {
		k.drawLine(l, &t.Lines[i], x, math.Round(y+float64(i)*t.LineHeight+t.ascent))
	}
}

func (k *Kit) drawLine(l *canvas.List, line *Line, x, base float64) {
	for i := range line.glyphs {
		g := &line.glyphs[i]
		if g.r == ' ' || g.r == '\t' || glyph.Invisible(g.r) {
			continue
		}
		index := k.Fonts.Find(g.style, g.r)
		if index.Missing() {
			h := g.size * 0.72
			l.Stroke(canvas.Rect{X: math.Round(x + g.x + g.size*0.06), Y: base - math.Round(h), W: math.Round(g.width - g.size*0.12), H: math.Round(h)}, g.color, 1, 1)
			continue
		}
		img, column := k.Atlas.At(index, g.size, x+g.x)
		l.Image(column+img.X, int(base)+img.Y, img.U, img.V, img.W, img.H, g.color)
	}
}

// Caret returns where a cursor before the n-th rune stands: its line, and pixels from the line's beginning.
func (t *Text) Caret(n int) (line int, x float64) {
	for line = range t.Lines {
		if l := &t.Lines[line]; n < l.To || line == len(t.Lines)-1 {
			for _, g := range l.glyphs {
				if g.at >= n {
					return line, g.x
				}
				x = g.x + g.width
			}
			return line, x
		}
	}
	return 0, 0
}

// Nearest returns the place in the text that is nearest to a point, relative to the left upper corner.
func (t *Text) Nearest(x, y float64) int {
	i := min(max(int(math.Floor(y/t.LineHeight)), 0), len(t.Lines)-1)
	l := &t.Lines[i]
	for _, g := range l.glyphs {
		if x < g.x+g.width/2 {
			return g.at
		}
	}
	switch {
	case i == len(t.Lines)-1:
		return l.To
	case len(l.glyphs) == 0:
		return l.From
	}
	last := l.glyphs[len(l.glyphs)-1]
	if last.r == ' ' || last.at+1 == l.To { // a wrapped line: behind its last character the next line begins
		return last.at
	}
	return last.at + 1
}

// label lays one line out, cut with an ellipsis where it is wider than width pixels.
func (k *Kit) label(text string, style glyph.Style, size float64, color canvas.Color, width float64) Text {
	runes := []rune(text)
	px, x := size*k.Scale, 0.0
	for i, r := range runes {
		x += k.Fonts.Advance(style, px, r)
		if x > width {
			room := width - k.Fonts.Advance(style, px, '…')
			for i > 0 && x > room {
				x -= k.Fonts.Advance(style, px, runes[i])
				i--
			}
			text = string(runes[:i+1]) + "…"
			break
		}
	}
	for i, r := range text {
		if r == '\n' {
			text = text[:i] + " …"
			break
		}
	}
	return k.Layout([]Run{{text, style, size, color}}, math.Inf(1), 1.3)
}
