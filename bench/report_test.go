package bench

import (
	"encoding/csv"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{{nil, 0}, {[]float64{7}, 7}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 3, 2}, 2.5}} {
		if got := median(test.values); got != test.want {
			t.Errorf("%v: %g, want %g", test.values, got, test.want)
		}
	}
}

func TestDrift(t *testing.T) {
	for _, test := range []struct {
		runs   []float64
		change float64
		clear  bool
	}{
		{[]float64{1, 2, 3}, 0, false},                  // too few
		{[]float64{100, 100, 100, 100}, 0, false},       // steady
		{[]float64{100, 102, 98, 101}, -0.01485, false}, // chance
		{[]float64{100, 101, 99, 90, 89}, -0.1095, true},
		{[]float64{100, 101, 110, 111}, 0.0995, true},
		{[]float64{100, 110, 90, 105}, -0.0714, false}, // the halves overlap
		{[]float64{0, 0, 1, 1}, 0, false},
	} {
		change, clear, _ := drift(test.runs)
		if math.Abs(change-test.change) > 1e-3 || clear != test.clear {
			t.Errorf("%v: %g, %v; want %g, %v", test.runs, change, clear, test.change, test.clear)
		}
		if note := DriftNote(Row{Test: "pp8", TPS: test.runs}); (note != "") != test.clear {
			t.Errorf("%v: note %q", test.runs, note)
		}
	}
}

// A kernel's share of the limit is that of whatever it comes up against.
func TestPlace(t *testing.T) {
	limit := func(v float64) *float64 { return &v }
	l := Limits{CopyGBPS: limit(80), ReadGBPS: limit(100), FP32GFLOPS: limit(1000), MatrixGF: limit(4000)}
	for _, test := range []struct {
		k     Kernel
		limit string
		share float64
	}{
		{Kernel{Micros: 20, Bytes: 1e6, FLOPs: 1e6}, "memory", 0.5}, // 10 µs at 100 GB/s, 1 µs at 1000 GFLOP/s
		{Kernel{Micros: 20, Bytes: 1e5, FLOPs: 1e7}, "float32", 0.5},
		{Kernel{Kernel: "mul_mat_cm.q4.t3", Micros: 20, Bytes: 1e5, FLOPs: 4e7}, "matrix units", 0.5},
		{Kernel{Kernel: "mul_mat_i8.q4.t2", Micros: 20, Bytes: 1e6, FLOPs: 1e9}, "memory", 0.5}, // whose arithmetic is not known
	} {
		test.k.place(l)
		if test.k.Limit != test.limit || test.k.Share == nil || math.Abs(*test.k.Share-test.share) > 1e-9 {
			t.Errorf("%+v, want %s, %g", test.k, test.limit, test.share)
		}
	}
	k := Kernel{Micros: 20, Bytes: 1e6}
	if k.place(Limits{}); k.Limit != "" || k.Share != nil || math.Abs(k.GBPS-50) > 1e-9 {
		t.Errorf("without limits: %+v", k)
	}
}

// hostile is what a stranger may call their card.
const hostile = `=1+1"|<img src=x onerror=alert(1)>&amp;` + "\x1b[31m\u202e"

func reportFiles() []File {
	share := 0.5
	k := Kernel{Kernel: hostile, For: "attn_qkv", Group: "decode", Micros: 3, Share: &share, Limit: "memory"}
	rows := func(scale float64) []Row {
		var rows []Row
		for _, depth := range []int{4096, 0} {
			rows = append(rows, Row{Test: "tg8", Gen: 8, Depth: depth, TPS: []float64{scale}, TPSMid: scale, Device: hostile, Model: hostile, Type: "Q4_0"})
		}
		rows[0].Test = "tg8 @ d4096"
		return append(rows, Row{Test: "kernels", Kernels: []Kernel{k}})
	}
	return []File{{"a", rows(10)}, {hostile, rows(20)}}
}

