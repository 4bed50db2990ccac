package vkexec

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// expertList is what the tiled products of one routing share: which pairs of token and rank each expert has.
type expertList struct {
	buffer  vk.Range
	pairsAt int
	args    map[*graph.Node]int // which of the list's indirect arguments are the node's
}

// maxExpertProducts is the number of indirect arguments in a list: gate, up and down where none could be joined.
const maxExpertProducts = 3

// narrowestTile is the fewest columns that a tile of the tiled product has.
const narrowestTile = 4

// expertListBytes is the size of the largest list that a step needs, 0 in a model without experts.
func expertListBytes(g *graph.Graph, rows int) (n uint64) {
	for _, node := range g.Nodes {
		if node.Op == graph.OpRoute && rows > shaders.MaxColumns {
			list := shaders.ExpertList{Rows: rows, Used: node.Used, Experts: g.Tensor(node.In[0]).Cols, Width: narrowestTile}
			n = max(n, uint64(list.Words())*4)
		}
	}
	return n
}

// expertsWhole reports whether the experts of each pack lie in one shard.
func (e *Executor) expertsWhole() bool {
	for _, m := range e.weights.matrices {
		if m.pack.Experts > 0 && len(m.shards) > 1 {
			return false
		}
	}
	return true
}

// shardExperts rounds the rows that one shard may hold down to whole experts.
func shardExperts(p *graph.Pack, caps *vk.Caps, rows uint64) (int, error) {
	per := uint64(p.ExpertRows())
	if rows < per {
		return 0, fmt.Errorf("vkexec: one expert of %s (%d rows of %d bytes) does not fit the %d bytes that this device lets a shader see",
			p.Name, per, p.Layout().RowBytes(p.Cols()), caps.MaxStorageBufferRange)
	}
	return int(rows / per * per), nil
}

// interleaveExperts makes rows of a pack whose parts take turns, those of each expert among themselves.
func interleaveExperts(planes [][]byte, m *matrix, parts []quant.Source, first, n int) error {
	per, turns := m.pack.ExpertRows(), len(parts)/max(m.pack.Experts, 1)
	for done := 0; done < n; {
		expert, at := (first+done)/per, (first+done)%per
		rows := min(n-done, per-at)
		pack, one := *m.pack, *m
		pack.Parts = pack.Parts[expert*turns : (expert+1)*turns]
		one.pack = &pack
		if err := interleaveRows(m.rowsOf(planes, done, rows), &one, parts[expert*turns:(expert+1)*turns], at, rows); err != nil {
			return err
		}
		done += rows
	}
	return nil
}

// tiled tells whether the experts of a step of so many rows are multiplied by in tiles. A tile takes one expert's columns
// at a time and is padded to its width; where an expert has few, a product per row and chosen expert does less: up to 4
// on the CPU, where reading a weight again costs little beside multiplying by it, none on a card.
func (e *Executor) tiled(rows, used, experts int) bool {
	columns := 1
	if e.dev.Caps().Type == vk.Software {
		columns = 4
	}
	return rows > shaders.MaxColumns && rows*used > columns*experts
}

// route lowers the router's choice and, where the experts are multiplied by in tiles, their list.
func (l *lowering) route(n *graph.Node) {
	logits, out, rows := l.value(n.In[0]), l.value(n.Out), l.rows(n.Out)
	push := shaders.RoutePush{Rows: uint32(rows), Experts: uint32(l.g.Tensor(n.In[0]).Cols), Used: uint32(n.Used)}
	if n.Renormalise {
		push.Renormalise = 1
	}
	l.add(n, kernel{name: "route", rows: rows, k: int(push.Experts), n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{push.Rows, 1, 1}
	}, reads(logits), writes(out))
	if l.e.tiled(rows, n.Used, int(push.Experts)) {
		l.expertTiles(n, out, rows)
	}
}

