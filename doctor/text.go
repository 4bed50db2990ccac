package doctor

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// Text is the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	d, h := &r.Device, &r.Host
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-9s "+format+"\n", append([]any{name}, args...)...)
	}
	if d.Name != "" {
		line("device", "%d  %s, %s", d.Index, d.Name, d.Type)
		if d.Type == "software" {
			line("", "it computes on the CPU: no graphics card is used")
		}
		line("driver", "%s %s, Vulkan %s", d.Driver, d.DriverVersion, d.APIVersion)
		line("memory", "%s, %s free; the host can write to %s of it; a shader sees %s at a time", bytes(d.MemoryBytes), bytes(d.FreeBytes), bytes(d.MappedBytes), bytes(d.BindingBytes))
		line("tier", "%d: %s", d.Tier, d.TierReason)
		line("has", "%s", strings.Join(d.Capabilities, " "))
		if len(d.MatrixShapes) > 0 {
			line("matrices", "%s", strings.Join(d.MatrixShapes, " "))
		}
		line("memory", "copies %.1f GB/s, reads %.1f GB/s, to the device %.1f GB/s, from it %.1f GB/s", r.Speed.Copy, r.Speed.Read, r.Speed.Upload, r.Speed.Download)
		line("compute", "%s", r.Speed.arithmetic())
	}
	line("host", "%s, %d CPUs, %s", h.OS, h.CPUs, bytes(h.MemoryBytes))
	line("drivers", "%s", orNone(h.Drivers))
	var nodes []string
	for _, n := range h.Nodes {
		if !n.Usable {
			n.Path += " (not for this user)"
		}
		nodes = append(nodes, n.Path)
	}
	line("nodes", "%s", orNone(nodes))
	if d.Name != "" {
		line("cache", "%s", h.cache())
	}
	if r.Model != "" {
		line("model", "%s", r.Model)
	}
	b.WriteString("\n")
	if len(r.Checks) > 0 {
		b.WriteString(r.table())
		b.WriteString("\n")
	}
	for _, c := range r.Checks {
		if c.Wrong != "" {
			fmt.Fprintf(&b, "wrong     %s, %s: %s\n", strings.Join(c.Kernels, " "), c.Examinee, c.Wrong)
		}
	}
	for _, s := range r.SwitchedOff {
		fmt.Fprintf(&b, "off       %s: %s\n", s.Module, s.Reason)
	}
	fmt.Fprintf(&b, "verdict   %s\n", r.Verdict)
	for _, a := range r.Advice {
		fmt.Fprintf(&b, "          %s\n", a)
	}
	return b.String()
}

// arithmetic lists what the device computes with.
func (s *Speed) arithmetic() string {
	text := fmt.Sprintf("float32 %.0f GFLOP/s", s.Float32)
	for _, unit := range []struct {
		name string
		rate float64
	}{{"float16 %.0f GFLOP/s", s.Half}, {"dot products of bytes %.0f GOP/s", s.Dot}, {"matrix units %.0f GFLOP/s", s.Matrix}} {
		if unit.rate > 0 {
			text += ", " + fmt.Sprintf(unit.name, unit.rate)
		}
	}
	return text
}

func (h *Host) cache() string {
	switch {
	case h.CacheDir == "":
		return "none"
	case h.CacheReason != "":
		return h.CacheDir + ", which cannot be written to: " + h.CacheReason
	}
	return h.CacheDir
}

// table has a row for each kernel and tier, over all types and operations.
func (r *Report) table() string {
	type row struct {
		variants map[string]bool
		columns  map[int]bool
		values   int
		worst    float64
		wrong    bool
	}
	rows := map[string]*row{}
	for _, c := range r.Checks {
		for _, module := range c.Kernels {
			parts := strings.Split(strings.TrimSuffix(module, ".spv"), ".")
			key := parts[0] + " " + parts[len(parts)-1]
			if rows[key] == nil {
				rows[key] = &row{variants: map[string]bool{}, columns: map[int]bool{}}
			}
			k := rows[key]
			if len(parts) == 3 {
				k.variants[parts[1]] = true
			}
			for _, n := range c.Columns {
				k.columns[n] = true
			}
			k.values += c.Values
			k.worst = max(k.worst, c.Worst)
			k.wrong = k.wrong || c.Wrong != ""
		}
	}
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "kernel\ttier\tcolumns\tcompared\tworst\t\ttypes")
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		k := rows[key]
		kernel, tier, _ := strings.Cut(key, " t")
		verdict := "ok"
		if k.wrong {
			verdict = "WRONG"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%.0f %%\t%s\t%s\n", kernel, tier, join(slices.Sorted(maps.Keys(k.columns))), k.values, 100*k.worst, verdict,
			strings.Join(slices.Sorted(maps.Keys(k.variants)), " "))
	}
	w.Flush() // into memory
	return b.String()
}

func join(numbers []int) string {
	words := make([]string, len(numbers))
	for i, n := range numbers {
		words[i] = fmt.Sprint(n)
	}
	return strings.Join(words, " ")
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// bytes is a size for people.
func bytes(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}
