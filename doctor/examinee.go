package doctor

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// examinee is a graph to be run, and how.
type examinee struct {
	name   string
	graph  *graph.Graph
	source vkexec.Source
	kv     vkexec.KVType
	steps  []step
	tuned  bool           // what is fastest is measured first, as a load does; else the table's choice is examined
	int8   vkexec.Int8Use // "": as the runtime has it
	off    []string       // kernels that others take the place of
	only   []graph.Op     // looked at; nil: all
}

// step is a number of rows behind those that the steps before left in the cache.
type step struct {
	rows    int
	tail    vkexec.Tail
	history vkexec.History
}

// wholeSteps are the numbers of columns at which kernels change: one, the few that share a kernel, the first beyond, a
// tile and one more, and more than a step of 512. The tails are what ends a step: an arg max, the candidates behind
// penalties, or all rows.
func wholeSteps(headless bool) []step {
	steps := []step{
		{33, vkexec.TailAllLogits, vkexec.NoHistory},
		{manyColumns, vkexec.TailAllHidden, vkexec.NoHistory},
		{1, vkexec.TailGreedy, vkexec.NoHistory},
		{2, vkexec.TailTopK, vkexec.CountAndPenalise},
		{7, vkexec.TailAllLogits, vkexec.NoHistory},
		{8, vkexec.TailAllLogits, vkexec.NoHistory},
	}
	if headless {
		for i := range steps {
			steps[i].tail, steps[i].history = vkexec.TailAllHidden, vkexec.NoHistory
		}
	}
	return steps
}

const (
	manyColumns  = 513 // more than a step of 512
	fewerColumns = 129 // more than two tiles, where many would take too long

	// tooMuch is how many multiply-adds one step may take a CPU: about half a minute.
	tooMuch = 100e9
)

// shorten makes the longest step shorter if a CPU would take minutes for it, and reports that it did.
func (x *examinee) shorten() bool {
	elements := int64(0)
	for _, n := range x.graph.Nodes {
		if n.Pack != nil && n.Op != graph.OpEmbed && n.Out != x.graph.Output {
			elements += int64(n.Pack.Rows()) * int64(n.Pack.Cols()) / int64(max(1, n.Pack.Experts)) * int64(max(1, n.Used))
		}
	}
	shorter := false
	for i := range x.steps {
		if x.steps[i].rows == manyColumns && elements*manyColumns > tooMuch {
			x.steps[i].rows, shorter = fewerColumns, true
		}
	}
	return shorter
}

// fewSteps are for types that differ from others in how weights are decoded, and in nothing else.
func fewSteps() []step {
	return []step{{33, vkexec.TailAllLogits, vkexec.NoHistory}, {1, vkexec.TailGreedy, vkexec.NoHistory}, {7, vkexec.TailAllLogits, vkexec.NoHistory}}
}

// cacheSteps are for the types of the cache.
func cacheSteps() []step {
	return []step{{33, vkexec.TailAllHidden, vkexec.NoHistory}, {1, vkexec.TailAllHidden, vkexec.NoHistory}, {7, vkexec.TailAllHidden, vkexec.NoHistory}}
}

var cacheOps = []graph.Op{graph.OpRoPEKV, graph.OpAttention}

// context is how many tokens the steps leave in the cache.
func (x *examinee) context() int {
	n := 0
	for _, s := range x.steps {
		n += s.rows
	}
	return n
}

// ofModel makes examinees of a checkpoint: the layers in which each kind of weight occurs, and one of them for each other
// type of cache.
func ofModel(c *loader.Checkpoint, o model.Options, kv vkexec.KVType, caps *vk.Caps) ([]examinee, error) {
	whole, err := model.New(c, o)
	if err != nil {
		return nil, err
	}
	o.Layers = distinctLayers(whole.Graph)
	some, err := model.New(c, o)
	if err != nil {
		return nil, err
	}
	o.Layers = o.Layers[:1]
	one, err := model.New(c, o)
	if err != nil {
		return nil, err
	}
	source := func(name string) (quant.Source, error) {
		t, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("%s has no tensor %s", c.Name(), name)
		}
		return t.Source(), nil
	}
	for _, m := range []*model.Model{some, one} {
		m.FixContext(4096)
	}
	all := []examinee{{name: c.Name(), graph: some.Graph, source: source, kv: kv, steps: wholeSteps(some.Config.Headless), tuned: true}}
	for _, other := range vkexec.KVTypes() {
		if other != kv {
			all = append(all, examinee{name: c.Name(), graph: one.Graph, source: source, kv: other, steps: cacheSteps(), only: cacheOps})
		}
	}
	for _, other := range alternatives(caps) {
		other.name, other.graph, other.source, other.kv = c.Name()+", "+other.name, some.Graph, source, kv
		all = append(all, other)
	}
	return all, nil
}

// alternatives are the ways to compute a model that a measurement may choose between, on hardware that has more than one:
// whichever a later run takes, it has been examined.
func alternatives(caps *vk.Caps) (all []examinee) {
	if caps.Type == vk.Software {
		return nil
	}
	units := []string{"mul_mat_cm", "attention_cm"}
	if caps.Has(vk.CapIntegerDot) {
		all = append(all, examinee{name: "activations in bytes", int8: vkexec.Int8Always, off: units, steps: fewSteps()})
	}
	if caps.Has(vk.CapIntegerDot) || caps.Has(vk.CapCoopMatrix) {
		all = append(all, examinee{name: "activations in float32", int8: vkexec.Int8Never, off: units, steps: fewSteps()})
	}
	if caps.Has(vk.CapIntegerDot) && caps.Has(vk.CapCoopMatrix) {
		all = append(all, examinee{name: "matrix units", int8: vkexec.Int8Never, steps: fewSteps()})
	}
	return all
}

// distinctLayers are the layers that have something which none before them has: a type or shape of a weight, a window, experts.
func distinctLayers(g *graph.Graph) []int {
	seen := map[string]bool{}
	var layers []int
	for _, n := range g.Nodes {
		label, ok := strings.CutPrefix(n.Label, "blk.")
		number, part, found := strings.Cut(label, ".")
		if !ok || !found {
			continue
		}
		kind := fmt.Sprint(n.Op, part, n.Window, n.Used)
		if n.Pack != nil {
			kind += fmt.Sprint(n.Pack.Rows(), n.Pack.Cols(), n.Pack.Layout())
		}
		if seen[kind] {
			continue
		}
		seen[kind] = true
		var l int
		if _, err := fmt.Sscan(number, &l); err == nil && (len(layers) == 0 || layers[len(layers)-1] != l) {
			layers = append(layers, l)
		}
	}
	return layers
}
