package glyph

import (
	"image"
	"math"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/vector"
)

// Image is a rasterised glyph: a rectangle of the atlas and where it lies relative to the pen, in pixels, y downwards.
type Image struct{ U, V, W, H, X, Y int }

// subpixels is the number of positions between two pixels that a glyph is rasterised for: unhinted text looks uneven
// without them.
const subpixels = 4

type imageKey struct {
	index Index
	size  float64
	sub   uint8
}

// The atlas begins small and doubles; a text that fills the largest begins it anew.
const (
	firstSize = 512
	lastSize  = 4096
	padding   = 1
)

// Atlas is a texture of glyph coverage, one byte per texel. It is not safe for concurrent use.
type Atlas struct {
	Pixels []byte
	Size   int
	fonts  *Fonts
	images map[imageKey]Image
	dirty  image.Rectangle
	raster vector.Rasterizer

	x, y, shelf int // of the shelf that is filled now
	generation  int
}

// NewAtlas makes an empty atlas for the glyphs of fonts.
func NewAtlas(fonts *Fonts) *Atlas {
	a := &Atlas{fonts: fonts}
	a.clear(firstSize)
	return a
}

func (a *Atlas) clear(size int) {
	a.Size, a.Pixels = size, make([]byte, size*size)
	a.images = map[imageKey]Image{}
	a.x, a.y, a.shelf = 0, 0, 0
	a.dirty = image.Rect(0, 0, size, size)
	a.generation++
}

// Generation changes when all images that were handed out have become invalid: what was drawn with them must be drawn again.
func (a *Atlas) Generation() int { return a.generation }

// Dirty is the part that changed since the last call, as x, y, width and height.
func (a *Atlas) Dirty() [4]int {
	d := a.dirty
	a.dirty = image.Rectangle{}
	return [4]int{d.Min.X, d.Min.Y, d.Dx(), d.Dy()}
}

// Touch says that the renderer has lost what it was given.
func (a *Atlas) Touch() { a.dirty = image.Rect(0, 0, a.Size, a.Size) }

// At returns the picture of a glyph of a size whose pen lies at x, and the pixel column that it is relative to.
func (a *Atlas) At(index Index, size, x float64) (Image, int) {
	column := math.Floor(x)
	sub := int((x - column) * subpixels)
	key := imageKey{index, size, uint8(sub)}
	img, ok := a.images[key]
	if !ok {
		img = a.rasterise(key, float64(sub)/subpixels)
	}
	return img, int(column)
}

func (a *Atlas) rasterise(key imageKey, shift float64) Image {
	f := a.fonts
	segments, err := f.faces[key.index.face-1].LoadGlyph(&f.buffer, key.index.glyph, points(key.size), nil)
	if err != nil { // an outline that cannot be read takes room and shows nothing
		return a.keep(key, Image{})
	}
	heavier := 0.0
	if key.index.bold {
		heavier = key.size / 28
	}
	b := segments.Bounds()
	x0, y0 := int(math.Floor(float64(b.Min.X)/64+shift)), b.Min.Y.Floor()
	w := int(math.Ceil(float64(b.Max.X)/64+shift+heavier)) - x0
	h := b.Max.Y.Ceil() - y0
	const most = 512 // pixels; a font of a stranger may say anything
	if w <= 0 || h <= 0 || w > most || h > most {
		return a.keep(key, Image{})
	}
	u, v, ok := a.place(w, h)
	if !ok {
		return Image{} // the atlas has begun anew: the next drawing finds room
	}
	a.raster.Reset(w, h)
	a.outline(segments, float32(shift)-float32(x0), float32(-y0))
	if heavier > 0 {
		a.outline(segments, float32(shift+heavier)-float32(x0), float32(-y0))
	}
	mask := image.NewAlpha(image.Rect(0, 0, w, h))
	a.raster.Draw(mask, mask.Bounds(), image.Opaque, image.Point{})
	for row := range h {
		copy(a.Pixels[(v+row)*a.Size+u:][:w], mask.Pix[row*mask.Stride:][:w])
	}
	a.dirty = a.dirty.Union(image.Rect(u, v, u+w, v+h))
	return a.keep(key, Image{U: u, V: v, W: w, H: h, X: x0, Y: y0})
}

func (a *Atlas) keep(key imageKey, i Image) Image {
	a.images[key] = i
	return i
}

func (a *Atlas) outline(segments sfnt.Segments, dx, dy float32) {
	at := func(s sfnt.Segment, i int) (x, y float32) {
		return float32(s.Args[i].X)/64 + dx, float32(s.Args[i].Y)/64 + dy
	}
	open := false
	for _, s := range segments {
		x0, y0 := at(s, 0)
		switch s.Op {
		case sfnt.SegmentOpMoveTo:
			if open {
				a.raster.ClosePath()
			}
			open = true
			a.raster.MoveTo(x0, y0)
		case sfnt.SegmentOpLineTo:
			a.raster.LineTo(x0, y0)
		case sfnt.SegmentOpQuadTo:
			x1, y1 := at(s, 1)
			a.raster.QuadTo(x0, y0, x1, y1)
		case sfnt.SegmentOpCubeTo:
			x1, y1 := at(s, 1)
			x2, y2 := at(s, 2)
			a.raster.CubeTo(x0, y0, x1, y1, x2, y2)
		}
	}
	if open {
		a.raster.ClosePath()
	}
}

// place finds room: glyphs stand on shelves. False: there was none, and the atlas is empty and perhaps larger now.
func (a *Atlas) place(w, h int) (u, v int, ok bool) {
	w, h = w+padding, h+padding
	if a.x+w > a.Size {
		a.x, a.y, a.shelf = 0, a.y+a.shelf, 0
	}
	if a.y+h > a.Size {
		a.clear(min(2*a.Size, lastSize))
		return 0, 0, false
	}
	u, v = a.x, a.y
	a.x, a.shelf = a.x+w, max(a.shelf, h)
	return u, v, true
}
