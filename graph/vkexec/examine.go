package vkexec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Operation is one node of a step as the device computed it: what it read, as that lay in memory, and what it wrote, for
// somebody who computes the same from the same and compares.
type Operation struct {
	Graph   *graph.Graph
	Node    *graph.Node // nil: what follows the logits
	Tail    Tail
	Modules []string // that its dispatches ran, each once, by the SPIR-V's name
	Step    Step

	In  []Rows // by Node.In; the tail's is the logits in front of it
	Out Rows   // of the whole output; of the tail the logits behind it. Elements that were not written are Unwritten.

	Result *Result // of the tail

	// Beside tells of a word that was changed where the operation has nothing to write; "" for none.
	Beside string

	kind  KVType
	shape graph.KVShape
	pages [][]byte // of the node's layer: keys of each shard, then values, after the node ran
	cache *kvCache
	table func(slot, block int) int
}

// Rows are rows of numbers of the same width, one after another.
type Rows struct {
	Width int
	Data  []float32
}

// Row is row i.
func (r Rows) Row(i int) []float32 { return r.Data[i*r.Width : (i+1)*r.Width] }

// Len is the number of rows.
func (r Rows) Len() int {
	if r.Width == 0 {
		return 0
	}
	return len(r.Data) / r.Width
}

// Unwritten is the NaN that lies in an output before the operation runs.
const Unwritten = 0x7fc0dead

// guard is how many bytes on each side of an output are looked at.
const guard = 4096

// Examine runs a step operation by operation, with every output poisoned beforehand, and calls look after each. It leaves
// what Run would, but for the counts of steps. An error of look ends it.
func (e *Executor) Examine(ctx context.Context, s Step, tail Tail, h History, look func(*Operation) error) error {
	key, err := e.begin(s, tail, h)
	if err != nil {
		return err
	}
	l, pipelines, err := e.lowered(ctx, key)
	if err != nil {
		return err
	}
	rec := e.dev.NewRecorder()
	for _, c := range e.hostCopies(key) {
		rec.Copy(c[0], c[1])
	}
	if err := e.runOnce(ctx, rec); err != nil {
		return err
	}
	written := map[graph.ID]bool{}
	for first := 0; first < len(l.dispatches); {
		end := first + 1
		for end < len(l.dispatches) && l.dispatches[end].node == l.dispatches[first].node {
			end++
		}
		x := &examination{e: e, l: l, key: key, step: s}
		if err := x.run(ctx, l.dispatches[first:end], pipelines[first:end], written, look); err != nil {
			return err
		}
		first = end
	}
	return nil
}

// examination is that of the dispatches of one node, or of the tail.
type examination struct {
	e    *Executor
	l    *lowering
	key  planKey
	step Step
	op   *Operation
	out  vk.Range
	near vk.Range // out and what lies around it
}

func (x *examination) run(ctx context.Context, dispatches []dispatch, pipelines []*vk.Pipeline, written map[graph.ID]bool, look func(*Operation) error) error {
	if err := x.before(ctx, dispatches, written); err != nil {
		return err
	}
	guarded, err := x.bytes(ctx, x.near)
	if err != nil {
		return err
	}
	cached, err := x.cacheBytes(ctx)
	if err != nil {
		return err
	}
	for i, d := range dispatches {
		_, ranges := d.accesses()
		rec := x.e.dev.NewRecorder()
		d.record(rec, pipelines[i], ranges)
		if err := x.e.runOnce(ctx, rec); err != nil {
			return err
		}
	}
	if x.op == nil {
		return nil
	}
	if err := x.after(ctx, guarded, cached); err != nil {
		return err
	}
	return look(x.op)
}

