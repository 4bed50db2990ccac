package bench

import (
	"fmt"
	"strings"
)

// Kernel is what a kernel reaches, timed by itself or in a test.
type Kernel struct {
	Kernel     string   `json:"kernel"` // its compiled form: "mul_mat_vec.q4.t1"
	For        string   `json:"for"`    // what the plan uses it for: "attn_qkv"
	Shape      string   `json:"shape"`  // of the operation
	Group      string   `json:"group"`  // "decode", "prefill"
	Used       bool     `json:"used"`   // the plan has this form; others are candidates that it left
	Dispatches int      `json:"dispatches"`
	Micros     float64  `json:"us"`    // of one dispatch
	Bytes      float64  `json:"bytes"` // that one dispatch must move: weights, cache, activations
	FLOPs      float64  `json:"flops"` // of one dispatch
	GBPS       float64  `json:"gbps"`
	GFLOPS     float64  `json:"gflops"`
	Limit      string   `json:"limit"`      // what bounds it: "memory", "arithmetic"; "" where that is not known
	Share      *float64 `json:"share"`      // of the limit that it reaches
	TimeShare  float64  `json:"time_share"` // of the device's time in its group
}

// place finds the limit that a kernel comes up against, and the share of it that it reaches: the time that the device would
// need at least, over the time that it took (S. Williams, A. Waterman, D. Patterson, "Roofline", CACM 2009).
func (k *Kernel) place(l Limits) {
	seconds := k.Micros * 1e-6
	if seconds <= 0 {
		return
	}
	k.GBPS, k.GFLOPS = k.Bytes/seconds/1e9, k.FLOPs/seconds/1e9
	memory, arithmetic := 0.0, 0.0
	if rate := l.memory(); rate > 0 {
		memory = k.Bytes / (rate * 1e9)
	}
	if rate := l.arithmetic(); rate > 0 {
		arithmetic = k.FLOPs / (rate * 1e9)
	}
	least := max(memory, arithmetic)
	if least == 0 {
		return
	}
	if k.Limit = "memory"; arithmetic > memory {
		k.Limit = "arithmetic"
	}
	share := least / seconds
	k.Share = &share
}

// memory is the fastest that memory was seen to be, in GB/s.
func (l Limits) memory() float64 {
	var most float64
	for _, v := range []*float64{l.CopyGBPS, l.ReadGBPS} {
		if v != nil {
			most = max(most, *v)
		}
	}
	return most
}

// arithmetic is the fastest that the device was seen to compute, in GFLOP/s.
func (l Limits) arithmetic() float64 {
	var most float64
	for _, v := range []*float64{l.FP32GFLOPS} {
		if v != nil {
			most = max(most, *v)
		}
	}
	return most
}

// KernelsMarkdown writes a table of kernels, group by group as they stand.
func KernelsMarkdown(kernels []Kernel) string {
	return markdownTable(kernelCells(kernels), func(column int) bool { return column > 3 })
}

// kernelCells are the cells of a table of kernels, its header first.
func kernelCells(kernels []Kernel) [][]string {
	table := [][]string{{"group", "kernel", "for", "shape", "dispatches", "µs each", "% time", "GB/s", "GFLOP/s", "% of", "limit"}}
	figure := func(v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f", v)
	}
	for _, k := range kernels {
		name, share := k.Kernel, ""
		if !k.Used {
			name += " (not used)"
		}
		if k.Share != nil {
			share = fmt.Sprintf("%.1f", 100**k.Share)
		}
		table = append(table, []string{
			k.Group, name, k.For, k.Shape, fmt.Sprint(k.Dispatches), fmt.Sprintf("%.1f", k.Micros), figure(100 * k.TimeShare),
			figure(k.GBPS), figure(k.GFLOPS), share, k.Limit,
		})
	}
	return table
}

func kernelTable(kernels []Kernel) string {
	return "<details><summary>Figures</summary>\n" + htmlTable(kernelCells(kernels)) + "</details>\n"
}

// kernelBars are the shares of the limit that kernels reach, memory in the first colour, arithmetic in the second.
func kernelBars(kernels []Kernel) []plotBar {
	var bars []plotBar
	for _, k := range kernels {
		if k.Share == nil {
			continue
		}
		bar := plotBar{
			label: strings.TrimSpace(k.Group + " " + k.Kernel + " " + k.For + " " + k.Shape), value: *k.Share, share: *k.Share,
			words: fmt.Sprintf("%.1f %% of %s", 100**k.Share, k.Limit),
		}
		if k.Limit == "arithmetic" {
			bar.colour = 1
		}
		bars = append(bars, bar)
	}
	return bars
}
