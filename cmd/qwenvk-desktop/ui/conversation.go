package ui

import (
	"fmt"
	"math"
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

// laid is a message laid out for a width and a scale.
type laid struct {
	width    float64
	parts    []part
	thinking Text
	header   Text // of the thinking
	height   float64
	bubble   float64 // width of the question's text
}

type part struct {
	text     Text
	code     bool
	language Text
	x, y, h  float64 // of the text relative to the message
}

func (a *App) layout(m *Message) *laid {
	width := a.columnWidth()
	if m.laid != nil && m.laid.width == width {
		return m.laid
	}
	d := &laid{width: width}
	m.laid = d
	switch m.Role {
	case User:
		t := a.kit.Layout([]Run{{m.Text, glyph.Regular, textSize, colorText}}, width*0.8-a.px(32), 1.45)
		d.bubble = math.Ceil(t.Width())
		d.parts = []part{{text: t, x: width - d.bubble - a.px(16), y: a.px(10)}}
		d.height = t.Height() + a.px(20)
	case Problem:
		t := a.kit.Layout([]Run{{m.Text, glyph.Regular, textSize - 1, colorText}}, width-a.px(32), 1.45)
		d.parts = []part{{text: t, x: a.px(18), y: a.px(11)}}
		d.height = t.Height() + a.px(22)
	case Assistant:
		a.layoutAnswer(m, d)
	}
	return d
}

func (a *App) layoutAnswer(m *Message, d *laid) {
	k, y := a.kit, a.px(2)
	width := d.width - a.px(avatarRoom)
	if thinking := strings.TrimSpace(m.Thinking); thinking != "" {
		mark, words := "▼", "Thoughts"
		if m.Folded {
			mark = "►"
		}
		if m.Writing && m.Text == "" {
			words = "Thinking …"
		}
		if n := len([]rune(thinking)); m.Folded {
			words += fmt.Sprintf("  (%d characters)", n)
		}
		d.header = k.Layout([]Run{{mark + "  ", glyph.Regular, 9, colorDim}, {words, glyph.Regular, smallSize, colorDim}}, width, 2.4)
		y += d.header.Height() + a.px(2)
		if !m.Folded {
			d.thinking = k.Layout([]Run{{thinking, glyph.Regular, smallSize + 1, colorDim}}, width-a.px(16), 1.45)
			y += d.thinking.Height() + a.px(12)
		}
	}
	text := m.Text
	if m.Writing && m.Thinking == "" && text == "" {
		text = "…"
	}
	for i, b := range blocks(strings.TrimLeft(text, "\n"), textSize, colorText, colorDim) {
		if i > 0 {
			y += a.px(10)
		}
		p := part{code: b.code, y: y}
		if b.code {
			p.x = a.px(14)
			p.text = k.Layout(b.runs, width-a.px(28), 1.45)
			p.y += a.px(12)
			if b.language != "" {
				p.language = k.Layout([]Run{{b.language, glyph.Regular, smallSize - 2, colorFaint}}, width, 1.3)
				p.y += p.language.Height()
			}
			y = p.y + p.text.Height() + a.px(12)
		} else {
			p.text = k.Layout(b.runs, width, 1.5)
			y += p.text.Height()
		}
		p.h = y
		d.parts = append(d.parts, p)
	}
	d.height = max(y+a.px(2), a.px(avatarSize))
}

// drawList draws the conversation, as much of it as is in view.
func (a *App) drawList(l *canvas.List) {
	if len(a.Messages) == 0 {
		a.scroll, a.scrollMax = 0, 0
		a.drawWelcome(l)
		return
	}
	total := a.px(20)
	for _, m := range a.Messages {
		total += a.layout(m).height + a.px(messageGap)
	}
	a.scrollMax = max(0, total-a.listArea.H)
	if a.follow {
		a.scroll = a.scrollMax
	}
	a.scroll = math.Round(min(a.scroll, a.scrollMax))
	l.Clip(a.listArea)
	x := math.Round((a.width - a.columnWidth()) / 2)
	y := a.listArea.Y + a.px(20) - a.scroll
	for i, m := range a.Messages {
		d := a.layout(m)
		if y+d.height >= a.listArea.Y && y <= a.listArea.Y+a.listArea.H {
			a.drawMessage(l, i, m, d, x, y)
		}
		y += d.height + a.px(messageGap)
	}
	a.drawScrollbar(l, total)
	l.Unclip()
}

func (a *App) drawScrollbar(l *canvas.List, total float64) {
	if a.scrollMax == 0 {
		return
	}
	h := max(a.listArea.H*a.listArea.H/total, a.px(28))
	y := a.listArea.Y + (a.listArea.H-h)*a.scroll/a.scrollMax
	l.Fill(canvas.Rect{X: a.width - a.px(9), Y: math.Round(y), W: a.px(5), H: math.Round(h)}, colorLine, a.px(2.5))
}

func (a *App) drawMessage(l *canvas.List, i int, m *Message, d *laid, x, y float64) {
	switch m.Role {
	case User:
		w := d.bubble + a.px(32)
		l.Fill(canvas.Rect{X: x + d.width - w, Y: y, W: w, H: d.height}, colorUser, a.px(16))
	case Problem:
		r := canvas.Rect{X: x, Y: y, W: d.width, H: d.height}
		l.Fill(r, colorProblem.Fade(0.13), a.px(10))
		l.Stroke(r, colorProblem.Fade(0.5), a.px(10), a.px(1))
	case Assistant:
		a.hit(a.around(d, x, y), func() {}) // below its parts: pointing at it draws anew, for drawCopy
		r := canvas.Rect{X: x, Y: y, W: a.px(avatarSize), H: a.px(avatarSize)}
		l.Fill(r, colorAccent, a.px(avatarSize)/2)
		q := a.kit.label("q", glyph.Bold, 16, colorInk, r.W)
		a.middle(l, &q, r.X+(r.W-q.Width())/2, r.Y+r.H/2-a.px(1.5))
		x += a.px(avatarRoom)
		a.drawThinking(l, m, d, x, y+a.px(2))
	}
	for _, p := range d.parts {
		if p.code {
			r := canvas.Rect{X: x, Y: y + p.y - a.px(12) - p.language.Height(), W: d.width - a.px(avatarRoom)}
			r.H = p.text.Height() + a.px(24) + p.language.Height()
			l.Fill(r, colorCode, a.px(10))
			l.Stroke(r, colorLine, a.px(10), a.px(1))
			a.kit.DrawText(l, &p.language, r.X+a.px(14), r.Y+a.px(8))
		}
		a.kit.DrawText(l, &p.text, x+p.x, y+p.y)
	}
	if m.Role == Assistant && !m.Writing && m.Text != "" {
		a.drawCopy(l, i, m, x, y+d.height)
	}
}

func (a *App) drawThinking(l *canvas.List, m *Message, d *laid, x, y float64) {
	if len(d.header.Lines) == 0 {
		return
	}
	r := canvas.Rect{X: x - a.px(6), Y: y, W: d.header.Width() + a.px(12), H: d.header.Height()}
	if a.hit(r, func() { m.Folded = !m.Folded; a.Changed(m) }) {
		l.Fill(r, colorRaised, a.px(7))
	}
	a.kit.DrawText(l, &d.header, x, y)
	y += d.header.Height() + a.px(2)
	if !m.Folded {
		l.Fill(canvas.Rect{X: x + a.px(2), Y: y + a.px(2), W: a.px(2), H: d.thinking.Height() - a.px(4)}, colorLine, 0)
		a.kit.DrawText(l, &d.thinking, x+a.px(16), y)
	}
}

// around is a message with the room below it.
func (a *App) around(d *laid, x, y float64) canvas.Rect {
	return canvas.Rect{X: x, Y: y, W: d.width, H: d.height + a.px(messageGap)}
}

// drawCopy shows below an answer that is pointed at how to copy it.
func (a *App) drawCopy(l *canvas.List, i int, m *Message, x, bottom float64) {
	if !a.around(m.laid, x-a.px(avatarRoom), bottom-m.laid.height).Has(a.mouseX, a.mouseY) && a.copied != i {
		return
	}
	word := "Copy"
	if a.copied == i {
		word = "Copied"
	}
	t := a.kit.label(word, glyph.Regular, smallSize-1, colorDim, a.width)
	r := canvas.Rect{X: x - a.px(4), Y: bottom + a.px(1), W: t.Width() + a.px(8), H: t.Height()}
	a.hit(r, func() {
		if a.Clipboard != nil {
			a.Clipboard.Set(m.Text)
			a.copied = i
		}
	})
	a.kit.DrawText(l, &t, x, r.Y)
}

// drawWelcome fills an empty conversation.
func (a *App) drawWelcome(l *canvas.List) {
	y := a.listArea.Y + a.listArea.H*0.32
	center := func(text string, style glyph.Style, size float64, color canvas.Color) {
		t := a.kit.label(text, style, size, color, a.columnWidth())
		a.kit.DrawText(l, &t, math.Round((a.width-t.Width())/2), math.Round(y))
		y += t.Height()
	}
	if !a.Ready {
		title, text := "No model is loaded", "Choose one above, or drop a .gguf file or a model's folder here"
		if a.Progress >= 0 {
			title, text = "Loading", a.Status
		}
		center(title, glyph.Bold, 24, colorText)
		y += a.px(8)
		center(text, glyph.Regular, textSize, colorDim)
		return
	}
	center("What would you like to know?", glyph.Bold, 26, colorText)
	y += a.px(8)
	center("The answers are computed on this machine and leave it nowhere.", glyph.Regular, textSize, colorDim)
	y += a.px(30)
	for _, hint := range a.Hints {
		t := a.kit.label(hint, glyph.Regular, textSize, colorText, a.columnWidth()-a.px(40))
		r := canvas.Rect{W: t.Width() + a.px(36), H: a.px(40), Y: math.Round(y)}
		r.X = math.Round((a.width - r.W) / 2)
		color := colorRaised
		if a.hit(r, func() { a.input.Set(hint); a.send() }) && a.popup == none {
			color = colorHover
		}
		l.Fill(r, color, a.px(20))
		l.Stroke(r, colorLine, a.px(20), a.px(1))
		a.middle(l, &t, r.X+a.px(18), r.Y+r.H/2)
		y += r.H + a.px(12)
	}
}
