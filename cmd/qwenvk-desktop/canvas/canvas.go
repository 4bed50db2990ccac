// Package canvas is the display list between the user interface and the renderer: shapes and glyphs in the order in which
// they are drawn. It knows neither fonts nor Vulkan.
package canvas

import "math"

// Color is sRGB with an alpha that is not premultiplied.
type Color struct{ R, G, B, A uint8 }

// Fade is the color with a share of its alpha.
func (c Color) Fade(share float64) Color {
	c.A = uint8(math.Round(float64(c.A) * min(max(share, 0), 1)))
	return c
}

// Rect is a rectangle in pixels.
type Rect struct{ X, Y, W, H float64 }

// Has reports whether a point lies in the rectangle.
func (r Rect) Has(x, y float64) bool { return x >= r.X && x < r.X+r.W && y >= r.Y && y < r.Y+r.H }

// Inset is the rectangle without a margin.
func (r Rect) Inset(x, y float64) Rect {
	return Rect{r.X + x, r.Y + y, max(0, r.W-2*x), max(0, r.H-2*y)}
}

// Quad is one shape or glyph as the renderer takes it: the form of its vertex data.
type Quad struct {
	X0, Y0, X1, Y1                 float32 // pixels
	U0, V0, U1, V1                 uint16  // texels of the atlas
	ClipX0, ClipY0, ClipX1, ClipY1 int16
	R, G, B, A                     uint8
	Radius, Border, Soft, Kind     uint8 // pixels; Border 0: filled; Soft: half the width of a blurred edge
}

// Kinds of quads.
const (
	Shape = 0
	Glyph = 1
)

// List collects quads.
type List struct {
	Quads []Quad
	clips []Rect
	clip  [4]int16
}

// Reset empties the list for a picture of a size.
func (l *List) Reset(width, height int) {
	l.Quads, l.clips = l.Quads[:0], append(l.clips[:0], Rect{0, 0, float64(width), float64(height)})
	l.setClip()
}

// Clip bounds what follows to r, and to the clips before it.
func (l *List) Clip(r Rect) {
	last := l.clips[len(l.clips)-1]
	x0, y0 := max(r.X, last.X), max(r.Y, last.Y)
	x1, y1 := min(r.X+r.W, last.X+last.W), min(r.Y+r.H, last.Y+last.H)
	l.clips = append(l.clips, Rect{x0, y0, max(0, x1-x0), max(0, y1-y0)})
	l.setClip()
}

// Unclip ends the last Clip.
func (l *List) Unclip() {
	l.clips = l.clips[:len(l.clips)-1]
	l.setClip()
}

func (l *List) setClip() {
	r := l.clips[len(l.clips)-1]
	l.clip = [4]int16{pixel(r.X), pixel(r.Y), pixel(r.X + r.W), pixel(r.Y + r.H)}
}

func pixel(v float64) int16 { return int16(min(max(math.Round(v), -32000), 32000)) }

// Fill draws a filled rectangle with round corners.
func (l *List) Fill(r Rect, c Color, radius float64) { l.shape(r, c, radius, 0, 0) }

// Stroke draws the border of a rectangle with round corners, inside of it.
func (l *List) Stroke(r Rect, c Color, radius, width float64) {
	l.shape(r, c, radius, max(1, width), 0)
}

// Shadow draws a blurred rectangle.
func (l *List) Shadow(r Rect, c Color, radius, blur float64) { l.shape(r, c, radius, 0, max(1, blur)) }

func (l *List) shape(r Rect, c Color, radius, border, soft float64) {
	if r.W <= 0 || r.H <= 0 || c.A == 0 || !l.visible(r.X-soft, r.Y-soft, r.X+r.W+soft, r.Y+r.H+soft) {
		return
	}
	l.add(Quad{
		X0: float32(r.X), Y0: float32(r.Y), X1: float32(r.X + r.W), Y1: float32(r.Y + r.H),
		R: c.R, G: c.G, B: c.B, A: c.A, Radius: small(radius), Border: small(border), Soft: small(soft),
	})
}

func small(v float64) uint8 { return uint8(min(max(math.Round(v), 0), 255)) }

// Image draws a piece of the atlas, texel on pixel, with its left upper corner at x, y.
func (l *List) Image(x, y int, u, v, w, h int, c Color) {
	if w <= 0 || h <= 0 || !l.visible(float64(x), float64(y), float64(x+w), float64(y+h)) {
		return
	}
	l.add(Quad{
		X0: float32(x), Y0: float32(y), X1: float32(x + w), Y1: float32(y + h),
		U0: uint16(u), V0: uint16(v), U1: uint16(u + w), V1: uint16(v + h),
		R: c.R, G: c.G, B: c.B, A: c.A, Kind: Glyph,
	})
}

func (l *List) visible(x0, y0, x1, y1 float64) bool {
	return x1 > float64(l.clip[0]) && x0 < float64(l.clip[2]) && y1 > float64(l.clip[1]) && y0 < float64(l.clip[3])
}

func (l *List) add(q Quad) {
	q.ClipX0, q.ClipY0, q.ClipX1, q.ClipY1 = l.clip[0], l.clip[1], l.clip[2], l.clip[3]
	l.Quads = append(l.Quads, q)
}