// before notes the inputs and poisons the output. Where there is nothing to look at, it leaves op nil.
func (x *examination) before(ctx context.Context, dispatches []dispatch, written map[graph.ID]bool) error {
	op := &Operation{Graph: x.l.g, Tail: x.key.tail, Step: x.step, kind: x.e.kv.kind, shape: x.l.g.KV, cache: x.e.kv, table: x.e.block}
	for _, d := range dispatches {
		if !slices.Contains(op.Modules, d.module.File) {
			op.Modules = append(op.Modules, d.module.File)
		}
		if d.indirect != nil && !slices.Contains(op.Modules, "expert_tiles.t0.spv") {
			op.Modules = append(op.Modules, "expert_tiles.t0.spv") // says which rows are whose
		}
	}
	if dispatches[0].node < 0 {
		if dispatches[0].op == "count_tokens" {
			return nil // its effect is on the logits
		}
		return x.beforeTail(ctx, op)
	}
	op.Node = x.l.g.Nodes[dispatches[0].node]
	for _, id := range op.Node.In {
		in, err := x.rows(ctx, x.l.value(id), x.l.g.Tensor(id))
		if err != nil {
			return err
		}
		op.In = append(op.In, in)
	}
	x.op = op
	if op.Node.Out == graph.None {
		return nil
	}
	x.around(x.l.value(op.Node.Out))
	if written[op.Node.Out] {
		return nil // a slice of it: another node wrote its own
	}
	written[op.Node.Out] = true
	rec := x.e.dev.NewRecorder()
	rec.Fill(x.out, Unwritten)
	return x.e.runOnce(ctx, rec)
}

func (x *examination) beforeTail(ctx context.Context, op *Operation) error {
	g := x.l.g
	if g.Output == graph.None {
		return nil
	}
	logits, err := x.rows(ctx, x.l.value(g.Output), g.Tensor(g.Output))
	op.In = []Rows{logits}
	if x.key.history == CountAndPenalise {
		op.Modules = append(op.Modules, "count_tokens.t0.spv")
	}
	x.op = op
	x.around(x.l.value(g.Output))
	return err
}

func (x *examination) around(out vk.Range) {
	x.out = out
	from := out.Offset - min(out.Offset, guard)
	x.near = vk.Range{Buffer: out.Buffer, Offset: from, Size: min(out.Buffer.Size(), out.Offset+out.Size+guard) - from}
}

// after notes the output and what else changed.
func (x *examination) after(ctx context.Context, guarded []byte, cached [][]byte) error {
	op := x.op
	var err error
	if op.Node == nil {
		if op.Result, err = x.e.result(&Plan{key: x.key, graph: x.l.g, arena: x.l.arena}); err != nil {
			return err
		}
	}
	if x.out.Buffer != nil {
		now, err := x.bytes(ctx, x.near)
		if err != nil {
			return err
		}
		at := int(x.out.Offset - x.near.Offset)
		out := x.l.g.Output
		if op.Node != nil {
			out = op.Node.Out
		}
		op.Out = rowsOf(now[at:at+int(x.out.Size)], x.l.g.Tensor(out))
		if i := difference(guarded[:at], now[:at]); i >= 0 {
			op.Beside = fmt.Sprintf("%d bytes in front of its output", at-i)
		}
		end := at + int(x.out.Size)
		if i := difference(guarded[end:], now[end:]); i >= 0 {
			op.Beside = fmt.Sprintf("%d bytes behind its output", i)
		}
	}
	if op.pages, err = x.cacheBytes(ctx); err != nil {
		return err
	}
	x.cacheBeside(cached)
	return nil
}

// cacheBeside looks for tokens of the cache that changed although the step has none there.
func (x *examination) cacheBeside(before [][]byte) {
	op := x.op
	if before == nil {
		return
	}
	mine := map[int]bool{} // physical page·PageTokens + place
	if op.Node.Op == graph.OpRoPEKV {
		for _, q := range op.Step.Seqs {
			for p := q.Start; p < q.Start+q.Rows; p++ {
				mine[op.table(q.Slot, p/PageTokens)*PageTokens+p%PageTokens] = true
			}
		}
	}
	for page := range op.cache.pages {
		for place := range PageTokens {
			if mine[page*PageTokens+place] {
				continue
			}
			for head := range op.shape.Heads {
				for _, values := range []bool{false, true} {
					was, is := op.headBytes(before, values, page, head, place), op.headBytes(op.pages, values, page, head, place)
					if !slices.Equal(was[0], is[0]) || !slices.Equal(was[1], is[1]) {
						op.Beside = fmt.Sprintf("page %d of the cache, token %d, head %d, which the step does not touch", page, place, head)
						return
					}
				}
			}
		}
	}
}

