package bench

import (
	"context"
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk"
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
	Limit      string   `json:"limit"`      // what bounds it: "memory", "float32", "integer dots", "matrix units"; "" where that is not known
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
	rate, units := l.arithmetic(k.Kernel)
	if rate > 0 {
		arithmetic = k.FLOPs / (rate * 1e9)
	}
	least := max(memory, arithmetic)
	if least == 0 {
		return
	}
	if k.Limit = "memory"; arithmetic > memory {
		k.Limit = units
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

// arithmetic is how fast the units compute that a kernel uses, in GFLOP/s, and what they are.
func (l Limits) arithmetic(kernel string) (rate float64, units string) {
	name, _, _ := strings.Cut(kernel, ".")
	v, units := l.FP32GFLOPS, "float32"
	switch {
	case strings.HasSuffix(name, "_cm"):
		v, units = l.MatrixGF, "matrix units"
	case strings.HasPrefix(name, "mul_mat") && strings.HasSuffix(name, "_i8"):
		v, units = l.INT8GOPS, "integer dots"
	}
	if v == nil {
		return 0, units
	}
	return *v, units
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
		if k.Limit != "memory" {
			bar.colour = 1
		}
		bars = append(bars, bar)
	}
	return bars
}

// timeKernels times the kernels of a decode step and of a prompt behind depth tokens.
func timeKernels(ctx context.Context, m *qwenvk.Model, o Options, depth int, l Limits) ([]Kernel, error) {
	var all []Kernel
	steps := []int{1}
	if len(o.Prompt) > 0 && o.Prompt[0] > 1 {
		steps = append(steps, min(o.Prompt[0], m.Chunk()))
	}
	for _, tokens := range steps {
		times, err := m.TimeKernels(ctx, tokens, depth)
		if err != nil {
			return nil, err
		}
		group := "decode"
		if tokens > 1 {
			group = fmt.Sprintf("prompt of %d", tokens)
		}
		all = append(all, kernelsOf(times, group, l)...)
	}
	return all, nil
}

// kernelsOf places the times of one step.
func kernelsOf(times []qwenvk.KernelTime, group string, l Limits) []Kernel {
	var total float64
	for _, t := range times {
		if t.Used {
			total += t.NS * float64(t.Dispatches)
		}
	}
	kernels := make([]Kernel, len(times))
	for i, t := range times {
		kernels[i] = Kernel{
			Kernel: t.Module, For: t.For, Shape: t.Shape, Group: group, Used: t.Used, Dispatches: t.Dispatches,
			Micros: t.NS / 1e3, Bytes: t.Bytes, FLOPs: t.FLOPs,
		}
		if t.Used && total > 0 {
			kernels[i].TimeShare = t.NS * float64(t.Dispatches) / total
		}
		kernels[i].place(l)
	}
	return kernels
}

// profileOf places what the dispatches of a test took.
func profileOf(times []qwenvk.OpTime, group string, l Limits) []Kernel {
	var total float64
	for _, t := range times {
		total += t.NS
	}
	var kernels []Kernel
	for _, t := range times {
		n := float64(max(t.Dispatches, 1))
		k := Kernel{Kernel: t.Op, For: t.Label, Group: group, Used: true, Dispatches: t.Dispatches, Micros: t.NS / n / 1e3, Bytes: t.Moved / n, FLOPs: t.FLOPs / n}
		if total > 0 {
			k.TimeShare = t.NS / total
		}
		k.place(l)
		kernels = append(kernels, k)
	}
	return kernels
}
