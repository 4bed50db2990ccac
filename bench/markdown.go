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
		share := ""
		if r.BandwidthShare != nil {
			share = fmt.Sprintf("%.1f", 100**r.BandwidthShare)
		}
		table = append(table, []string{
			strings.TrimSpace(r.arch + " " + r.Model + " " + r.Type), fmt.Sprintf("%.2f MiB", float64(r.Bytes)/(1<<20)),
			fmt.Sprintf("%.2f M", float64(r.Params)/1e6), "Vulkan", r.Test, fmt.Sprintf("%.2f ± %.2f", r.TPSMean, r.TPSStd), share,
		})
	}
	var widths [7]int
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, row := range table {
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if rightAligned(i) {
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
			if rightAligned(i) {
				b.WriteString("| " + strings.Repeat("-", widths[i]-1) + ": ")
			} else {
				b.WriteString("| " + strings.Repeat("-", widths[i]) + " ")
			}
		}
		b.WriteString("|\n")
	}
	return b.String()
}

// rightAligned: the columns of numbers, as in llama-bench.
func rightAligned(column int) bool { return column != 0 && column != 3 }
