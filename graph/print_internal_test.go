package graph

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// planned is what a device might say of the compiled tiny model.
var planned = Annotations{
	Context: 100,
	Nodes:   map[int]Counts{0: {1, 0}, 3: {1, 1}, 4: {2, 2}},
	Total:   Counts{15, 14},
	Submits: 1,
}

// TestPrint holds the three formats against testdata/print; -update writes the files anew.
func TestPrint(t *testing.T) {
	s := tiny
	s.mixed = "attn_v"
	g := Compile(s.build(t), Options{Output: LastLogits, OneRowEach: true, FuseNorm: true})
	fill := Compile(tiny.build(t), Options{Output: CacheOnly})
	for _, format := range []string{"text", "dot", "json"} {
		var b bytes.Buffer
		if err := g.Print(&b, format, &planned); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "print", "decode."+format), b.String())
		b.Reset()
		if err := fill.Print(&b, format, nil); err != nil {
			t.Fatal(err)
		}
		golden(t, filepath.Join("testdata", "print", "fill."+format), b.String())
	}
}

// TestPrintDOT lets Graphviz read what we draw, awkward names included.
func TestPrintDOT(t *testing.T) {
	if _, err := exec.LookPath("dot"); err != nil {
		t.Skip("Graphviz is not installed: nothing here can read DOT")
	}
	g := tiny.build(t)
	g.Name = "a \"quoted\" \\ name\nof two lines"
	g.Nodes[3].Label = `blk.0."\`
	for _, o := range []Options{{Output: AllLogits, NoFuse: true}, {Output: LastLogits}, {Output: CacheOnly}} {
		var drawn bytes.Buffer
		if err := Compile(g, o).Print(&drawn, "dot", &planned); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("dot", "-Tsvg")
		cmd.Stdin = bytes.NewReader(drawn.Bytes())
		var svg, problems bytes.Buffer
		cmd.Stdout, cmd.Stderr = &svg, &problems
		if err := cmd.Run(); err != nil || problems.Len() > 0 {
			t.Fatalf("dot: %v: %s\n%s", err, &problems, &drawn)
		}
		nodes := len(Compile(g, o).Nodes)
		if got := strings.Count(svg.String(), "<polygon"); got < nodes {
			t.Errorf("%+v: %d shapes drawn for %d nodes", o, got, nodes)
		}
	}
}

// TestPrintJSON: the document says what a program wants to know without reading labels, by figures worked out by hand.
func TestPrintJSON(t *testing.T) {
	g := Compile(tiny.build(t), Options{Output: LastLogits, OneRowEach: true, FuseNorm: true})
	var b bytes.Buffer
	if err := g.Print(&b, "json", &planned); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Output *int
		Cost   struct {
			WeightBytes     int `json:"weight_bytes"`
			FLOPs           int
			FLOPsPerContext int `json:"flops_per_context_token"`
		}
		FLOPsAtContext int                                         `json:"flops_at_context"`
		Recorded       struct{ Dispatches, Barriers, Submits int } `json:"recorded"`
		Values         []struct{ ID int }
		Nodes          []struct {
			Op       string
			In       []int
			Out      *int
			Layer    *int
			Norm     string
			Epilogue string
			Weight   *struct {
				Layout string
				Bytes  int
			}
			Barriers *int
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	// Rows of Q4 in groups of 32 take cols/2 + 2·cols/32 bytes: 36 at 64 columns, 54 at 96, 72 at 128.
	bytesRead := 36 + 256*36 + 64*72 + 192*36 + 64*54 + 40*36 + 4*(64+32+32+64+64)
	flops := 2 * (256*64 + 64*128 + 192*64 + 64*96 + 40*64)
	if doc.Cost.WeightBytes != bytesRead || doc.Cost.FLOPs != flops || doc.Cost.FLOPsPerContext != 4*4*32 {
		t.Errorf("cost is %+v, want %d bytes, %d FLOPs and 512 per token of context", doc.Cost, bytesRead, flops)
	}
	if want := flops + 100*512; doc.FLOPsAtContext != want {
		t.Errorf("%d FLOPs at context 100, want %d", doc.FLOPsAtContext, want)
	}
	if doc.Recorded.Dispatches != 15 || doc.Recorded.Barriers != 14 || doc.Recorded.Submits != 1 {
		t.Errorf("recorded is %+v", doc.Recorded)
	}
	known := map[int]bool{}
	for _, v := range doc.Values {
		known[v.ID] = true
	}
	for i, n := range doc.Nodes {
		for _, in := range n.In {
			if !known[in] {
				t.Errorf("node %d reads value %d, which is not listed", i, in)
			}
		}
	}
	head := doc.Nodes[len(doc.Nodes)-1]
	if doc.Output == nil || head.Out == nil || *head.Out != *doc.Output || head.Norm != "output_norm.weight" || head.Weight.Bytes != 40*36 {
		t.Errorf("the last node is %+v, the output %v", head, doc.Output)
	}
	attention := doc.Nodes[3]
	if attention.Op != "attention" || attention.Layer == nil || *attention.Layer != 0 || attention.Barriers == nil || *attention.Barriers != 1 {
		t.Errorf("node 3 is %+v, want attention of layer 0 with a barrier", attention)
	}
	if up := doc.Nodes[5]; up.Epilogue != "swiglu" || up.Weight.Layout != "q4g32" || up.Barriers != nil {
		t.Errorf("node 5 is %+v, want a product with swiglu", up)
	}

	b.Reset()
	if err := Compile(tiny.build(t), Options{Output: CacheOnly}).Print(&b, "json", nil); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{"output", "context", "recorded", "dispatches"} {
		if strings.Contains(b.String(), `"`+field+`"`) {
			t.Errorf("a graph that fills the cache, on no device, has a field %q", field)
		}
	}
}

// TestPrintErrors: a wrong format is told with the right ones, a writer's error is passed on.
func TestPrintErrors(t *testing.T) {
	g := tiny.build(t)
	if err := g.Print(&bytes.Buffer{}, "svg", nil); err == nil || !strings.Contains(err.Error(), `"svg": use text, dot or json`) {
		t.Errorf("got %v", err)
	}
	if err := g.Print(fullDisk{}, "text", nil); !errors.Is(err, errFull) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestUnits(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536 << 10: "1.5 MiB", 5 << 40: "5.0 TiB", 9 << 50: "9216.0 TiB"} {
		if got := byteSize(n); got != want {
			t.Errorf("%d bytes: got %s, want %s", n, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1 k", 7602176: "7.6 M", 2e9: "2 G"} {
		if got := count(n); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}
