package vkexec

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// lowering turns the nodes of one graph into dispatches. It keeps the first error.
type lowering struct {
	e          *Executor
	key        planKey
	g          *graph.Graph
	arena      *graph.Arena
	node       int
	dispatches []dispatch
	result     vk.Range                 // what the tail leaves for the host
	lists      map[graph.ID]*expertList // by routing
	scaled     *graph.ID                // whose rows' factors are in the buffer; nil: nothing's
	err        error
}

func (l *lowering) lower(n *graph.Node) {
	switch n.Op {
	case graph.OpEmbed:
		l.embed(n)
	case graph.OpRMSNorm:
		l.rmsNorm(n)
	case graph.OpQuantise:
		l.quantise(n)
	case graph.OpMatMul:
		l.matMul(n)
	case graph.OpRoPEKV:
		l.ropeKV(n)
	case graph.OpAttention:
		l.attention(n)
	case graph.OpSwiGLU:
		l.pair("swiglu", n)
	case graph.OpAdd:
		l.pair("add", n)
	case graph.OpAddBias:
		l.addBias(n)
	case graph.OpLastRows:
		l.lastRows(n)
	case graph.OpRoute:
		l.route(n)
	case graph.OpExpertMatMul, graph.OpExpertSum:
		l.expertMatMul(n)
	case graph.OpCombine:
		l.combine(n)
	case graph.OpGate:
		l.gate(n)
	case graph.OpGather:
		l.gather(n)
	default:
		l.fail(fmt.Errorf("vkexec: no kernel for %s (%s); compile the graph with fusion", n.Op, n.Label))
	}
}

// kernel names what a dispatch runs: the kernel, its variant and its size, from which the tuning table derives the
// specialization constants.
type kernel struct {
	name       string
	variant    shaders.Variant
	rows, k, n int
	set        map[string]uint32 // constants that the op fixes, by name
}

// add appends one dispatch; groups is computed from the constants in force.
func (l *lowering) add(n *graph.Node, k kernel, push any, groups func(c constants) [3]uint32, bindings ...binding) {
	if l.err != nil {
		return
	}
	m, c, err := l.e.kernel(k)
	if err != nil {
		l.fail(err)
		return
	}
	d := dispatch{
		stage:  stage{node: l.node, op: k.name, label: k.name},
		module: m, constants: c.values, bindings: bindings[:m.Buffers], push: push, groups: groups(c),
		kernel: k, grid: groups,
	}
	if n != nil {
		d.label = n.Label
	}
	l.dispatches = append(l.dispatches, d)
}

func (l *lowering) fail(err error) {
	if l.err == nil {
		l.err = err
	}
}

// value is the arena range of a value.
func (l *lowering) value(id graph.ID) vk.Range {
	return vk.Range{Buffer: l.e.arena, Offset: uint64(l.arena.Offset[id]), Size: uint64(l.arena.Size[id])}
}

func (l *lowering) rows(id graph.ID) int {
	if l.g.Tensor(id).Rows == graph.PerSequence {
		return l.key.seqs
	}
	return l.key.rows
}

func (l *lowering) embed(n *graph.Node) {
	m := l.matrix(n.Pack)
	y := l.value(n.Out)
	for _, s := range m.shards {
		push := shaders.EmbedPush{
			Rows: uint32(l.key.rows), Cols: uint32(m.cols), FirstID: uint32(s.first), IDs: uint32(s.rows),
			IDsAt: uint32(l.e.step.IDsAt()), Stride: uint32(m.cols),
		}
		l.add(n, matrixKernel("embed", m, l.key.rows, s.rows), push, func(c constants) [3]uint32 {
			return [3]uint32{ceilDiv(push.Cols/8, c.get("LOCAL_SIZE")), push.Rows, 1}
		}, append(planes(s), reads(l.e.stepRange()), writes(y))...)
	}
}

