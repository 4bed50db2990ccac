package glyph

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"unicode"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/gomono"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Style chooses among the embedded fonts.
type Style uint8

// The styles.
const (
	Regular Style = iota
	Bold
	Mono
	styles
)

// maxFallbacks bounds how many of the machine's fonts are opened in the search for a character; those that are known to
// hold most of the world's characters come first.
const maxFallbacks = 64

// Fonts finds glyphs. It is not safe for concurrent use.
type Fonts struct {
	faces    []*sfnt.Font // the embedded ones by Style, then those of the machine
	open     []io.Closer
	paths    []string // of the machine's fonts that are not opened yet, best first
	listed   bool
	dirs     []string
	buffer   sfnt.Buffer
	found    map[found]Index
	advances map[advance]float64
}

type found struct {
	style Style
	r     rune
}

type advance struct {
	index Index
	size  float64
}

// Index is a glyph of a font. The zero value stands for no glyph.
type Index struct {
	face  int16 // 1: the first
	glyph sfnt.GlyphIndex
	bold  bool // made bold, because the font is not
}

// Missing reports a character that no font has.
func (i Index) Missing() bool { return i.face == 0 }

var embedded = sync.OnceValues(func() (faces []*sfnt.Font, err error) {
	for _, data := range [styles][]byte{goregular.TTF, gobold.TTF, gomono.TTF} {
		f, err := sfnt.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("glyph: an embedded font: %w", err)
		}
		faces = append(faces, f)
	}
	return faces, nil
})

// NewFonts makes the set of fonts. dirs are folders with further fonts, or single files; nil: those of the system.
func NewFonts(dirs []string) (*Fonts, error) {
	faces, err := embedded()
	if err != nil {
		return nil, err
	}
	if dirs == nil {
		dirs = systemDirs()
	}
	return &Fonts{faces: slices.Clone(faces), dirs: dirs, found: map[found]Index{}, advances: map[advance]float64{}}, nil
}

// Close closes the machine's fonts.
func (f *Fonts) Close() {
	for _, file := range f.open {
		file.Close()
	}
	f.open = nil
}

func systemDirs() []string {
	home, _ := os.UserHomeDir()
	switch runtime.GOOS {
	case "windows":
		return []string{filepath.Join(os.Getenv("WINDIR"), "Fonts"), filepath.Join(os.Getenv("LOCALAPPDATA"), "Microsoft", "Windows", "Fonts")}
	case "darwin":
		return []string{"/System/Library/Fonts", "/Library/Fonts", filepath.Join(home, "Library", "Fonts")}
	}
	data := os.Getenv("XDG_DATA_HOME")
	if data == "" {
		data = filepath.Join(home, ".local", "share")
	}
	return []string{filepath.Join(data, "fonts"), filepath.Join(home, ".fonts"), "/usr/local/share/fonts", "/usr/share/fonts"}
}

// wanted are beginnings of the names of fonts that hold Chinese, Japanese and Korean, best first, and then of fonts with many
// other scripts and symbols.
var wanted = []string{
	"notosanscjk", "notosanssc", "sourcehansans", "pingfang", "hiragino sans gb", "msyh", "wqy-microhei", "microhei",
	"stheiti", "wqy-zenhei", "droidsansfallback", "simhei", "simsun", "yugoth", "malgun", "dejavusans", "notosans", "arialuni", "seguisym", "symbola", "unifont",
}

// list finds the font files.
func (f *Fonts) list() {
	f.listed = true
	const most = 4000
	for _, dir := range f.dirs {
		_ = filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
			if err != nil || len(f.paths) >= most {
				return nil // a folder that cannot be read holds no fonts for us
			}
			switch strings.ToLower(filepath.Ext(path)) {
			case ".ttf", ".otf", ".ttc", ".otc":
				if !entry.IsDir() {
					f.paths = append(f.paths, path)
				}
			}
			return nil
		})
	}
	rank := func(path string) int {
		name := strings.ToLower(filepath.Base(path))
		plain := !strings.Contains(name, "bold") && !strings.Contains(name, "italic") && !strings.Contains(name, "oblique") && !strings.Contains(name, "mono")
		for i, w := range wanted {
			if strings.HasPrefix(name, w) {
				if plain {
					return i
				}
				return i + len(wanted)
			}
		}
		if plain {
			return 2 * len(wanted)
		}
		return 3 * len(wanted)
	}
	slices.SortStableFunc(f.paths, func(a, b string) int { return rank(a) - rank(b) })
	f.paths = f.paths[:min(len(f.paths), maxFallbacks)]
}

// next opens the machine's next font; false when there are no more. A file that is no font is passed over.
func (f *Fonts) next() bool {
	if !f.listed {
		f.list()
	}
	for len(f.paths) > 0 {
		path := f.paths[0]
		f.paths = f.paths[1:]
		file, err := os.Open(path)
		if err != nil {
			continue
		}
		if face, err := parse(file); err == nil {
			f.open, f.faces = append(f.open, file), append(f.faces, face)
			return true
		}
		file.Close()
	}
	return false
}

// Find returns the glyph of a character.
func (f *Fonts) Find(style Style, r rune) Index {
	key := found{style, r}
	if index, ok := f.found[key]; ok {
		return index
	}
	index := f.find(style, r)
	f.found[key] = index
	return index
}

func (f *Fonts) find(style Style, r rune) Index {
	for _, face := range []int{int(style), int(Regular)} {
		if g, err := f.faces[face].GlyphIndex(&f.buffer, r); err == nil && g != 0 {
			return Index{face: int16(face + 1), glyph: g, bold: style == Bold && face != int(Bold)}
		}
	}
	for face := int(styles); face < len(f.faces) || f.next(); face++ {
		if g, err := f.faces[face].GlyphIndex(&f.buffer, r); err == nil && g != 0 {
			return Index{face: int16(face + 1), glyph: g, bold: style == Bold}
		}
	}
	return Index{}
}

// Invisible reports characters that take no room: controls, joiners, variation selectors.
func Invisible(r rune) bool {
	return unicode.Is(unicode.Cc, r) || unicode.Is(unicode.Cf, r) || r >= 0xfe00 && r <= 0xfe0f
}

// Advance is the width of a character at a size in pixels per em.
func (f *Fonts) Advance(style Style, size float64, r rune) float64 {
	switch {
	case r == '\t':
		return 4 * f.Advance(style, size, ' ')
	case Invisible(r):
		return 0
	}
	index := f.Find(style, r)
	if index.Missing() {
		return missingWidth(size)
	}
	key := advance{index, size}
	if a, ok := f.advances[key]; ok {
		return a
	}
	a, err := f.faces[index.face-1].GlyphAdvance(&f.buffer, index.glyph, points(size), font.HintingNone)
	w := float64(a) / 64
	if err != nil || w < 0 || w > 4*size { // a font of a stranger
		w = missingWidth(size)
	}
	f.advances[key] = w
	return w
}

func missingWidth(size float64) float64 { return 0.7 * size }

func points(size float64) fixed.Int26_6 { return fixed.Int26_6(size*64 + 0.5) }

// Ascent and descent of the embedded fonts, in parts of the size: lines are laid out by them whatever font a glyph is of.
const (
	Ascent  = 0.94
	Descent = 0.24
)
