package glyph

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
)

func fonts(t *testing.T, dirs []string) *Fonts {
	t.Helper()
	f, err := NewFonts(dirs)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func TestEmbedded(t *testing.T) {
	f := fonts(t, []string{})
	for _, r := range "Az09äßПΩ•…↑▼►" {
		if f.Find(Regular, r).Missing() {
			t.Errorf("the embedded font lacks %q", r)
		}
	}
	if !f.Find(Regular, '笼').Missing() {
		t.Error("the embedded font has Chinese")
	}
	if w := f.Advance(Regular, 10, '笼'); w <= 0 {
		t.Errorf("a missing character is %v wide", w)
	}
	if f.Advance(Mono, 20, 'i') != f.Advance(Mono, 20, 'W') {
		t.Error("the font of code is not monospaced")
	}
	for _, r := range []rune{'\u200d', '\ufe0f', '\x00', '\u202e'} {
		if f.Advance(Regular, 10, r) != 0 {
			t.Errorf("%U takes room", r)
		}
	}
}

// What is no font, or half of one, is passed over, and the next is tried.
func TestBrokenFonts(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, data []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("a.ttf", nil)
	write("b.ttf", []byte("no font at all"))
	write("c.ttc", append([]byte("ttcf\x00\x01\x00\x00\xff\xff\xff\xff"), make([]byte, 64)...))
	write("d.otf", goregular.TTF[:len(goregular.TTF)/3])
	write("e.txt", goregular.TTF)
	f := fonts(t, []string{dir, filepath.Join(dir, "nowhere")})
	if !f.Find(Regular, '笼').Missing() {
		t.Error("a broken font has Chinese")
	}
}

// misaligned moves a font's tables to odd offsets, as WenQuanYi's are.
func misaligned(t *testing.T, font []byte) []byte {
	t.Helper()
	n := int(binary.BigEndian.Uint16(font[4:]))
	out := bytes.Clone(font[:12+16*n])
	for i := range n {
		entry := out[12+16*i:][:16]
		from, length := binary.BigEndian.Uint32(entry[8:]), binary.BigEndian.Uint32(entry[12:])
		for len(out)%4 != 1 {
			out = append(out, 0)
		}
		binary.BigEndian.PutUint32(out[12+16*i+8:], uint32(len(out)))
		out = append(out, font[from:][:length]...)
	}
	return out
}

func TestMisalignedTables(t *testing.T) {
	data := misaligned(t, goregular.TTF)
	if _, err := sfnt.Parse(data); err == nil {
		t.Fatal("package sfnt reads misaligned tables itself: realign has no purpose any more")
	}
	f, err := parse(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	want, err := sfnt.Parse(goregular.TTF)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range "Qwenß" {
		var b sfnt.Buffer
		i, _ := f.GlyphIndex(&b, r)
		j, _ := want.GlyphIndex(&b, r)
		got, err := f.LoadGlyph(&b, i, points(20), nil)
		if err != nil || i != j {
			t.Fatalf("%q: glyph %d, want %d (%v)", r, i, j, err)
		}
		if n := len(got); n == 0 {
			t.Errorf("%q has no outline", r)
		}
	}
	for cut := range 40 { // hostile: directories that end early
		if _, err := parse(bytes.NewReader(data[:12+cut*7])); err == nil {
			t.Errorf("a font of %d bytes was read", 12+cut*7)
		}
	}
}

// The atlas grows, and a glyph's picture stays where it is until the atlas begins anew.
func TestAtlas(t *testing.T) {
	f := fonts(t, []string{})
	a := NewAtlas(f)
	i := f.Find(Regular, 'g')
	first, _ := a.At(i, 20, 3.1)
	if first.W < 5 || first.H < 8 || first.Y >= 0 {
		t.Fatalf("g is %+v", first)
	}
	again, column := a.At(i, 20, 7.2)
	if again != first || column != 7 {
		t.Errorf("the same glyph is %+v at %d, was %+v", again, column, first)
	}
	if other, _ := a.At(i, 20, 3.6); other == first {
		t.Error("half a pixel makes no difference")
	}
	sum := 0
	for _, v := range a.Pixels {
		sum += int(v)
	}
	if sum == 0 {
		t.Error("nothing was drawn")
	}
	if d := a.Dirty(); d[2] != firstSize {
		t.Errorf("a new atlas is dirty in %v", d)
	}
	if d := a.Dirty(); d[2] != 0 {
		t.Errorf("an unchanged atlas is dirty in %v", d)
	}
	before := a.Generation()
	for size := 20.0; a.Size < lastSize; size++ {
		for r := rune('!'); r < '~'; r++ {
			a.At(f.Find(Bold, r), size, 0)
		}
	}
	if a.Generation() == before {
		t.Error("a larger atlas is of the same generation")
	}
}