func (l *lowering) rmsNorm(n *graph.Node) {
	if l.g.Tensor(n.Out).Int8 {
		l.rmsNormInt8(n)
		return
	}
	x, y := l.value(n.In[0]), l.value(n.Out)
	cols, rows := l.g.Tensor(n.Out).Cols, l.rows(n.Out)
	if n.Heads > 0 {
		cols, rows = cols/n.Heads, rows*n.Heads
	}
	push := shaders.RMSNormPush{Rows: uint32(rows), Cols: uint32(cols), XStride: uint32(cols), YStride: uint32(cols), Eps: float32(n.Eps)}
	k := kernel{name: "rms_norm", rows: rows, k: cols, n: 1}
	l.add(n, k, push, func(constants) [3]uint32 { return [3]uint32{push.Rows, 1, 1} },
		reads(x), reads(l.e.weights.vectors[n.Norm.Name]), writes(y), reads(x), writes(y))
}

// matMul lowers a product: matrix times a few columns, or a tiled product for more of them; one dispatch per shard.
func (l *lowering) matMul(n *graph.Node) {
	m := l.matrix(n.Pack)
	cols := l.rows(n.Out) // columns of the product: tokens
	x, y := l.value(n.In[0]), l.value(n.Out)
	out := l.g.Tensor(n.Out).Cols
	norm, addend := x, x
	set := map[string]uint32{}
	push := shaders.MatMulPush{K: uint32(m.cols), N: uint32(cols), XStride: uint32(m.cols), YStride: uint32(out)}
	switch n.Epilogue {
	case graph.EpilogueAdd:
		addend = l.value(n.In[1])
		push.AddStride = uint32(out)
		set["EPILOGUE"] = 1
	case graph.EpilogueBias: // one row for all columns: AddStride stays 0
		addend = l.e.weights.vectors[n.Bias.Name]
		set["EPILOGUE"] = 1
	case graph.EpilogueSwiGLU:
		set["EPILOGUE"] = 2
	case graph.EpilogueScale:
		addend = l.key.adapters.of(n)
		set["EPILOGUE"] = 3
	case graph.EpilogueAddSwiGLU:
		addend = l.value(n.In[1])
		push.AddStride = uint32(l.g.Tensor(n.In[1]).Cols)
		set["EPILOGUE"] = 4
	}
	if n.Norm != nil {
		norm = l.e.weights.vectors[n.Norm.Name]
		push.Eps = float32(n.Eps)
		set["NORM"] = 1
	}
	for _, s := range m.shards {
		first := s.first
		if n.Epilogue.Paired() {
			first /= 2
		}
		push := push
		push.Rows, push.YOffset, push.AddOffset = uint32(s.rows), uint32(n.OutCol+first), uint32(n.OutCol+s.first)
		if n.Epilogue == graph.EpilogueBias { // begins with the pack, wherever that writes
			push.AddOffset = uint32(first)
		}
		y := y
		if at := uint64(push.YOffset) * 4; cols == 1 && at%graph.ArenaAlign == 0 && at > 0 {
			// One column: the slice is a range of its own, and writers of other slices need no barrier.
			width := uint64(s.rows) * 4
			if n.Epilogue.Paired() {
				width /= 2
			}
			y.Offset, y.Size, push.YOffset = y.Offset+at, width, 0
		}
		bindings := append(planes(s), reads(x), writes(y), reads(addend), reads(norm))
		candidates, bytes := products(m, s.rows, cols, set), l.g.Tensor(n.In[0]).Int8
		if bytes {
			candidates = inBytes(candidates)
		} else {
			candidates = l.e.withMatrixUnits(m, candidates)
		}
		k := l.choose(candidates...)
		pushOf := func(string) any { return l.inputPush(n, push) }
		if cols > shaders.MaxColumns && l.e.units.there && !bytes {
			pushOf = l.unitPush(n, m, k, push, cols)
			bindings[7] = reads(l.factors(cols)) // normed inputs are products' of a few columns
		}
		l.add(n, k, pushOf(k.name), productGroups(k.name, push), bindings...)
		if l.err != nil {
			return
		}
		d := &l.dispatches[len(l.dispatches)-1]
		d.others, d.all, d.pushOf = candidates, bindings, pushOf
		d.gridOf = func(name string) func(constants) [3]uint32 { return productGroups(name, push) }
		d.bytes = uint64(s.rows) * uint64(m.layout.RowBytes(m.cols))
	}
}

