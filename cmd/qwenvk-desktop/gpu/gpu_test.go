package gpu_test

import (
	"errors"
	"image"
	"image/color"
	"os"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu"
)

// screen opens the machine's first device that draws, without a window.
func screen(t *testing.T) *gpu.Screen {
	t.Helper()
	get, err := gpu.Loader()
	if err != nil {
		unavailable(t, err)
	}
	in, err := gpu.NewInstance(get, gpu.Version(1, 1), nil, false)
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(in.Close)
	list, err := in.Physicals(0)
	if err != nil {
		unavailable(t, err)
	}
	for _, p := range list {
		if !p.Draws {
			continue
		}
		d, err := in.NewDevice(p, gpu.DeviceOptions{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(d.Close)
		s, err := d.NewScreen(0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(s.Close)
		return s
	}
	t.Skip("no device draws") // a card may compute alone
	return nil
}

// draw draws a list and reads it back.
func draw(t *testing.T, s *gpu.Screen, l *canvas.List, atlas *glyph.Atlas) *image.RGBA {
	t.Helper()
	clear := [3]uint8{10, 20, 30}
	if err := s.Draw(l.Quads, gpu.Atlas{Pixels: atlas.Pixels, Size: atlas.Size, Dirty: atlas.Dirty()}, clear, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	pixels, w, h, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	return &image.RGBA{Pix: pixels, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
}

// TestDraw holds shapes, clips, glyphs, and the growth of atlas and picture against what the display list says. Three rounds: the
// second frame is the first that finds anything there.
func TestDraw(t *testing.T) {
	s := screen(t)
	fonts, err := glyph.NewFonts([]string{})
	if err != nil {
		t.Fatal(err)
	}
	atlas := glyph.NewAtlas(fonts)
	for round := range 3 {
		w, h := 64+16*round, 48+round
		if gw, gh, err := s.Resize(w, h); err != nil || gw != w || gh != h {
			t.Fatalf("%d by %d became %d by %d (%v)", w, h, gw, gh, err)
		}
		var l canvas.List
		l.Reset(w, h)
		red, half := canvas.Color{R: 255, A: 255}, canvas.Color{G: 255, A: 128}
		l.Fill(canvas.Rect{X: 4, Y: 4, W: 20, H: 20}, red, 0)
		l.Fill(canvas.Rect{X: 14, Y: 4, W: 20, H: 20}, half, 0)
		l.Clip(canvas.Rect{X: 0, Y: 30, W: 10, H: 10})
		l.Fill(canvas.Rect{X: 0, Y: 0, W: 64, H: 48}, red, 0)
		l.Unclip()
		l.Fill(canvas.Rect{X: 40, Y: 4, W: 16, H: 16}, red, 8)
		l.Stroke(canvas.Rect{X: 20, Y: 28, W: 20, H: 16}, red, 0, 2)
		img, column := atlas.At(fonts.Find(glyph.Bold, 'I'), 24, 48)
		l.Image(column+img.X, 44+img.Y, img.U, img.V, img.W, img.H, red)
		picture := draw(t, s, &l, atlas)
		ground := color.RGBA{10, 20, 30, 255}
		for _, p := range []struct {
			what string
			x, y int
			want color.RGBA
		}{
			{"ground", 1, 1, ground},
			{"shape", 5, 5, color.RGBA{255, 0, 0, 255}},
			{"blended over a shape", 20, 10, color.RGBA{127, 128, 0, 255}},
			{"blended over the ground", 30, 10, color.RGBA{5, 138, 15, 255}},
			{"within a clip", 9, 39, color.RGBA{255, 0, 0, 255}},
			{"outside of a clip", 10, 39, ground},
			{"middle of a circle", 48, 12, color.RGBA{255, 0, 0, 255}},
			{"corner of a circle", 40, 4, ground},
			{"border", 21, 40, color.RGBA{255, 0, 0, 255}},
			{"within a border", 30, 36, ground},
			{"stem of a letter", column + img.X + img.W/2, 44 - 8, color.RGBA{255, 0, 0, 255}},
		} {
			if got := picture.RGBAAt(p.x, p.y); !near(got, p.want) {
				t.Errorf("round %d: %s at %d, %d is %v, want %v", round, p.what, p.x, p.y, got, p.want)
			}
		}
		for size := 20.0; atlas.Size < 1024<<round; size++ { // the texture must grow
			for r := rune('!'); r < '~'; r++ {
				atlas.At(fonts.Find(glyph.Regular, r), size, 0)
			}
		}
	}
}

func near(a, b color.RGBA) bool {
	d := func(x, y uint8) bool { return max(x, y)-min(x, y) <= 2 }
	return d(a.R, b.R) && d(a.G, b.G) && d(a.B, b.B)
}

// A device must not be opened with a feature that nobody knows.
func TestUnknownFeature(t *testing.T) {
	get, err := gpu.Loader()
	if err != nil {
		unavailable(t, err)
	}
	in, err := gpu.NewInstance(get, gpu.Version(1, 1), nil, false)
	if err != nil {
		unavailable(t, err)
	}
	defer in.Close()
	list, err := in.Physicals(0)
	if err != nil || len(list) == 0 {
		unavailable(t, errors.New("no device"))
	}
	if _, err := in.NewDevice(list[0], gpu.DeviceOptions{Features: []string{"flying"}}); err == nil {
		t.Error("a device that flies was opened")
	}
	if _, err := gpu.NewInstance(nil, gpu.Version(1, 1), nil, false); err == nil {
		t.Error("an instance was made without a loader")
	}
}

// unavailable ends a test for want of a device: where the tests must run, that is a failure.
func unavailable(t *testing.T, why error) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv("QWENVK_TEST_DEVICE") != "" {
		t.Fatal(why)
	}
	t.Skipf("no Vulkan device to draw with: %v", why)
}
