package bench

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Markdown writes rows as a table with llama-bench's columns and the share of the copying bandwidth.
func Markdown(rows []Row) string {
	table := [][]string{{"model", "size", "params", "backend", "test", "t/s", "% bw"}}
	for _, r := range rows {
		if len(r.TPS) == 0 && r.TPSMean == 0 { // a list of kernels has a table of its own
			continue
		}
		share := ""
		if r.BandwidthShare != nil {
			share = fmt.Sprintf("%.1f", 100**r.BandwidthShare)
		}
		table = append(table, []string{
			strings.TrimSpace(r.Arch + " " + r.Model + " " + r.Type), fmt.Sprintf("%.2f MiB", float64(r.Bytes)/(1<<20)),
			fmt.Sprintf("%.2f M", float64(r.Params)/1e6), "Vulkan", r.Test, fmt.Sprintf("%.2f ± %.2f", r.TPSMean, r.TPSStd), share,
		})
	}
	var b strings.Builder
	if len(table) > 1 {
		// The columns of numbers, as in llama-bench.
		b.WriteString(markdownTable(table, func(column int) bool { return column != 0 && column != 3 }))
	}
	for _, r := range rows {
		for _, list := range [][]Kernel{r.Profile, r.Kernels} {
			if len(list) > 0 {
				b.WriteString("\n" + KernelsMarkdown(list))
			}
		}
	}
	return b.String()
}

// markdownTable writes a table whose first line is its header, columns as wide as their widest cell.
func markdownTable(table [][]string, right func(column int) bool) string {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i := range row {
			row[i] = markdownCell(row[i])
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	var b strings.Builder
	for n, row := range table {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if right(i) {
				b.WriteString("| " + pad + cell + " ")
			} else {
				b.WriteString("| " + cell + pad + " ")
			}
		}
		b.WriteString("|\n")
		if n > 0 {
			continue
		}
		for i := range row {
			if right(i) {
				b.WriteString("| " + strings.Repeat("-", max(0, widths[i]-1)) + ": ")
			} else {
				b.WriteString("| " + strings.Repeat("-", widths[i]) + " ")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// markdownCell keeps a text from ending its cell.
func markdownCell(s string) string {
	return strings.NewReplacer("|", "\\|", "\n", " ", "\r", " ").Replace(s)
}