func (l *lowering) ropeKV(n *graph.Node) {
	d := l.g.KV.HeadDim
	heads := uint32(n.Heads + 2*l.g.KV.Heads)
	qkv, q := l.value(n.In[0]), l.value(n.Out)
	qNorm, kNorm := qkv, qkv
	set := map[string]uint32{"HEAD_DIM": uint32(d)}
	if n.QNorm != nil {
		qNorm, kNorm = l.e.weights.vectors[n.QNorm.Name], l.e.weights.vectors[n.KNorm.Name]
		set["QK_NORM"] = 1
	}
	for i, s := range l.e.kv.layers[n.Layer] {
		push := shaders.RoPEKVPush{
			Rows: uint32(l.key.rows), Heads: uint32(n.Heads), KVHeads: uint32(l.g.KV.Heads),
			RowsAt: uint32(l.e.step.RowsAt()), BlocksAt: uint32(l.e.step.BlocksAt()), MaxBlocks: uint32(l.e.step.MaxBlocks),
			FirstPage: uint32(s.first), Pages: uint32(s.pages), Eps: float32(n.Eps), RopesAt: uint32(l.e.step.RopesAt()),
		}
		if i == 0 {
			push.WriteQ = 1
		}
		if n.LogN > 0 {
			push.LogNAt = uint32(l.e.ropes.factors)
		}
		k := kernel{name: "rope_kv", variant: shaders.Variant{KV: string(l.e.kv.kind)}, rows: int(heads), k: d, n: l.key.rows, set: set}
		l.add(n, k, push, func(constants) [3]uint32 { return [3]uint32{heads, push.Rows, 1} },
			reads(qkv), reads(qNorm), reads(kNorm), reads(l.e.ropeRange()), reads(l.e.stepRange()), writes(q), writes(s.k), writes(s.v))
	}
}

// attention lowers to one dispatch that stores its rows, or to parts (splits of the context times cache shards)
// and a merge.
func (l *lowering) attention(n *graph.Node) {
	d, kvHeads := l.g.KV.HeadDim, l.g.KV.Heads
	gqa := n.Heads / kvHeads
	q, out := l.value(n.In[0]), l.value(n.Out)
	splits := l.e.splits(l.key.rows)
	shards := l.e.kv.layers[n.Layer]
	parts := splits * len(shards)
	set := map[string]uint32{"HEAD_DIM": uint32(d), "GQA": uint32(gqa)}
	results := []binding{writes(out), writes(out), writes(out), writes(out)}
	acc, ml := out, out
	if parts > 1 {
		acc, ml = l.e.partials(l.key.rows, parts, n.Heads, d)
		set["PARTIAL"] = 1
		results = []binding{writes(acc), writes(ml), writes(ml), writes(ml)}
	}
	candidates := l.attentions(d, gqa, set)
	k := l.choose(candidates...)
	grid := func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(uint32(l.key.widest*gqa), c.get("BR")), uint32(kvHeads * splits), uint32(l.key.seqs)}
	}
	merged := parts > 1 && len(shards) == 1 && l.mergesLast(k, splits, grid)
	if merged {
		set["PARTIAL"] = 2
		results = []binding{updates(acc), updates(ml), writes(out), updates(whole(l.e.arrived))}
	}
	for i, s := range shards {
		push := shaders.AttentionPush{
			Rows: uint32(l.key.rows), Heads: uint32(n.Heads), KVHeads: uint32(kvHeads),
			SeqsAt: uint32(l.e.step.SeqsAt()), BlocksAt: uint32(l.e.step.BlocksAt()), MaxBlocks: uint32(l.e.step.MaxBlocks),
			FirstPage: uint32(s.first), Pages: uint32(s.pages), Splits: uint32(splits), Part: uint32(i * splits), Scale: float32(n.Scale), Window: uint32(n.Window),
		}
		bindings := append([]binding{reads(q), reads(s.k), reads(s.v), reads(l.e.stepRange())}, results...)
		l.add(n, k, push, grid, bindings...)
		if l.err != nil {
			return
		}
		last := &l.dispatches[len(l.dispatches)-1]
		last.others, last.all = candidates, bindings
		last.pushOf = func(string) any { return push }
		last.gridOf = func(string) func(constants) [3]uint32 { return grid }
	}
	if parts > 1 && !merged {
		push := shaders.MergePush{Rows: uint32(l.key.rows), Heads: uint32(n.Heads), Parts: uint32(parts)}
		k := kernel{name: "attention_merge", rows: n.Heads, k: d, n: l.key.rows, set: map[string]uint32{"HEAD_DIM": uint32(d)}}
		l.add(n, k, push, func(constants) [3]uint32 { return [3]uint32{push.Heads, push.Rows, 1} },
			reads(acc), reads(ml), writes(out))
	}
}

