package markdown

import (
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// narrow is the width below which no column of a table is pressed.
const narrow = 4

// endTable prints the rows that were gathered: as a table if the second one says so, else as they are.
func (s *Stream) endTable() {
	rows := s.table
	if s.table = nil; len(rows) == 0 {
		return
	}
	sides, ok := alignments(rows[min(1, len(rows)-1)])
	if len(rows) < 2 || !ok {
		for _, row := range rows {
			s.wrap.begin(s.inside, s.inside)
			for _, p := range s.all(row, ' ', 0) {
				s.wrap.add(p)
			}
			s.wrap.end()
		}
		return
	}
	var cells [][][]piece // by row and column
	for i, row := range rows {
		if i == 1 {
			continue
		}
		base := style(0)
		if i == 0 {
			base = bold
		}
		texts := split(row)
		line := make([][]piece, len(sides))
		for j := range line {
			if j < len(texts) {
				line[j] = s.all(strings.ReplaceAll(texts[j], "<br>", " "), ' ', base)
			}
		}
		cells = append(cells, line)
	}
	widths := s.columns(cells)
	for i, line := range cells {
		s.tableLine(line, widths, sides)
		if i == 0 {
			s.tableRule(widths)
		}
	}
}

// alignments reads the row of dashes: 'l', 'r' or 'c' for each column.
func alignments(row string) (sides []byte, ok bool) {
	for _, cell := range split(row) {
		if strings.Trim(cell, ":-") != "" || !strings.Contains(cell, "-") {
			return nil, false
		}
		side := byte('l')
		if strings.HasSuffix(cell, ":") {
			if side = 'r'; strings.HasPrefix(cell, ":") {
				side = 'c'
			}
		}
		sides = append(sides, side)
	}
	return sides, len(sides) > 0
}

// split cuts a row at its bars, but not at \| and not in `code`.
func split(row string) (cells []string) {
	row = strings.TrimSpace(row)
	row = strings.TrimPrefix(row, "|")
	var b strings.Builder
	for i := 0; i < len(row); i++ {
		switch c := row[i]; {
		case c == '\\' && i+1 < len(row) && row[i+1] == '|':
			b.WriteByte('|')
			i++
		case c == '`':
			_, n, _ := codeSpan(row[i:], true, 0)
			n = max(n, run(row[i:]))
			b.WriteString(row[i : i+n])
			i += n - 1
		case c == '|':
			cells = append(cells, strings.TrimSpace(b.String()))
			b.Reset()
		default:
			b.WriteByte(c)
		}
	}
	if last := strings.TrimSpace(b.String()); last != "" {
		cells = append(cells, last)
	}
	return cells
}

// columns measures a table, and presses its widest columns until it fits the window.
func (s *Stream) columns(cells [][][]piece) []int {
	widths := make([]int, len(cells[0]))
	total := 3*len(widths) - 1
	for _, p := range s.inside {
		total += term.Width(p.text)
	}
	for j := range widths {
		widths[j] = 1
		for _, line := range cells {
			widths[j] = max(widths[j], measure(line[j]))
		}
		total += widths[j]
	}
	for limit := s.wrap.limit(); limit > 0 && total > limit; total-- {
		widest := 0
		for j, w := range widths {
			if w > widths[widest] {
				widest = j
			}
		}
		if widths[widest] <= narrow {
			break
		}
		widths[widest]--
	}
	return widths
}

func measure(pieces []piece) (width int) {
	for _, p := range pieces {
		width += term.Width(p.text)
	}
	return width
}

// tableLine prints a row, whose cells may take several lines of the screen.
func (s *Stream) tableLine(cells [][]piece, widths []int, sides []byte) {
	lines := make([][][]piece, len(cells))
	height := 1
	for j, cell := range cells {
		lines[j] = fill(cell, widths[j])
		height = max(height, len(lines[j]))
	}
	for i := range height {
		s.wrap.begin(s.inside, nil)
		for j := range cells {
			var text []piece
			if i < len(lines[j]) {
				text = lines[j][i]
			}
			free := max(0, widths[j]-measure(text))
			left := 0
			switch sides[j] {
			case 'r':
				left = free
			case 'c':
				left = free / 2
			}
			if len(text) == 0 && j == len(cells)-1 {
				continue
			}
			s.wrap.raw(piece{strings.Repeat(" ", 1+left), 0})
			for _, p := range text {
				s.wrap.raw(p)
			}
			if j < len(cells)-1 {
				s.wrap.raw(piece{strings.Repeat(" ", free-left+1), 0})
				s.wrap.raw(piece{"│", faint})
			}
		}
		s.wrap.newline()
	}
}

func (s *Stream) tableRule(widths []int) {
	s.wrap.begin(s.inside, nil)
	for j, w := range widths {
		if j > 0 {
			s.wrap.raw(piece{"┼", faint})
		}
		s.wrap.raw(piece{strings.Repeat("─", w+2), faint})
	}
	s.wrap.newline()
}

// fill sets a cell's text into lines of a width; a word that is longer is cut.
func fill(cell []piece, width int) (lines [][]piece) {
	var line []piece
	column := 0
	flush := func() {
		lines, line, column = append(lines, line), nil, 0
	}
	for _, p := range cell {
		for rest := p.text; rest != ""; {
			word := rest
			if i := strings.IndexByte(rest[1:], ' '); i >= 0 {
				word = rest[:i+1]
			}
			rest = rest[len(word):]
			if column > 0 && column+term.Width(word) > width {
				flush()
			}
			if column == 0 {
				word = strings.TrimLeft(word, " ")
			}
			for word != "" {
				cluster, w := term.FirstCluster(word)
				if column > 0 && column+w > width {
					flush()
				}
				line = join(line, piece{cluster, p.style})
				column += w
				word = word[len(cluster):]
			}
		}
	}
	if len(line) > 0 {
		flush()
	}
	return lines
}
