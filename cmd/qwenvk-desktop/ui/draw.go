package ui

import (
	"fmt"
	"math"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

// Draw draws the window, width by height pixels.
func (a *App) Draw(l *canvas.List, width, height int, now time.Time) {
	if a.width != float64(width) || a.generation != a.kit.Atlas.Generation() {
		for _, m := range a.Messages {
			m.laid = nil
		}
	}
	a.width, a.height, a.now = float64(width), float64(height), now
	// A picture that fills the atlas empties it and so spoils what was drawn before; a few rounds find room.
	for range 6 {
		a.generation = a.kit.Atlas.Generation()
		l.Reset(width, height)
		a.hits = a.hits[:0]
		a.layoutInput()
		a.drawInput(l)
		a.drawList(l)
		a.drawTop(l)
		a.drawStrip(l)
		a.drawPopup(l)
		if a.generation == a.kit.Atlas.Generation() {
			break
		}
	}
	a.dirty = false
}

func (a *App) px(units float64) float64 { return math.Round(units * a.kit.Scale) }

// hit makes an area clickable and reports whether the mouse is over it.
func (a *App) hit(area canvas.Rect, do func()) bool {
	a.hits = append(a.hits, hit{area, do})
	return area.Has(a.mouseX, a.mouseY)
}

// middle draws a label with its middle at y.
func (a *App) middle(l *canvas.List, t *Text, x, y float64) {
	a.kit.DrawText(l, t, x, math.Round(y-t.Height()/2))
}

func (a *App) drawTop(l *canvas.List) {
	h := a.px(topHeight)
	l.Fill(canvas.Rect{W: a.width, H: h}, colorPanel, 0)
	l.Fill(canvas.Rect{Y: h - 1, W: a.width, H: 1}, colorLine, 0)
	name := a.kit.label("qwenvk", glyph.Bold, 18, colorText, a.width)
	a.middle(l, &name, a.px(22), h/2)
	x := a.px(22) + name.Width() + a.px(22)

	fresh := a.kit.label("New chat", glyph.Regular, smallSize+1, colorText, a.width)
	freshWidth := fresh.Width() + a.px(28)
	right := a.width - freshWidth - a.px(18)
	r := canvas.Rect{X: right, Y: (h - a.px(34)) / 2, W: freshWidth, H: a.px(34)}
	a.button(l, r, func() { a.ask(NewChat{}) })
	a.middle(l, &fresh, r.X+a.px(14), h/2)

	room := (right - x - a.px(10)) / 2
	x = a.picker(l, x, room, "Model", a.Model, models) + a.px(10)
	a.picker(l, x, room, "Device", a.Device, devices)
	if a.Progress >= 0 {
		l.Fill(canvas.Rect{Y: h - a.px(3), W: a.width, H: a.px(3)}, colorLine, 0)
		l.Fill(canvas.Rect{Y: h - a.px(3), W: math.Round(a.width * min(a.Progress, 1)), H: a.px(3)}, colorAccent, 0)
	}
}

func (a *App) button(l *canvas.List, r canvas.Rect, do func()) {
	color := colorRaised
	if a.hit(r, do) && a.popup == none {
		color = colorHover
	}
	l.Fill(r, color, a.px(9))
	l.Stroke(r, colorLine, a.px(9), a.px(1))
}

// picker draws the button of a list and returns where it ends.
func (a *App) picker(l *canvas.List, x, room float64, what, value string, opens popup) float64 {
	if room < a.px(90) {
		return x
	}
	if value == "" {
		value = "none"
	}
	h := a.px(topHeight)
	head := a.kit.label(what, glyph.Regular, smallSize-1, colorDim, room)
	arrow := a.kit.label("▼", glyph.Regular, 8, colorDim, room)
	most := min(room, a.px(340)) - head.Width() - arrow.Width() - a.px(12+8+10+12)
	text := a.kit.label(value, glyph.Regular, smallSize+1, colorText, most)
	r := canvas.Rect{X: x, Y: (h - a.px(34)) / 2, W: head.Width() + text.Width() + arrow.Width() + a.px(12+8+10+12), H: a.px(34)}
	a.button(l, r, func() {
		if a.popup = opens; a.popupRows() == nil {
			a.popup = none
		}
	})
	a.middle(l, &head, r.X+a.px(12), h/2)
	a.middle(l, &text, r.X+a.px(20)+head.Width(), h/2)
	a.middle(l, &arrow, r.X+r.W-a.px(12)-arrow.Width(), h/2)
	if a.popup == opens {
		l.Stroke(r, colorAccent, a.px(9), a.px(1))
	}
	return r.X + r.W
}

func (a *App) popupRows() []Choice {
	switch a.popup {
	case models:
		return a.Models
	case devices:
		return a.Devices
	}
	return nil
}

func (a *App) drawPopup(l *canvas.List) {
	rows := a.popupRows()
	if a.popup == none {
		return
	}
	x := a.px(110)
	if a.popup == devices {
		x = a.px(170)
	}
	w, row := min(a.px(460), a.width-2*a.px(20)), a.px(46)
	x = min(x, a.width-w-a.px(20))
	most := int((a.height - a.px(topHeight+20)) / row)
	rows = rows[:min(len(rows), max(most, 1))]
	r := canvas.Rect{X: x, Y: a.px(topHeight - 6), W: w, H: float64(len(rows))*row + a.px(12)}
	l.Shadow(canvas.Rect{X: r.X, Y: r.Y + a.px(6), W: r.W, H: r.H}, colorShade, a.px(12), a.px(18))
	l.Fill(r, colorRaised, a.px(12))
	l.Stroke(r, colorLine, a.px(12), a.px(1))
	for i, choice := range rows {
		at := canvas.Rect{X: r.X + a.px(6), Y: r.Y + a.px(6) + float64(i)*row, W: r.W - a.px(12), H: row}
		which := a.popup
		if a.hit(at, func() {
			if which == models {
				a.ask(UseModel{i})
			} else {
				a.ask(UseDevice{i})
			}
		}) {
			l.Fill(at, colorHover, a.px(8))
		}
		label := a.kit.label(choice.Label, glyph.Regular, smallSize+1, colorText, at.W-a.px(24))
		detail := a.kit.label(choice.Detail, glyph.Regular, smallSize-1, colorDim, at.W-a.px(24))
		if choice.Detail == "" {
			a.middle(l, &label, at.X+a.px(12), at.Y+row/2)
			continue
		}
		a.kit.DrawText(l, &label, at.X+a.px(12), at.Y+a.px(4))
		a.kit.DrawText(l, &detail, at.X+a.px(12), at.Y+a.px(24))
	}
}

// drawStrip draws the last line of the window: the status, and the plots.
func (a *App) drawStrip(l *canvas.List) {
	h := a.px(stripHeight)
	y := a.height - h
	l.Fill(canvas.Rect{Y: y, W: a.width, H: h}, colorPanel, 0)
	l.Fill(canvas.Rect{Y: y, W: a.width, H: 1}, colorLine, 0)
	x := a.width - a.px(18)
	figure := func(s *Series, text string, full, limit float64, color canvas.Color) {
		plot := canvas.Rect{X: x - a.px(96), Y: y + a.px(7), W: a.px(96), H: h - a.px(14)}
		s.draw(l, plot, full, limit, color, colorWarning)
		t := a.kit.label(text, glyph.Regular, smallSize-1, colorDim, a.width)
		a.middle(l, &t, plot.X-a.px(8)-t.Width(), y+h/2)
		x = plot.X - a.px(8+84+14)
	}
	figure(&a.Frames, fmt.Sprintf("%.1f ms/frame", a.Frames.Mean(16)), 33, 17, colorGood)
	figure(&a.Rates, fmt.Sprintf("%.0f tokens/s", a.Rates.Last()), 1, 0, colorAccent)
	color := colorDim
	if a.Failed {
		color = colorProblem
	}
	t := a.kit.label(a.Status, glyph.Regular, smallSize-1, color, max(0, x-a.px(30)))
	a.middle(l, &t, a.px(22), y+h/2)
}

// drawInput draws the box that the question is typed in.
func (a *App) drawInput(l *canvas.List) {
	k := a.kit
	width := a.columnWidth()
	lines := min(len(a.inputText.Lines), inputLines)
	a.clampInput()
	textHeight := float64(lines) * a.inputText.LineHeight
	h := max(textHeight+a.px(2*13), a.px(buttonSize+14))
	box := canvas.Rect{X: math.Round((a.width - width) / 2), W: width, H: h}
	box.Y = a.height - a.px(stripHeight+14) - h
	a.listArea = canvas.Rect{Y: a.px(topHeight), W: a.width, H: box.Y - a.px(topHeight+8)}
	l.Fill(box, colorRaised, a.px(16))
	border := colorLine
	if a.focused {
		border = colorAccent.Fade(0.65)
	}
	l.Stroke(box, border, a.px(16), a.px(1))
	a.inputArea = canvas.Rect{X: box.X + a.px(inputPad), Y: math.Round(box.Y + (h-textHeight)/2), W: width - a.px(inputPad*2+buttonSize+10), H: textHeight}
	if a.input.Len() == 0 {
		text := "Ask something: Enter sends, Shift+Enter begins a new line"
		if !a.Ready {
			text = "Choose a model, or drop a .gguf file or a model's folder on this window"
		}
		t := k.label(text, glyph.Regular, textSize, colorFaint, a.inputArea.W)
		a.middle(l, &t, a.inputArea.X, a.inputArea.Y+textHeight/2)
	}
	l.Clip(a.inputArea.Inset(-a.px(2), -a.px(2)))
	a.drawSelection(l)
	k.DrawText(l, &a.inputText, a.inputArea.X, a.inputArea.Y-a.inputScroll)
	if a.focused && caret(a.now, a.blinkFrom) {
		line, x := a.inputText.Caret(a.input.cursor)
		y := a.inputArea.Y - a.inputScroll + float64(line)*a.inputText.LineHeight
		l.Fill(canvas.Rect{X: math.Round(a.inputArea.X+x) - 1, Y: y + a.px(1), W: max(1, a.px(1.6)), H: a.inputText.LineHeight - a.px(2)}, colorAccent, 0)
	}
	l.Unclip()
	a.drawSend(l, box)
}

func (a *App) drawSelection(l *canvas.List) {
	from, to := a.input.Selection()
	if from == to {
		return
	}
	first, x0 := a.inputText.Caret(from)
	last, x1 := a.inputText.Caret(to)
	for i := first; i <= last; i++ {
		begin, end := 0.0, a.inputText.Lines[i].Width+a.px(5)
		if i == first {
			begin = x0
		}
		if i == last {
			end = x1
		}
		y := a.inputArea.Y - a.inputScroll + float64(i)*a.inputText.LineHeight
		l.Fill(canvas.Rect{X: a.inputArea.X + begin, Y: y, W: max(0, end-begin), H: a.inputText.LineHeight}, colorSelect, 0)
	}
}

// drawSend draws the button that sends or stops.
func (a *App) drawSend(l *canvas.List, box canvas.Rect) {
	size := a.px(buttonSize)
	r := canvas.Rect{X: box.X + box.W - size - a.px(7), Y: box.Y + box.H - size - a.px(7), W: size, H: size}
	active := a.Busy || a.Ready && a.input.Len() > 0
	color := colorHover
	if active {
		color = colorAccent
	}
	do := a.send
	if a.Busy {
		do = func() { a.ask(Stop{}) }
	}
	if a.hit(r, do) && active {
		color = colorAccent.Fade(0.85)
	}
	l.Fill(r, color, size/2)
	if a.Busy {
		l.Fill(r.Inset(a.px(11.5), a.px(11.5)), colorInk, a.px(2))
		return
	}
	ink := colorFaint
	if active {
		ink = colorInk
	}
	arrow := a.kit.label("↑", glyph.Bold, 18, ink, size)
	a.middle(l, &arrow, r.X+(size-arrow.Width())/2, r.Y+size/2-a.px(1))
}
