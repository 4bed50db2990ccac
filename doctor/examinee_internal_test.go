package doctor

import (
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// Hardware is examined in each of the ways that a measurement may choose between; a software device takes the table's.
func TestAlternatives(t *testing.T) {
	units := []vk.MatrixShape{{M: 16, N: 16, K: 16, C: vk.Float32, R: vk.Float32, Subgroup: true}}
	for _, test := range []struct {
		caps vk.Caps
		want int
	}{
		{vk.Caps{Type: vk.Discrete}, 0},
		{vk.Caps{Type: vk.Discrete, DotProductAccelerated: true}, 2},
		{vk.Caps{Type: vk.Integrated, CooperativeMatrix: units, SubgroupSize: 32}, 1},
		{vk.Caps{Type: vk.Discrete, DotProductAccelerated: true, CooperativeMatrix: units, SubgroupSize: 32}, 3},
		{vk.Caps{Type: vk.Software, DotProductAccelerated: true, CooperativeMatrix: units, SubgroupSize: 32}, 0},
	} {
		if got := alternatives(&test.caps); len(got) != test.want {
			t.Errorf("a %s device, dot products %t, matrix units %t: %d alternatives, want %d", test.caps.Type, test.caps.DotProductAccelerated, test.caps.Has(vk.CapCoopMatrix), len(got), test.want)
		}
	}
}

// The layers that are examined have each kind of weight once.
func TestDistinctLayers(t *testing.T) {
	f16, q8 := quant.LayoutOf(quant.F16), quant.LayoutOf(quant.Q8_0)
	g := &graph.Graph{}
	for l, layout := range []quant.Layout{f16, f16, q8, f16, q8} {
		label := "blk." + string(rune('0'+l))
		g.Nodes = append(g.Nodes,
			&graph.Node{Op: graph.OpMatMul, Label: label + ".attn_q", Pack: &graph.Pack{Parts: []graph.Weight{{Rows: 64, Cols: 64, Layout: layout}}}},
			&graph.Node{Op: graph.OpAttention, Label: label + ".attn", Window: 8 * (l / 3)},
		)
	}
	if got := distinctLayers(g); !slices.Equal(got, []int{0, 2, 3}) {
		t.Errorf("layers %v", got)
	}
}

// What would take a CPU minutes is done at fewer columns; small models are not.
func TestShorten(t *testing.T) {
	for _, test := range []struct {
		rows int
		want bool
	}{{1024, false}, {100_000, true}} {
		pack := &graph.Pack{Parts: []graph.Weight{{Rows: test.rows, Cols: 4096}}}
		x := examinee{graph: &graph.Graph{Output: graph.None, Nodes: []*graph.Node{{Op: graph.OpMatMul, Pack: pack}}}, steps: wholeSteps(false)}
		if got := x.shorten(); got != test.want || (x.steps[1].rows == manyColumns) == test.want {
			t.Errorf("%d rows: shorter %t, %d columns", test.rows, got, x.steps[1].rows)
		}
	}
}

// Numbers of columns, rows and elements are sampled with both ends among them, and the same each time.
func TestSample(t *testing.T) {
	for _, test := range []struct{ total, n, want int }{{1, 12, 1}, {12, 12, 12}, {13, 12, 12}, {513, 12, 12}, {151936, 256, 256}} {
		got := sample(test.total, test.n, "name")
		if len(got) != test.want || got[0] != 0 || got[len(got)-1] != test.total-1 || !slices.IsSorted(got) {
			t.Errorf("%+v: %v", test, got)
		}
		if !slices.Equal(got, sample(test.total, test.n, "name")) {
			t.Errorf("%+v: another sample the second time", test)
		}
	}
}

// A card that cannot be opened, is not driven, or is not there: each has its own advice.
func TestAdvice(t *testing.T) {
	for name, test := range map[string]struct {
		host Host
		want string
	}{
		"permission": {Host{OS: "linux/amd64", Nodes: []Node{{"/dev/dri/renderD128", false}}}, "/dev/dri/renderD128 cannot be opened by this user"},
		"no driver":  {Host{OS: "linux/amd64", Nodes: []Node{{"/dev/dri/renderD128", true}}, Drivers: []string{"/usr/share/vulkan/icd.d/lvp_icd.json"}}, "no Vulkan driver for it"},
		"no card":    {Host{OS: "linux/amd64"}, "shows no graphics card"},
	} {
		r := &Report{Host: test.host}
		r.adviseOnDrivers()
		if !slices.ContainsFunc(r.Advice, func(a string) bool { return strings.Contains(a, test.want) }) {
			t.Errorf("%s: %q", name, r.Advice)
		}
	}
	r := &Report{Device: Device{Name: "card", Type: vk.Discrete.String(), MemoryBytes: 16 << 30, MappedBytes: 256 << 20}}
	r.judge()
	if !r.OK || len(r.Advice) != 1 || !strings.Contains(r.Advice[0], "Resizable BAR") {
		t.Errorf("a card of 16 GiB with a window of 256 MiB: %q", r.Advice)
	}
}
