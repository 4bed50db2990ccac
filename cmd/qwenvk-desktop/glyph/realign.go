package glyph

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/image/font/sfnt"
)

// parse reads the first font of a file. Fonts whose tables do not lie at multiples of four, as WenQuanYi's do not, are not valid,
// and everybody but package sfnt reads them: it is shown the same tables at such offsets.
func parse(file io.ReaderAt) (*sfnt.Font, error) {
	c, err := sfnt.ParseCollectionReaderAt(file)
	if err != nil {
		return nil, err
	}
	if c.NumFonts() == 0 {
		return nil, errors.New("glyph: a collection without fonts")
	}
	f, err := c.Font(0)
	if err == nil {
		return f, nil
	}
	aligned, alignError := realign(file)
	if alignError != nil {
		return nil, errors.Join(err, alignError)
	}
	return sfnt.ParseReaderAt(aligned)
}

// tables is a font with a directory of its own, whose tables are read from another file.
type tables struct {
	directory []byte
	file      io.ReaderAt
	parts     []tablePart
}

type tablePart struct{ at, from, length int64 }

// realign makes a view of the first font of a file with its tables at multiples of four.
func realign(file io.ReaderAt) (*tables, error) {
	at := int64(0)
	head := make([]byte, 16)
	if _, err := file.ReadAt(head, 0); err != nil {
		return nil, err
	}
	if string(head[:4]) == "ttcf" {
		at = int64(binary.BigEndian.Uint32(head[12:]))
	}
	start := make([]byte, 12)
	if _, err := file.ReadAt(start, at); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(start[4:]))
	const most = 64 // a font has some twenty
	if n == 0 || n > most {
		return nil, fmt.Errorf("glyph: a font with %d tables", n)
	}
	t := &tables{directory: make([]byte, 12+16*n), file: file}
	if _, err := file.ReadAt(t.directory, at); err != nil {
		return nil, err
	}
	next := int64(len(t.directory))
	for i := range n {
		entry := t.directory[12+16*i:][:16]
		p := tablePart{next, int64(binary.BigEndian.Uint32(entry[8:])), int64(binary.BigEndian.Uint32(entry[12:]))}
		binary.BigEndian.PutUint32(entry[8:], uint32(next))
		t.parts = append(t.parts, p)
		if next += (p.length + 3) &^ 3; next > 1<<31 {
			return nil, errors.New("glyph: a font larger than 2 GiB")
		}
	}
	return t, nil
}

// ReadAt reads the directory, or a part of one table; between tables lie zeros.
func (t *tables) ReadAt(p []byte, off int64) (int, error) {
	done := 0
	for done < len(p) {
		at := off + int64(done)
		if at < int64(len(t.directory)) {
			done += copy(p[done:], t.directory[at:])
			continue
		}
		part, ok := t.part(at)
		if !ok {
			return done, io.EOF
		}
		within := at - part.at
		if within >= part.length {
			p[done] = 0
			done++
			continue
		}
		n := min(int64(len(p)-done), part.length-within)
		m, err := t.file.ReadAt(p[done:done+int(n)], part.from+within)
		done += m
		if int64(m) < n {
			return done, err
		}
	}
	return done, nil
}

func (t *tables) part(at int64) (tablePart, bool) {
	for _, p := range t.parts {
		if at >= p.at && at < p.at+(p.length+3)&^3 {
			return p, true
		}
	}
	return tablePart{}, false
}
