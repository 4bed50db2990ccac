package vkexec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// checkFinite runs the graph's dispatches of one step one by one and looks at what each node wrote. It leaves the tail
// out, so that the step can be run again: the cache is written twice with the same values, nothing advances.
func (e *Executor) checkFinite(ctx context.Context, key planKey) error {
	l, pipelines, err := e.lowered(ctx, key)
	if err != nil {
		return err
	}
	if copies := e.hostCopies(key); copies != nil {
		rec := e.dev.NewRecorder()
		for _, c := range copies {
			rec.Copy(c[0], c[1])
		}
		if err := e.runOnce(ctx, rec); err != nil {
			return err
		}
	}
	for i, d := range l.dispatches {
		if d.node < 0 {
			continue
		}
		_, ranges := d.accesses()
		rec := e.dev.NewRecorder()
		d.record(rec, pipelines[i], ranges)
		if err := e.runOnce(ctx, rec); err != nil {
			return err
		}
		last := i+1 == len(l.dispatches) || l.dispatches[i+1].node != d.node
		n := l.g.Nodes[d.node]
		if !last || n.Out == graph.None || sliced(l.g, n.Out) {
			continue
		}
		if err := e.lookAt(ctx, l, n); err != nil {
			return err
		}
	}
	return nil
}

// runOnce runs commands that are not kept.
func (e *Executor) runOnce(ctx context.Context, rec *vk.Recorder) error {
	c, err := rec.Finish("one operation")
	if err != nil {
		return err
	}
	defer c.Close()
	return e.dev.Run(ctx, c)
}

// lookAt reads a node's result back and reports its first value that is not finite.
func (e *Executor) lookAt(ctx context.Context, l *lowering, n *graph.Node) error {
	r := l.value(n.Out)
	b := make([]byte, r.Size)
	if err := e.dev.Download(ctx, b, r); err != nil {
		return err
	}
	t := l.g.Tensor(n.Out)
	cols, size := t.Cols, 4
	if t.Int8 { // where a block holds no number, its scale is none; the scales lie behind the quants
		cols, size, b = t.Cols/quant.Int8Block, 8, b[l.rows(n.Out)*t.Cols:]
	}
	for i := 0; size*i < len(b); i++ {
		v := float64(math.Float32frombits(binary.LittleEndian.Uint32(b[size*i:])))
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("%s (%s) computed %v in row %d, column %d: %w", n.Label, n.Op, v, i/cols, i%cols*(t.Cols/cols), ErrNotFinite)
		}
	}
	return nil
}

// sliced reports a value that several nodes write: only the last of them makes it whole.
func sliced(g *graph.Graph, id graph.ID) bool {
	writers := 0
	for _, n := range g.Nodes {
		if n.Out == id {
			writers++
		}
	}
	return writers > 1
}