// cacheBytes are the pages of the node's layer; nil for nodes without.
func (x *examination) cacheBytes(ctx context.Context) ([][]byte, error) {
	if x.op == nil || x.op.Node == nil || x.op.Node.Op != graph.OpRoPEKV && x.op.Node.Op != graph.OpAttention {
		return nil, nil
	}
	var all [][]byte
	for _, s := range x.e.kv.layers[x.op.Node.Layer] {
		for _, r := range []vk.Range{s.k, s.v} {
			b, err := x.bytes(ctx, r)
			if err != nil {
				return nil, err
			}
			all = append(all, b)
		}
	}
	return all, nil
}

// Cached returns a key head of the token at a position of a slot, its key or its value, as the layer's cache holds it behind
// the operation.
func (o *Operation) Cached(values bool, slot, position, head int) []float64 {
	b := o.headBytes(o.pages, values, o.table(slot, position/PageTokens), head, position%PageTokens)
	quants, scales := b[0], b[1]
	out := make([]float64, o.shape.HeadDim)
	for i := range out {
		scale := func() float64 {
			return float64(half.F16ToF32(binary.LittleEndian.Uint16(scales[i/quant.CacheBlock*2:])))
		}
		switch o.kind {
		case "f32":
			out[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(quants[4*i:])))
		case "f16":
			out[i] = float64(half.F16ToF32(binary.LittleEndian.Uint16(quants[2*i:])))
		case "q8_0":
			out[i] = scale() * float64(int8(quants[i]))
		case "q4_0": // 8 elements to a word: byte i%4 has element i in its low half and i+4 in its high one
			out[i] = scale() * (float64(quants[i/8*4+i%4]>>(i/4%2*4)&15) - 8)
		}
	}
	return out
}

// KV is the type of the cache.
func (o *Operation) KV() KVType { return o.kind }

// headBytes cuts one head of one token out of the pages: its elements or quants, and its scales.
func (o *Operation) headBytes(pages [][]byte, values bool, page, head, place int) [2][]byte {
	shard := page / o.cache.pagesPerShard
	which := 2 * shard
	if values {
		which++
	}
	bytes := quant.CacheRowBytes(string(o.kind), o.shape.HeadDim)
	n := bytes
	if o.kind == "q8_0" || o.kind == "q4_0" {
		n -= (o.shape.HeadDim + 2*quant.CacheBlock - 1) / (2 * quant.CacheBlock) * 4
	}
	at := ((page-shard*o.cache.pagesPerShard)*o.shape.Heads + head) * shaders.PageTokens * bytes
	b := pages[which][at : at+shaders.PageTokens*bytes]
	return [2][]byte{b[place*n:][:n], b[shaders.PageTokens*n+place*(bytes-n):][:bytes-n]}
}

// block is the physical page of a slot's logical one, as the host last wrote it.
func (e *Executor) block(slot, block int) int {
	at := e.step.BlocksAt() + slot*e.step.MaxBlocks + block
	return int(binary.LittleEndian.Uint32(e.stepHost.Bytes()[4*at:]))
}

func (x *examination) rows(ctx context.Context, r vk.Range, t *graph.Tensor) (Rows, error) {
	b, err := x.bytes(ctx, r)
	return rowsOf(b, t), err
}

// rowsOf are the numbers of a value in memory. A value of bytes has behind its quants a scale for each block and another
// word; where that was not written, its numbers were not.
func rowsOf(b []byte, t *graph.Tensor) Rows {
	if !t.Int8 {
		return Rows{t.Cols, float32s(b)}
	}
	n := len(b) / (quant.Int8Block + 8) * quant.Int8Block
	r := Rows{t.Cols, make([]float32, n)}
	for i := range r.Data {
		at := n + i/quant.Int8Block*8
		scale := binary.LittleEndian.Uint32(b[at:])
		if scale == Unwritten || binary.LittleEndian.Uint32(b[at+4:]) == Unwritten {
			r.Data[i] = math.Float32frombits(Unwritten)
			continue
		}
		r.Data[i] = math.Float32frombits(scale) * float32(int8(b[i]))
	}
	return r
}

func (x *examination) bytes(ctx context.Context, r vk.Range) ([]byte, error) {
	if r.Buffer == nil {
		return nil, nil
	}
	b := make([]byte, r.Size)
	return b, x.e.dev.Download(ctx, b, r)
}

func float32s(b []byte) []float32 {
	v := make([]float32, len(b)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return v
}

// difference is the place of the first byte that differs, -1 for none.
func difference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}