// The report is well-formed and has its plots; nothing of a file's text is markup, and nothing is fetched.
func TestHTML(t *testing.T) {
	page := HTML(reportFiles())
	elements := map[string]int{}
	d := xml.NewDecoder(strings.NewReader(strings.NewReplacer("<!DOCTYPE html>", "", "<meta charset=\"utf-8\">", "", "initial-scale=1\">", "initial-scale=1\"/>", "\x1b", "").Replace(page)))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok {
			elements[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.HasPrefix(a.Name.Local, "on") || a.Name.Local == "src" || a.Name.Local == "href" {
					t.Errorf("<%s %s=%q>", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
	for name, want := range map[string]int{"polyline": 2, "circle": 4, "svg": 4, "script": 0, "img": 0, "link": 0, "style": 1, "details": 2} {
		if elements[name] != want {
			t.Errorf("%d elements <%s>, want %d", elements[name], name, want)
		}
	}
	if !strings.Contains(page, "prefers-color-scheme:dark") || strings.Contains(page, "http") {
		t.Error("the page has one colour scheme or an address")
	}
	// Deeper points lie further right, whatever their order in the file.
	if !strings.Contains(page, `points="70.0,`) {
		t.Error("the first point is not that of depth 0")
	}
}

func TestCSV(t *testing.T) {
	text, err := CSV([]Row{{Test: "pp8", TPS: []float64{1, 2.5}, Model: hostile, Params: 3_000_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	cells := map[string]string{}
	for i, name := range records[0] {
		cells[name] = records[1][i]
	}
	if cells["tps"] != "1 2.5" || cells["model"] != "'"+hostile || cells["bandwidth_share"] != "" || cells["params"] != "3000000000" {
		t.Errorf("cells %q", cells)
	}
}

func TestCompare(t *testing.T) {
	c, err := Compare(reportFiles())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Tests) != 2 || *c.Tests[0].Ratio[1] != 2 || !*c.Tests[0].Clear[1] || *c.Tests[0].Ratio[0] != 1 || len(c.Differs) != 0 {
		t.Errorf("comparison %+v", c)
	}
	// Of two models in one file each is compared with itself.
	two := []Row{{Test: "pp8", Model: "m", TPS: []float64{1}, TPSMid: 1}, {Test: "pp8", Model: "n", TPS: []float64{4}, TPSMid: 4}}
	c, err = Compare([]File{{"a", two}, {"b", two[1:]}})
	if err != nil || len(c.Tests) != 2 || c.Tests[0].Ratio[1] != nil || *c.Tests[1].Ratio[1] != 1 {
		t.Errorf("two models: %+v, %v", c, err)
	}
	if _, err := Compare([]File{{"a", append(two, two...)}, {"b", two}}); err == nil || !strings.Contains(err.Error(), "twice") {
		t.Errorf("a test twice: %v", err)
	}
	if _, err := Compare(reportFiles()[:1]); err == nil {
		t.Error("one file was compared")
	}
}

// Whatever is read again is clean and complete.
func TestRead(t *testing.T) {
	rows := reportFiles()[0].Rows
	rows[0].TPSMid = 99 // what files say of themselves is computed again
	text, err := json.Marshal(rows)
	if err != nil {
		t.Fatal(err)
	}
	file, err := Read(strings.NewReader(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	r := file.Rows[0]
	if strings.ContainsAny(r.Device+r.Model+file.Rows[2].Kernels[0].Kernel, "\x1b\u202e") || r.TPSMid != 10 {
		t.Errorf("row %+v", r)
	}
	report, err := Read(strings.NewReader(`{"qwenvk_report":1,"tests":[],"bench":` + string(text) + `}`))
	if err != nil || len(report.Rows) != len(rows) {
		t.Errorf("a report has %d tests, %v", len(report.Rows), err)
	}
	for _, bad := range []string{"", "[]", "{}", `{"qwenvk_report":1}`, `{"bench":[{"test":"pp8"}]}`, "null", "[1]", `[{"test":""}]`, `[{"test":"pp8","depth":-1}]`, `[{"test":"pp8","tps":[1e300]}]`, `[{"test":"pp8","kernels":{}}]`, "[" + strings.Repeat("[", 20000), `[{"test":"` + strings.Repeat("x", 2000) + `"}]`} {
		if f, err := Read(strings.NewReader(bad)); err == nil || strings.Contains(err.Error(), "\n") {
			t.Errorf("%.40s: %v, %v", bad, f, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`[{"test":"pp8","tps":[1,2],"kernels":[{"share":1}]}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Read(strings.NewReader(string(data)))
		if err != nil {
			return
		}
		HTML([]File{file, file})
		if c, err := Compare([]File{file, file}); err == nil {
			c.Markdown()
		}
	})
}
