package ui

import (
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/glyph"
)

// block is a part of an answer that is laid out as one: paragraphs, or code.
type block struct {
	code     bool
	language string
	runs     []Run
}

// blocks reads what models write of Markdown: fenced code, headings, lists, bold and code within a line. Everything else
// stays as it is, and a fence or a mark that is not closed yet already counts, since the text is still being written.
func blocks(text string, size float64, color, dim canvas.Color) []block {
	var out []block
	var code *block
	lines := strings.Split(text, "\n")
	paragraph := func() *block {
		if n := len(out); n > 0 && !out[n-1].code {
			return &out[n-1]
		}
		out = append(out, block{})
		return &out[len(out)-1]
	}
	for _, line := range lines {
		if fence, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "```"); ok {
			if code != nil {
				code = nil
				continue
			}
			out = append(trim(out), block{code: true, language: strings.TrimSpace(fence)})
			code = &out[len(out)-1]
			continue
		}
		if code != nil {
			if len(code.runs) > 0 {
				line = "\n" + line
			}
			code.runs = append(code.runs, Run{line, glyph.Mono, size * 0.92, color})
			continue
		}
		if n := len(out); n > 0 && out[n-1].code && line == "" {
			continue // the empty line behind a fence is the block's own distance
		}
		b := paragraph()
		if len(b.runs) > 0 {
			b.runs = append(b.runs, Run{"\n", glyph.Regular, size, color})
		}
		b.runs = append(b.runs, inline(line, size, color, dim)...)
	}
	return trim(out)
}

// trim takes empty lines from the end of the last paragraph, and the paragraph if nothing is left.
func trim(list []block) []block {
	if n := len(list); n > 0 && !list[n-1].code {
		b := &list[n-1]
		for m := len(b.runs); m > 0 && strings.TrimSpace(b.runs[m-1].Text) == ""; m-- {
			b.runs = b.runs[:m-1]
		}
		if len(b.runs) == 0 {
			return list[:n-1]
		}
	}
	return list
}

func inline(line string, size float64, color, dim canvas.Color) []Run {
	if rest, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
		return []Run{{rest, glyph.Bold, size, color}}
	}
	var runs []Run
	indent := len(line) - len(strings.TrimLeft(line, " "))
	if item := line[indent:]; strings.HasPrefix(item, "- ") || strings.HasPrefix(item, "* ") {
		runs = append(runs, Run{line[:indent] + "•  ", glyph.Regular, size, dim})
		line = item[2:]
	}
	style := glyph.Regular
	for line != "" {
		next := strings.IndexAny(line, "*`")
		if style == glyph.Mono {
			next = strings.IndexByte(line, '`')
		}
		if next < 0 {
			break
		}
		mark := line[next : next+1]
		if mark == "*" && strings.HasPrefix(line[next:], "**") {
			mark = "**"
		}
		if mark == "*" || style == glyph.Regular && !strings.Contains(line[next+len(mark):], mark) && mark == "`" {
			runs = append(runs, Run{line[:next+1], style, size, color})
			line = line[next+1:]
			continue
		}
		runs = append(runs, Run{line[:next], style, size, color})
		line = line[next+len(mark):]
		switch {
		case style != glyph.Regular:
			style = glyph.Regular
		case mark == "`":
			style = glyph.Mono
		default:
			style = glyph.Bold
		}
	}
	return append(runs, Run{line, style, size, color})
}
