package shaders_test

import (
	"math"
	"math/rand/v2"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/shaders"
)

// sequence is one sequence of a step: rows tokens from position start on.
type sequence struct{ slot, rows, start int }

// batch is a step buffer with its sequences; physical pages are dealt out in a random order.
type batch struct {
	shaders.Step
	sequences []sequence
	words     []uint32
	pages     int // physical pages in use
}

func newBatch(rng *rand.Rand, sequences ...sequence) *batch {
	b := &batch{sequences: sequences}
	b.Seqs = len(sequences)
	for _, s := range sequences {
		b.Rows += s.rows
		b.Slots = max(b.Slots, s.slot+1)
		b.MaxBlocks = max(b.MaxBlocks, (s.start+s.rows+shaders.PageTokens-1)/shaders.PageTokens)
	}
	b.pages = b.Slots * b.MaxBlocks
	b.words = make([]uint32, b.Words())
	row := 0
	for i, s := range sequences {
		copy(b.words[b.SeqsAt()+4*i:], []uint32{uint32(s.slot), uint32(row), uint32(s.rows), uint32(s.start)})
		for t := range s.rows {
			b.words[b.IDsAt()+row] = rng.Uint32N(50)
			b.words[b.RowsAt()+2*row], b.words[b.RowsAt()+2*row+1] = uint32(s.start+t), uint32(s.slot)
			row++
		}
	}
	for i, page := range rng.Perm(b.pages) {
		b.words[b.BlocksAt()+i] = uint32(page)
	}
	return b
}

func (b *batch) array() *array { return uints(b.words...) }

// page returns the physical page of a slot's position.
func (b *batch) page(slot, position int) int {
	return int(b.words[b.BlocksAt()+slot*b.MaxBlocks+position/shaders.PageTokens])
}

// cache is one of the two buffers of a layer, [pages][kvHeads][PageTokens][dim], in f32 or f16, poisoned at first.
type cache struct {
	*array
	half         bool
	kvHeads, dim int
}

func newCache(kind string, pages, kvHeads, dim int) cache {
	c := cache{half: kind == "f16", kvHeads: kvHeads, dim: dim}
	words := pages * kvHeads * shaders.PageTokens * dim
	if c.half {
		words /= 2
	}
	c.array = output(words)
	return c
}

// at is the index of an element, in elements.
func (c cache) at(page, head, position, i int) int {
	return ((page*c.kvHeads+head)*shaders.PageTokens+position%shaders.PageTokens)*c.dim + i
}

func (c cache) get(i int) float32 {
	if c.half {
		return half.F16ToF32(uint16(c.words[i/2] >> (16 * (i % 2))))
	}
	return c.float(i)
}

// set stores a value and returns what it became.
func (c cache) set(i int, v float32) float64 {
	if !c.half {
		c.words[i] = math.Float32bits(v)
		return float64(v)
	}
	h := half.F32ToF16(v)
	shift := 16 * (i % 2)
	c.words[i/2] = c.words[i/2]&^(0xffff<<shift) | uint32(h)<<shift
	return float64(half.F16ToF32(h))
}
