package vkexec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// matrixUnits is what the executor keeps for products of cooperative matrices. These narrow both factors to f16, whose range
// real weights and activations leave, so both are multiplied by powers of two first: a matrix by one that its greatest
// weight asks for; normed activations by one that follows from the norm's weights, because a normed row of n numbers has none
// above √n; others row by row, by what "row_scale" finds.
type matrixUnits struct {
	shape    shaders.MatrixUnit
	there    bool                // the device has them
	measured map[*matrix]float32 // nil: not yet
	factors  *vk.Buffer          // of the rows of x
}

// halfTop is where the greatest magnitude is brought: to [2^14, 2^15), next to f16's end at 2^16.
const halfTop = 14

// powerTo is the power of two that brings a magnitude into [2^to, 2^(to+1)), as power.glsl computes it; 1 for 0 and for
// what is not finite.
func powerTo(magnitude float64, to int) float32 {
	if magnitude == 0 || math.IsNaN(magnitude) || math.IsInf(magnitude, 0) {
		return 1
	}
	_, exponent := math.Frexp(magnitude) // magnitude is in [2^(exponent-1), 2^exponent)
	return float32(math.Ldexp(1, min(max(to+1-exponent, -60), 60)))
}

// placeMatrixUnits asks the device and makes room for the factors of the widest step.
func (e *Executor) placeMatrixUnits(g *graph.Graph) (err error) {
	u, there := e.dev.Caps().MatrixUnit()
	if !there {
		return nil
	}
	e.units.shape, e.units.there = shaders.MatrixUnit(u), true
	used := 1
	for _, n := range g.Nodes {
		used = max(used, n.Used)
	}
	e.units.factors, err = e.dev.NewBuffer("factors of activations", uint64(e.options.MaxRows*used)*4, vk.DeviceLocal)
	return err
}

// withMatrixUnits adds the product by matrix units to the candidates for a tiled one. A card's are an order of magnitude
// faster than its other units; a software device emulates them. A router keeps its float32, being small: where two experts'
// logits are as near as the rounding, a token would go elsewhere.
func (e *Executor) withMatrixUnits(m *matrix, candidates []kernel) []kernel {
	tiled := candidates[len(candidates)-1]
	if !e.units.there || tiled.name != "mul_mat" || m.routes(e.model) || e.weights.matrices[m.pack.Name] != m {
		return candidates
	}
	k := matrixKernel("mul_mat_cm", m, tiled.rows, tiled.n)
	merge(k.set, tiled.set)
	if e.dev.Caps().Type == vk.Software {
		return append(candidates, k)
	}
	return slices.Insert(candidates, 0, k)
}

// unitsOr are the candidates for what one kernel does with matrix units and k without.
func (e *Executor) unitsOr(k kernel, name string) []kernel {
	unit := k
	unit.name = name
	if e.dev.Caps().Type == vk.Software {
		return []kernel{k, unit}
	}
	return []kernel{unit, k}
}

// routes tells matrices whose product chooses experts.
func (m *matrix) routes(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool {
		return n.Op == graph.OpRoute && slices.ContainsFunc(g.Nodes, func(p *graph.Node) bool {
			return p.Pack != nil && p.Out == n.In[0] && p.Pack.Name == m.pack.Name
		})
	})
}

// measureWeights finds the greatest weight of each matrix, once, where steps may use matrix units.
func (e *Executor) measureWeights(ctx context.Context, rows int) error {
	if e.units.measured != nil || rows <= shaders.MaxColumns || !e.mayUseMatrixUnits() {
		return nil
	}
	type job struct {
		m  *matrix
		at vk.Range
	}
	var jobs []job
	l := &lowering{e: e}
	size := uint64(0)
	for _, m := range e.weights.matrices {
		for _, s := range m.shards {
			// A range of its own for each: no dispatch writes where another does.
			j := job{m, vk.Range{Offset: size, Size: 4}}
			size = alignUp(size+4, graph.ArenaAlign)
			jobs = append(jobs, j)
			push := shaders.WeightMaxPush{Rows: uint32(s.rows), K: uint32(m.cols)}
			l.add(nil, matrixKernel("weight_max", m, s.rows, 1), push, func(c constants) [3]uint32 {
				return fold(uint32(shaders.WeightMaxGroups(m.layout.Kind.String(), s.rows, m.cols, int(c.get("LOCAL_SIZE")))))
			}, append(planes(s), updates(j.at))...)
			if l.err != nil {
				return l.err
			}
			l.dispatches[len(l.dispatches)-1].bytes = uint64(s.rows) * uint64(m.layout.RowBytes(m.cols))
		}
	}
	result, err := e.dev.NewBuffer("greatest weights", size, vk.DeviceToHost)
	if err != nil {
		return err
	}
	defer result.Close()
	clear(result.Bytes())
	if err := result.Flush(0, size); err != nil {
		return err
	}
	if err := e.runMeasures(ctx, l.dispatches, result); err != nil {
		return fmt.Errorf("vkexec: looking for the greatest weights: %w", err)
	}
	if err := result.Invalidate(0, size); err != nil {
		return err
	}
	greatest := map[*matrix]float64{}
	for _, j := range jobs {
		v := math.Float32frombits(binary.LittleEndian.Uint32(result.Bytes()[j.at.Offset:]))
		greatest[j.m] = max(greatest[j.m], float64(v)) // NaN stays: its matrix keeps its numbers
	}
	e.units.measured = map[*matrix]float32{}
	for m, v := range greatest {
		e.units.measured[m] = powerTo(v, halfTop)
	}
	return nil
}