// mergesLast tells whether the last workgroup to arrive puts the splits of a context together, which saves a dispatch and a
// barrier per layer: the kernel must be one that does it, with room for the splits' weights, and the tiles be no more than
// there are counters for.
func (l *lowering) mergesLast(k kernel, splits int, grid func(constants) [3]uint32) bool {
	if l.e.options.MergeApart || k.name != "attention" || l.err != nil {
		return false
	}
	_, c, err := l.e.kernel(k)
	if err != nil {
		return false
	}
	g := grid(c)
	return splits <= int(c.get("LOCAL_SIZE"))/2 && uint64(g[0])*uint64(l.g.KV.Heads)*uint64(g[2])*4 <= l.e.arrived.Size()
}

func (l *lowering) pair(name string, n *graph.Node) {
	cols := uint32(l.g.Tensor(n.Out).Cols)
	push := shaders.PairPush{Rows: uint32(l.rows(n.Out)), Cols: cols, AStride: cols, BStride: cols, YStride: cols}
	l.add(n, kernel{name: name, rows: int(push.Rows), k: int(cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(cols, c.get("LOCAL_SIZE")), push.Rows, 1}
	}, reads(l.value(n.In[0])), reads(l.value(n.In[1])), writes(l.value(n.Out)))
}

func (l *lowering) addBias(n *graph.Node) {
	cols := uint32(l.g.Tensor(n.Out).Cols)
	push := shaders.PairPush{Rows: uint32(l.rows(n.Out)), Cols: cols, AStride: cols, YStride: cols} // b is one row
	l.add(n, kernel{name: "add", rows: int(push.Rows), k: int(cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(cols, c.get("LOCAL_SIZE")), push.Rows, 1}
	}, reads(l.value(n.In[0])), reads(l.e.weights.vectors[n.Bias.Name]), writes(l.value(n.Out)))
}

func (l *lowering) lastRows(n *graph.Node) {
	push := shaders.LastRowsPush{Seqs: uint32(l.key.seqs), Cols: uint32(l.g.Tensor(n.Out).Cols), SeqsAt: uint32(l.e.step.SeqsAt())}
	l.add(n, kernel{name: "last_rows", rows: l.key.seqs, k: int(push.Cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Cols, c.get("LOCAL_SIZE")), push.Seqs, 1}
	}, reads(l.value(n.In[0])), reads(l.e.stepRange()), writes(l.value(n.Out)))
}

func (l *lowering) gather(n *graph.Node) {
	push := shaders.GatherPush{Rows: uint32(l.rows(n.Out)), Cols: uint32(len(n.Order))}
	l.add(n, kernel{name: "gather", rows: int(push.Rows), k: int(push.Cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Cols, c.get("LOCAL_SIZE")), push.Rows, 1}
	}, reads(l.value(n.In[0])), reads(l.e.weights.orders[&n.Order[0]]), writes(l.value(n.Out)))
}

// planes binds the weight planes of a shard at 0..3, the codebook of its layout at 3; planes that the layout lacks repeat
// the first.
func planes(s shard) []binding {
	b := make([]binding, 0, 8)
	for i := range 4 {
		switch {
		case i < len(s.planes):
			b = append(b, reads(s.planes[i]))
		case i == 3 && s.book.Buffer != nil:
			b = append(b, reads(s.book))
		default:
			b = append(b, reads(s.planes[0]))
		}
	}
	return b
}

// fold spreads a count of workgroups over x and y, since no axis may exceed 65,535.
func fold(groups uint32) [3]uint32 {
	const most = 65535
	if groups <= most {
		return [3]uint32{groups, 1, 1}
	}
	y := ceilDiv(groups, most)
	return [3]uint32{ceilDiv(groups, y), y, 1}
}

func ceilDiv(n, by uint32) uint32 { return (n + by - 1) / by }

func merge(dst, src map[string]uint32) {
	for k, v := range src {
		dst[k] = v
	}
}
