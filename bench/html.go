package bench

import (
	"fmt"
	"html"
	"slices"
	"strings"
)

// HTML writes a report as one file that needs nothing else: no network, no script. It has plots of speed against depth, of
// the tests of all files side by side, of the share that each kernel reaches of the device's limits, and all figures as
// tables. Every text from a file is escaped.
func HTML(files []File) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n" +
		"<title>qwenvk bench</title>\n<style>\n" + htmlStyle + "</style>\n</head>\n<body>\n<h1>qwenvk bench</h1>\n")
	htmlSetup(&b, files)
	for _, kind := range []struct{ test, title string }{{"tg", "Writing: tokens per second against depth"}, {"pp", "Reading prompts: tokens per second against depth"}} {
		if lines := depthLines(files, kind.test); len(lines) > 0 {
			section(&b, kind.title, linePlot(lines, "tokens in the cache", "t/s"))
		}
	}
	if bars := testBars(files); len(bars) > 0 {
		section(&b, "Tests side by side", barPlot(bars))
	}
	for _, f := range files {
		for _, r := range f.Rows {
			for _, list := range []struct {
				title   string
				kernels []Kernel
			}{{"Kernels by themselves", r.Kernels}, {"Profile of " + r.Test, r.Profile}} {
				if len(list.kernels) > 0 {
					section(&b, list.title+": share of the limit, "+seriesName(files, f, r), barPlot(kernelBars(list.kernels))+kernelTable(list.kernels))
				}
			}
		}
	}
	htmlTests(&b, files)
	b.WriteString("</body>\n</html>\n")
	return b.String()
}

const htmlStyle = `:root{color-scheme:light dark;--back:#fff;--fore:#1c1f24;--faint:#6b7280;--line:#d8dce3;--c0:#2563eb;--c1:#d9480f;--c2:#0f8a5f;--c3:#9333ea;--c4:#b58900;--c5:#0e7490}
@media(prefers-color-scheme:dark){:root{--back:#15181d;--fore:#e6e8ec;--faint:#9aa3b0;--line:#343b46;--c0:#6ea8fe;--c1:#ff9d66;--c2:#4fd1a1;--c3:#c792ea;--c4:#e5c45a;--c5:#67d4e8}}
body{background:var(--back);color:var(--fore);font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2.2rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;display:block;overflow-x:auto}
td,th{border-bottom:1px solid var(--line);padding:.25rem .7rem;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto}svg text{fill:var(--fore);font:12px system-ui,sans-serif}svg .faint{fill:var(--faint)}
svg line{stroke:var(--line)}svg polyline{fill:none;stroke-width:2}
`

func section(b *strings.Builder, title, content string) {
	fmt.Fprintf(b, "<section>\n<h2>%s</h2>\n%s</section>\n", html.EscapeString(title), content)
}

// htmlSetup says what was measured with what.
func htmlSetup(b *strings.Builder, files []File) {
	table := [][]string{{"file", "device", "driver", "tier", "model", "type", "limits", "qwenvk"}}
	for _, f := range files {
		for _, r := range f.Rows {
			line := []string{f.Name, r.Device, r.Driver, fmt.Sprint(r.Tier), r.Model, r.Type, r.Limits.String(), r.Program}
			if !slices.ContainsFunc(table, func(l []string) bool { return slices.Equal(l, line) }) {
				table = append(table, line)
			}
		}
	}
	section(b, "What was measured", htmlTable(table))
	var notes strings.Builder
	for _, f := range files {
		for _, r := range f.Rows {
			if note := DriftNote(r); note != "" {
				fmt.Fprintf(&notes, "<p>%s</p>\n", html.EscapeString(f.Name+": "+note))
			}
		}
	}
	b.WriteString(notes.String())
}