// measureBytes bounds what one submission of measureWeights reads: a tenth of a second on a slow device.
const measureBytes = 1 << 30

// runMeasures runs the dispatches of measureWeights, whose last binding is still to be given its buffer.
func (e *Executor) runMeasures(ctx context.Context, dispatches []dispatch, result *vk.Buffer) error {
	pipelines, err := e.pipelinesFor(ctx, dispatches)
	if err != nil {
		return err
	}
	rec, bytes := e.dev.NewRecorder(), uint64(0)
	for i, d := range dispatches {
		d.bindings[4].Buffer = result
		_, ranges := d.accesses()
		d.record(rec, pipelines[i], ranges)
		if bytes += d.bytes; bytes < measureBytes && i+1 < len(dispatches) {
			continue
		}
		rec.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: whole(result)}})
		if err := e.runOnce(ctx, rec); err != nil {
			return err
		}
		rec, bytes = e.dev.NewRecorder(), 0
	}
	return nil
}

// mayUseMatrixUnits tells whether a product by them can come out of a choice.
func (e *Executor) mayUseMatrixUnits() bool {
	if !e.units.there || e.dev.Caps().Type == vk.Software && e.chooser.preferred == nil {
		return false
	}
	for _, m := range e.weights.matrices {
		return len(e.chooser.usable([]kernel{matrixKernel("mul_mat_cm", m, 1, 1)})) > 0
	}
	return false
}

// unitPush prepares the input of a product where k is one by matrix units, and returns the push constants of any candidate.
func (l *lowering) unitPush(n *graph.Node, m *matrix, k kernel, push shaders.MatMulPush, rows int) func(kernel string) any {
	wScale, xScale := float32(1), float32(1)
	if k.name == "mul_mat_cm" && l.err == nil {
		wScale, xScale = l.narrow(n, m, k, rows, m.cols)
	}
	return func(kernel string) any {
		if kernel == "mul_mat_cm" {
			return cmPush(push, wScale, xScale)
		}
		return push
	}
}

// narrow prepares x, the input of a product by matrix units, and says by what it and the weights are multiplied. rows and
// cols are those of x as the product sees it.
func (l *lowering) narrow(n *graph.Node, m *matrix, k kernel, rows, cols int) (wScale, xScale float32) {
	wScale, xScale = l.e.units.measured[m], 1
	if l.e.units.measured == nil {
		panic("BUG: vkexec: a product by matrix units whose weights were not measured")
	}
	k.set["SCALED"] = 0
	if bound := l.bound(n.In[0]); bound > 0 {
		return wScale, powerTo(bound, halfTop)
	}
	k.set["SCALED"] = 1
	if l.scaled != nil && *l.scaled == n.In[0] {
		return wScale, xScale
	}
	l.scaled = &n.In[0]
	push := shaders.RowScalePush{Rows: uint32(rows), Cols: uint32(cols), XStride: uint32(cols)}
	l.add(n, kernel{name: "row_scale", rows: rows, k: cols, n: 1}, push, func(constants) [3]uint32 { return [3]uint32{push.Rows, 1, 1} },
		reads(l.value(n.In[0])), writes(l.factors(rows)))
	return wScale, xScale
}

// factors is the range of the factors of so many rows.
func (l *lowering) factors(rows int) vk.Range {
	return vk.Range{Buffer: l.e.units.factors, Size: uint64(rows) * 4}
}

// bound is a number that no magnitude of a normed value exceeds; 0 where none is known.
func (l *lowering) bound(id graph.ID) float64 {
	for _, n := range l.g.Nodes {
		switch {
		case n.Out != id:
		case n.Op == graph.OpGather:
			return l.bound(n.In[0])
		case n.Op == graph.OpRMSNorm && n.Heads == 0:
			return l.e.weights.greatest[n.Norm.Name] * math.Sqrt(float64(l.g.Tensor(id).Cols))
		}
	}
	return 0
}

// cmPush adds the powers of two to what all products take.
func cmPush(p shaders.MatMulPush, wScale, xScale float32) shaders.MatMulCMPush {
	return shaders.MatMulCMPush{
		Rows: p.Rows, K: p.K, N: p.N, XStride: p.XStride, YStride: p.YStride, YOffset: p.YOffset,
		AddStride: p.AddStride, AddOffset: p.AddOffset, Eps: p.Eps, FirstExpert: p.FirstExpert, Experts: p.Experts,
		Used: p.Used, Sharing: p.Sharing, PairsAt: p.PairsAt, WScale: wScale, XScale: xScale,
	}
}