// expertTiles lowers the list that the products behind a routing are dispatched over.
func (l *lowering) expertTiles(n *graph.Node, route vk.Range, rows int) {
	list := shaders.ExpertList{Rows: rows, Used: n.Used, Experts: l.g.Tensor(n.In[0]).Cols}
	push := shaders.ExpertTilesPush{Rows: uint32(rows), Used: uint32(n.Used), Experts: uint32(list.Experts)}
	groups := []*uint32{&push.Groups0, &push.Groups1, &push.Groups2}
	args := map[*graph.Node]int{}
	for _, p := range l.g.Nodes {
		if p.Op != graph.OpExpertMatMul || p.In[1] != n.Out {
			continue
		}
		if len(args) == maxExpertProducts {
			panic("BUG: vkexec: more than three products of one routing")
		}
		_, c, err := l.e.kernel(l.tiledExperts(p))
		if err != nil {
			l.fail(err)
			return
		}
		*groups[len(args)] = ceilDiv(uint32(p.Pack.ExpertRows()), c.get("BM"))
		args[p] = len(args)
		if bn := int(c.get("BN")); list.Width == 0 || bn < list.Width {
			list.Width = bn // a product with wider tiles leaves some columns idle
		}
	}
	if len(args) == 0 {
		return
	}
	push.Width, push.PairsAt = uint32(list.Width), uint32(list.PairsAt())
	e := &expertList{buffer: vk.Range{Buffer: l.e.experts, Size: uint64(list.Words()) * 4}, pairsAt: list.PairsAt(), args: args}
	if l.lists == nil {
		l.lists = map[graph.ID]*expertList{}
	}
	l.lists[n.Out] = e
	written := writes(e.buffer)
	written.later = vk.IndirectRead
	l.add(n, kernel{name: "expert_tiles", rows: rows, k: list.Experts, n: 1}, push, func(constants) [3]uint32 {
		return [3]uint32{1, 1, 1}
	}, reads(route), written)
}

// tiledExperts names the kernel of a tiled product of experts, tuned for as many columns as an expert has on average.
func (l *lowering) tiledExperts(n *graph.Node) kernel {
	columns := ceilDiv(uint32(l.rows(n.Out)*n.Used), uint32(n.Pack.Experts))
	m := l.e.weights.matrices[n.Pack.Name]
	k := matrixKernel("mul_mat", m, n.Pack.ExpertRows(), int(columns))
	k.set["EXPERTS"] = 1
	k.set["EPILOGUE"] = expertEpilogue(n)
	if l.g.Tensor(n.In[0]).Int8 {
		return l.choose(inBytes([]kernel{k})...)
	}
	return l.choose(l.e.withMatrixUnits(m, []kernel{k})...)
}

func expertEpilogue(n *graph.Node) uint32 {
	switch {
	case n.Epilogue == graph.EpilogueSwiGLU:
		return 2
	case n.Op == graph.OpExpertSum && len(n.In) == 3:
		return 1
	}
	return 0
}

// expertMatMul lowers a product with the matrices of the chosen experts: without a list one matrix-vector product per
// row and chosen expert, or their sum, else tiles over the columns that each expert has; one dispatch per shard.
func (l *lowering) expertMatMul(n *graph.Node) {
	m, rows := l.e.weights.matrices[n.Pack.Name], l.rows(n.Out)
	x, y, route := l.value(n.In[0]), l.value(n.Out), l.value(n.In[1])
	per := n.Pack.ExpertRows()
	push := shaders.MatMulPush{
		Rows: uint32(per), K: uint32(m.cols), N: 1, XStride: uint32(m.cols), YStride: uint32(l.g.Tensor(n.Out).Cols),
		Used: uint32(n.Used), Sharing: uint32(n.Used),
	}
	if n.PerRank(l.g) {
		push.Sharing = 1
	}
	if n.Op == graph.OpExpertMatMul {
		push.YStride /= push.Used
	}
	push.AddStride = push.YStride
	list := l.lists[n.In[1]]
	for _, s := range m.shards {
		push := push
		push.FirstExpert, push.Experts = uint32(s.first/per), uint32(s.rows/per)
		bindings := append(planes(s), reads(x), writes(y))
		before := len(l.dispatches)
		if list == nil || n.Op == graph.OpExpertSum {
			l.fewExperts(n, push, append(bindings, l.expertInputs(n, x, route)...), rows)
		} else {
			push.PairsAt = uint32(list.pairsAt)
			l.manyExperts(n, m, push, append(bindings, reads(list.buffer)), rows)
			if len(l.dispatches) > before {
				args := vk.Range{Buffer: list.buffer.Buffer, Offset: list.buffer.Offset + uint64(16*list.args[n]), Size: 12}
				l.dispatches[len(l.dispatches)-1].indirect = &args
			}
		}
		if len(l.dispatches) > before {
			read := min(rows*n.Used, int(push.Experts)) // experts, at most
			l.dispatches[len(l.dispatches)-1].bytes = uint64(read*per) * uint64(m.layout.RowBytes(m.cols))
		}
	}
}