// htmlTests has all tests; of several files with the ratio to the first.
func htmlTests(b *strings.Builder, files []File) {
	if c, err := Compare(files); err == nil {
		table := [][]string{{"test"}}
		for i, f := range files {
			table[0] = append(table[0], f.Name+" t/s")
			if i > 0 {
				table[0] = append(table[0], "ratio")
			}
		}
		for _, t := range c.Tests {
			line := []string{strings.TrimSpace(t.Model + " " + t.Test)}
			for i := range files {
				cell := ""
				if t.Median[i] != nil {
					cell = fmt.Sprintf("%.2f ± %.2f", *t.Median[i], *t.Std[i])
				}
				if line = append(line, cell); i > 0 {
					line = append(line, t.ratioText(i))
				}
			}
			table = append(table, line)
		}
		section(b, "Medians and ratios (in brackets: within the spread of the runs)", htmlTable(table))
	}
	table := [][]string{{"file", "model", "test", "median t/s", "mean", "spread", "% bw", "GB/s", "dispatches", "barriers", "host µs", "memory MiB"}}
	number := func(format string, v *float64, factor float64) string {
		if v == nil {
			return ""
		}
		return fmt.Sprintf(format, *v*factor)
	}
	for _, f := range files {
		for _, r := range f.Rows {
			if len(r.TPS) == 0 {
				continue
			}
			table = append(table, []string{
				f.Name, r.modelAndType(), r.Test, fmt.Sprintf("%.2f", r.TPSMid), fmt.Sprintf("%.2f", r.TPSMean), fmt.Sprintf("± %.2f", r.TPSStd),
				number("%.1f", r.BandwidthShare, 100), number("%.1f", r.BandwidthGBPS, 1), number("%.0f", r.Dispatches, 1), number("%.0f", r.Barriers, 1),
				number("%.1f", r.HostMicros, 1), fmt.Sprintf("%.1f", float64(r.VRAMBytes)/(1<<20)),
			})
		}
	}
	section(b, "All tests", htmlTable(table))
}

// htmlTable writes cells, the first line as header.
func htmlTable(table [][]string) string {
	var b strings.Builder
	b.WriteString("<table>\n")
	for i, row := range table {
		tag := "td"
		if i == 0 {
			tag = "th"
		}
		b.WriteString("<tr>")
		for _, cell := range row {
			fmt.Fprintf(&b, "<%s>%s</%s>", tag, html.EscapeString(cell), tag)
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
	return b.String()
}

// seriesName tells the rows of a report apart by what they do not have in common.
func seriesName(files []File, f File, r Row) string {
	name := r.modelAndType()
	if r.Batch > 1 {
		name += fmt.Sprintf(", %d sequences", r.Batch)
	}
	if len(files) > 1 {
		name = f.Name + ": " + name
	}
	return name
}

// depthLines are the speeds of one kind of test against its depth, a line for each file, model and length; none where no
// test has two depths.
func depthLines(files []File, kind string) []plotLine {
	var lines []plotLine
	deep := false
	for _, f := range files {
		for _, r := range f.Rows {
			if len(r.TPS) == 0 || !strings.HasPrefix(r.Test, kind) {
				continue
			}
			name := seriesName(files, f, r) + ", " + strings.Split(r.Test, " ")[0]
			i := slices.IndexFunc(lines, func(l plotLine) bool { return l.name == name })
			if i < 0 {
				i = len(lines)
				lines = append(lines, plotLine{name: name})
			}
			lines[i].x = append(lines[i].x, float64(r.Depth))
			lines[i].y = append(lines[i].y, r.TPSMid)
			deep = deep || len(lines[i].x) > 1
		}
	}
	if !deep {
		return nil
	}
	return lines
}

// testBars lays the files' tests side by side: each test's bars are shares of its fastest.
func testBars(files []File) []plotBar {
	var names []string
	for _, f := range files {
		for _, r := range f.Rows {
			if len(r.TPS) > 0 && !slices.Contains(names, r.Test) {
				names = append(names, r.Test)
			}
		}
	}
	var bars []plotBar
	for _, name := range names {
		most, first := 0.0, len(bars)
		for i, f := range files {
			for _, r := range f.Rows {
				if r.Test != name || len(r.TPS) == 0 {
					continue
				}
				most = max(most, r.TPSMid)
				bars = append(bars, plotBar{label: name + "  " + seriesName(files, f, r), value: r.TPSMid, words: fmt.Sprintf("%.2f t/s", r.TPSMid), colour: i})
			}
		}
		for i := first; i < len(bars); i++ {
			if bars[i].share = 0; most > 0 {
				bars[i].share = bars[i].value / most
			}
			bars[i].label = strings.TrimSpace(bars[i].label)
		}
	}
	return bars
}
