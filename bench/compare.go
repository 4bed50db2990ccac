package bench

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Comparison lays the tests of several measurements side by side.
type Comparison struct {
	Files   []string     `json:"files"`
	Differs []Difference `json:"differs"` // between the files, tests aside
	Tests   []Compared   `json:"tests"`
	Notes   []string     `json:"notes"`
}

// Difference is a property that not all files have in common.
type Difference struct {
	What   string   `json:"what"`
	Values []string `json:"values"` // by file
}

// Compared is one test in all files; a file that lacks it has null figures.
type Compared struct {
	Test   string     `json:"test"`
	Batch  int        `json:"batch"`
	Model  string     `json:"model"` // "" where the test is told by its name alone
	Median []*float64 `json:"tps_median"`
	Std    []*float64 `json:"tps_std"`
	Ratio  []*float64 `json:"ratio"` // of the medians, to the first file's
	Clear  []*bool    `json:"clear"` // the runs do not overlap with those of the first file
}

// key tells tests that can be compared.
type key struct {
	test, model string
	batch       int
}

// Compare compares two files and more. Tests of one name belong together, whatever the model: what differs is told. Where a
// file has tests of one name for several models, the model and its type count too.
func Compare(files []File) (Comparison, error) {
	c := Comparison{Differs: []Difference{}, Tests: []Compared{}, Notes: []string{}}
	if len(files) < 2 {
		return c, fmt.Errorf("%d measurement cannot be compared: give two files of bench -o json, or more", len(files))
	}
	byModel := slices.ContainsFunc(files, severalModels)
	rows := make([]map[key]Row, len(files))
	var order []key
	for i, f := range files {
		c.Files = append(c.Files, f.Name)
		rows[i] = map[key]Row{}
		for _, r := range f.Rows {
			if len(r.TPS) == 0 { // a list of kernels is no test
				continue
			}
			k := key{test: r.Test, batch: r.Batch}
			if byModel {
				k.model = r.modelAndType()
			}
			if _, twice := rows[i][k]; twice {
				return c, fmt.Errorf("%s has the test %s twice", f.Name, strings.TrimSpace(k.model+" "+k.test))
			}
			rows[i][k] = r
			if !slices.Contains(order, k) {
				order = append(order, k)
			}
		}
		for _, r := range f.Rows {
			if note := DriftNote(r); note != "" {
				c.Notes = append(c.Notes, f.Name+": "+note)
			}
		}
	}
	c.Differs = differences(files, byModel)
	shared := false
	for _, k := range order {
		t, common := compareTest(k, rows)
		c.Tests = append(c.Tests, t)
		shared = shared || common
	}
	if !shared {
		return c, fmt.Errorf("the files have no test in common: %s has %s", files[0].Name, testNames(files[0]))
	}
	return c, nil
}

func (r Row) modelAndType() string { return strings.TrimSpace(r.Model + " " + r.Type) }

// severalModels reports a file that has a test more than once, for different models.
func severalModels(f File) bool {
	seen := map[key]bool{}
	for _, r := range f.Rows {
		k := key{test: r.Test, batch: r.Batch}
		if seen[k] && len(r.TPS) > 0 {
			return true
		}
		seen[k] = len(r.TPS) > 0
	}
	return false
}

// compareTest lays one test side by side; common tells that the first file and another have it.
func compareTest(k key, rows []map[key]Row) (t Compared, common bool) {
	t = Compared{Test: k.test, Batch: k.batch, Model: k.model}
	base, there := rows[0][k]
	for i := range rows {
		var middle, std, ratio *float64
		var clear *bool
		if r, ok := rows[i][k]; ok {
			middle, std = &r.TPSMid, &r.TPSStd
			if there && base.TPSMid > 0 {
				by := r.TPSMid / base.TPSMid
				apart := slices.Max(r.TPS) < slices.Min(base.TPS) || slices.Min(r.TPS) > slices.Max(base.TPS)
				ratio, clear = &by, &apart
				common = common || i > 0
			}
		}
		t.Median, t.Std = append(t.Median, middle), append(t.Std, std)
		t.Ratio, t.Clear = append(t.Ratio, ratio), append(t.Clear, clear)
	}
	return t, common
}

// differences lists what the files do not have in common. A property of which a file has several values is that list.
func differences(files []File, byModel bool) []Difference {
	list := []Difference{}
	for _, p := range []struct {
		what string
		of   func(Row) string
	}{
		{"device", func(r Row) string { return r.Device }},
		{"driver", func(r Row) string { return r.Driver }},
		{"tier", func(r Row) string { return fmt.Sprint(r.Tier) }},
		{"qwenvk", func(r Row) string { return r.Program }},
		{"model", func(r Row) string { return r.Model }},
		{"type", func(r Row) string { return r.Type }},
		{"runs", func(r Row) string { return fmt.Sprint(r.Reps) }},
		{"GB/s of copies", func(r Row) string {
			if r.CopyGBPS == nil {
				return "unknown"
			}
			return fmt.Sprintf("%.0f", *r.CopyGBPS)
		}},
	} {
		if byModel && (p.what == "model" || p.what == "type") {
			continue
		}
		d := Difference{What: p.what}
		for _, f := range files {
			var values []string
			for _, r := range f.Rows {
				if v := p.of(r); !slices.Contains(values, v) {
					values = append(values, v)
				}
			}
			d.Values = append(d.Values, strings.Join(values, ", "))
		}
		if slices.ContainsFunc(d.Values, func(v string) bool { return v != d.Values[0] }) {
			list = append(list, d)
		}
	}
	return list
}

func testNames(f File) string {
	var names []string
	for _, r := range f.Rows {
		if names = append(names, r.Test); len(names) == 5 {
			break
		}
	}
	return strings.Join(names, ", ")
}

// Markdown writes the comparison as tables: what differs, and for each test the median with its spread and the ratio to the
// first file. A ratio in brackets is within the spread of the runs.
func (c Comparison) Markdown() string {
	var b strings.Builder
	if len(c.Differs) > 0 {
		table := [][]string{append([]string{"differs"}, c.Files...)}
		for _, d := range c.Differs {
			table = append(table, append([]string{d.What}, d.Values...))
		}
		b.WriteString(markdownTable(table, func(int) bool { return false }) + "\n")
	}
	header := []string{"test"}
	for i, f := range c.Files {
		header = append(header, f+" t/s")
		if i > 0 {
			header = append(header, "ratio")
		}
	}
	table := [][]string{header}
	for _, t := range c.Tests {
		name := strings.TrimSpace(t.Model + " " + t.Test)
		if t.Batch > 1 {
			name += fmt.Sprintf(" b%d", t.Batch)
		}
		line := []string{name}
		for i := range c.Files {
			cell := ""
			if t.Median[i] != nil {
				cell = fmt.Sprintf("%.2f ± %.2f", *t.Median[i], *t.Std[i])
			}
			line = append(line, cell)
			if i > 0 {
				line = append(line, t.ratioText(i))
			}
		}
		table = append(table, line)
	}
	b.WriteString(markdownTable(table, func(column int) bool { return column > 0 }))
	for _, n := range c.Notes {
		b.WriteString("\n" + markdownCell(n) + "\n")
	}
	return b.String()
}

func (t Compared) ratioText(i int) string {
	switch {
	case t.Ratio[i] == nil || math.IsInf(*t.Ratio[i], 0):
		return ""
	case *t.Clear[i]:
		return fmt.Sprintf("%.3f", *t.Ratio[i])
	}
	return fmt.Sprintf("(%.3f)", *t.Ratio[i])
}
