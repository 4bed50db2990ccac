package graph

import (
	"fmt"
	"reflect"
	"testing"

	"pgregory.net/rapid"
)

// span is the life of a value: from the first node that touches it to the last one, inclusive; the caller reads the
// output after all nodes.
type span struct{ first, last int }

// spans finds lives the slow way.
func spans(g *Graph) map[ID]span {
	lives := map[ID]span{}
	for id := range g.Values {
		s := span{-1, -1}
		for i, n := range g.Nodes {
			touched := n.Out == ID(id)
			for _, in := range n.In {
				touched = touched || in == ID(id)
			}
			if touched && s.first < 0 {
				s.first = i
			}
			if touched {
				s.last = i
			}
		}
		if g.Output == ID(id) {
			s.last = len(g.Nodes)
		}
		if s.first >= 0 {
			lives[ID(id)] = s
		}
	}
	return lives
}

// checkArena holds an arena against the rules; widest is the most bytes that are alive at one node.
func checkArena(g *Graph, a *Arena, tokens, seqs int) (widest int64, err error) {
	lives := spans(g)
	alive := make([]int64, len(g.Nodes)+1)
	for id, t := range g.Values {
		rows := map[Rows]int{PerToken: tokens, PerSequence: seqs}[t.Rows]
		if want := int64(rows) * int64(t.Cols) * 4; a.Size[id] != want {
			return 0, fmt.Errorf("%%%d takes %d bytes, want %d", id, a.Size[id], want)
		}
		life, touched := lives[ID(id)]
		if !touched {
			if a.Offset[id] != -1 {
				return 0, fmt.Errorf("%%%d is never touched and lies at %d", id, a.Offset[id])
			}
			continue
		}
		if at := a.Offset[id]; at < 0 || at%ArenaAlign != 0 || at+a.Size[id] > a.Bytes {
			return 0, fmt.Errorf("%%%d lies at %d of %d bytes", id, at, a.Bytes)
		}
		for i := life.first; i <= life.last; i++ {
			alive[i] += align(a.Size[id], ArenaAlign)
			widest = max(widest, alive[i])
		}
		for other, o := range lives {
			apart := o.last < life.first || life.last < o.first ||
				a.Offset[other]+a.Size[other] <= a.Offset[id] || a.Offset[id]+a.Size[id] <= a.Offset[other]
			if other != ID(id) && !apart {
				return 0, fmt.Errorf("%%%d and %%%d share bytes while both live", id, other)
			}
		}
	}
	return widest, nil
}

// TestArenaProperties plans random graphs: values that are written in slices, read late, or never.
func TestArenaProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		g := &Graph{Output: None}
		value := func() ID {
			return g.newValue(Tensor{Rows: Rows(rapid.IntRange(0, 1).Draw(t, "rows")), Cols: rapid.IntRange(1, 300).Draw(t, "cols")})
		}
		value() // never touched
		written := []ID{value()}
		g.Nodes = append(g.Nodes, &Node{Op: OpEmbed, Out: written[0]})
		for range rapid.IntRange(0, 25).Draw(t, "nodes") {
			n := &Node{Op: OpMatMul}
			for range rapid.IntRange(1, 3).Draw(t, "inputs") {
				n.In = append(n.In, rapid.SampledFrom(written).Draw(t, "in"))
			}
			switch rapid.IntRange(0, 5).Draw(t, "out") {
			case 0:
				n.Op, n.Out = OpStoreKV, None
			case 1: // a further slice
				n.Out = written[len(written)-1]
			default:
				n.Out = value()
				written = append(written, n.Out)
			}
			g.Nodes = append(g.Nodes, n)
		}
		if rapid.Bool().Draw(t, "has output") {
			g.Output = rapid.SampledFrom(written).Draw(t, "output")
		}
		tokens, seqs := rapid.IntRange(1, 70).Draw(t, "tokens"), rapid.IntRange(1, 9).Draw(t, "sequences")
		a := PlanArena(g, tokens, seqs)
		widest, err := checkArena(g, a, tokens, seqs)
		if err != nil {
			t.Fatal(err)
		}
		if a.Bytes < widest {
			t.Fatalf("%d bytes hold %d bytes that live at once", a.Bytes, widest)
		}
		if again := PlanArena(g, tokens, seqs); !reflect.DeepEqual(a, again) {
			t.Fatal("the same graph was planned in two ways")
		}
	})
}

// TestArenaOfModel: no form of a real stack of layers needs more than what lives at once, and depth costs nothing.
func TestArenaOfModel(t *testing.T) {
	sizes := map[string]qwen{ // shapes of published checkpoints, fewer layers: the arena does not grow with them
		"0.6B": {layers: 3, hidden: 1024, inner: 3072, vocab: 151936, heads: 16, kvHeads: 8, headDim: 128, norm: "head"},
		"8B":   {layers: 3, hidden: 4096, inner: 12288, vocab: 151936, heads: 32, kvHeads: 8, headDim: 128, norm: "head"},
		"8B, mixed": {
			layers: 3, hidden: 4096, inner: 12288, vocab: 151936, heads: 32, kvHeads: 8, headDim: 128, norm: "head", mixed: "attn_v",
		},
	}
	for name, s := range sizes {
		m := s.build(t)
		deeper := s
		deeper.layers = 6
		deep := deeper.build(t)
		for _, o := range []Options{
			{Output: CacheOnly},
			{Output: LastLogits},
			{Output: AllLogits},
			{Output: LastLogits, OneRowEach: true, FuseNorm: true},
			{Output: AllLogits, NoFuse: true},
		} {
			for _, rows := range [][2]int{{1, 1}, {8, 8}, {512, 1}, {512, 4}} {
				g := Compile(m, o)
				a := PlanArena(g, rows[0], rows[1])
				widest, err := checkArena(g, a, rows[0], rows[1])
				if err != nil {
					t.Fatalf("%s, %+v, rows %v: %v", name, o, rows, err)
				}
				if a.Bytes > widest {
					t.Errorf("%s, %+v, rows %v: the arena has %d bytes, %d live at once", name, o, rows, a.Bytes, widest)
				}
				if d := PlanArena(Compile(deep, o), rows[0], rows[1]); d.Bytes > a.Bytes {
					t.Errorf("%s, %+v, rows %v: six layers need %d bytes, three %d", name, o, rows, d.Bytes, a.Bytes)
				}
			}
		}
	}
}