// manyExperts adds the tiled product, which the caller dispatches indirectly.
func (l *lowering) manyExperts(n *graph.Node, m *matrix, push shaders.MatMulPush, bindings []binding, rows int) {
	k := l.tiledExperts(n)
	if n.PerRank(l.g) {
		rows *= n.Used
	}
	pushOf := func(string) any { return l.inputPush(n, push) }
	if l.e.units.there && !l.g.Tensor(n.In[0]).Int8 {
		pushOf = l.unitPush(n, m, k, push, rows)
		bindings = append(bindings, reads(l.factors(rows)))
	}
	l.add(n, k, pushOf(k.name), func(constants) [3]uint32 { return [3]uint32{} }, bindings...)
}

// expertInputs are the last two bindings of the matrix-vector product: the routing takes the place of what the product
// does not read.
func (l *lowering) expertInputs(n *graph.Node, x, route vk.Range) []binding {
	if n.Op == graph.OpExpertSum {
		addend := x
		if len(n.In) == 3 {
			addend = l.value(n.In[2])
		}
		return []binding{reads(addend), reads(route)}
	}
	norm := x
	if n.Norm != nil {
		norm = l.e.weights.vectors[n.Norm.Name]
	}
	return []binding{reads(route), reads(norm)}
}

func (l *lowering) fewExperts(n *graph.Node, push shaders.MatMulPush, bindings []binding, rows int) {
	k := matrixKernel("mul_mat_vec", l.e.weights.matrices[n.Pack.Name], int(push.Rows), 1)
	merge(k.set, map[string]uint32{"COLS": 1, "EXPERTS": 1, "EPILOGUE": expertEpilogue(n)})
	if l.g.Tensor(n.In[0]).Int8 {
		k = inBytes([]kernel{k})[0]
	}
	z := uint32(rows * n.Used)
	if n.Op == graph.OpExpertSum {
		k.set["EXPERTS"], z = 2, uint32(rows)
	}
	if n.Norm != nil {
		k.set["NORM"] = 1
		push.Eps = float32(n.Eps)
	}
	l.add(n, k, l.inputPush(n, push), func(c constants) [3]uint32 {
		groups := fold(ceilDiv(push.Rows, c.get("ROWS")))
		return [3]uint32{groups[0], groups[1], z}
	}, bindings...)
}

func (l *lowering) combine(n *graph.Node) {
	push := shaders.CombinePush{Rows: uint32(l.rows(n.Out)), Cols: uint32(l.g.Tensor(n.Out).Cols), Used: uint32(n.Used)}
	addend := l.value(n.In[0])
	if len(n.In) == 3 {
		addend, push.Add = l.value(n.In[2]), 1
	}
	l.add(n, kernel{name: "combine", rows: int(push.Rows), k: int(push.Cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Cols, c.get("LOCAL_SIZE")), push.Rows, 1}
	}, reads(l.value(n.In[0])), reads(l.value(n.In[1])), reads(addend), writes(l.value(n.Out)))
}

func (l *lowering) gate(n *graph.Node) {
	push := shaders.GatePush{Rows: uint32(l.rows(n.Out)), Cols: uint32(l.g.Tensor(n.Out).Cols)}
	addend := l.value(n.In[0])
	if len(n.In) == 3 {
		addend, push.Add = l.value(n.In[2]), 1
	}
	l.add(n, kernel{name: "gate", rows: int(push.Rows), k: int(push.Cols), n: 1}, push, func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Cols, c.get("LOCAL_SIZE")), push.Rows, 1}
	}, reads(l.value(n.In[0])), reads(l.value(n.In[1])), reads(addend), writes(l.value(n.Out)))
}
