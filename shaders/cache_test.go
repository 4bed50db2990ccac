package shaders_test

import (
	"math"
	"math/rand/v2"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/quant"
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

// cache is one of the two buffers of a layer, [pages][kvHeads][PageTokens][dim], in any type, poisoned at first.
type cache struct {
	*array
	kind         string
	kvHeads, dim int
}

func newCache(kind string, pages, kvHeads, dim int) cache {
	c := cache{kind: kind, kvHeads: kvHeads, dim: dim}
	c.array = output(pages * kvHeads * shaders.PageTokens * quant.CacheRowBytes(kind, dim) / 4)
	return c
}

// blocks reports a type of quants and scales.
func (c cache) blocks() bool { return c.kind == "q8_0" || c.kind == "q4_0" }

// row returns the words of a head of a token: its elements or quants, and its scales.
func (c cache) row(page, head, position int) (quants, scales []uint32) {
	words := quant.CacheRowBytes(c.kind, c.dim) / 4
	headPage := c.words[(page*c.kvHeads+head)*shaders.PageTokens*words:][:shaders.PageTokens*words]
	n := words
	if c.blocks() {
		n -= (c.dim + 63) / 64
	}
	token := position % shaders.PageTokens
	return headPage[token*n:][:n], headPage[shaders.PageTokens*n+token*(words-n):][:words-n]
}

// load returns a head of a token.
func (c cache) load(page, head, position int) []float64 {
	quants, scales := c.row(page, head, position)
	x := make([]float64, c.dim)
	for i := range x {
		switch c.kind {
		case "f32":
			x[i] = float64(math.Float32frombits(quants[i]))
		case "f16":
			x[i] = float64(half.F16ToF32(uint16(quants[i/2] >> (16 * (i % 2)))))
		default:
			scale := half.F16ToF32(uint16(scales[i/64] >> (16 * (i / 32 % 2))))
			if c.kind == "q4_0" {
				x[i] = float64(scale) * (float64(quants[i/8]>>(8*(i%4)+4*(i/4%2))&15) - 8)
			} else {
				x[i] = float64(scale) * float64(int8(quants[i/4]>>(8*(i%4))))
			}
		}
	}
	return x
}

// store stores a head of a token, whole words and so nothing beside it, and returns what it became.
func (c cache) store(page, head, position int, values []float32) []float64 {
	quants, scales := c.row(page, head, position)
	clear(quants)
	clear(scales)
	for i, v := range values {
		switch c.kind {
		case "f32":
			quants[i] = math.Float32bits(v)
		case "f16":
			quants[i/2] |= uint32(half.F32ToF16(v)) << (16 * (i % 2))
		default:
			block := values[i/32*32 : min(i/32*32+32, len(values))]
			extreme := float32(0)
			for _, b := range block {
				if math.Abs(float64(b)) > math.Abs(float64(extreme)) {
					extreme = b
				}
			}
			d := float32(math.Abs(float64(extreme))) / 127
			if c.kind == "q4_0" {
				d = extreme / -8
				quants[i/8] |= uint32(min(v/d+8.5, 15)) << (8*(i%4) + 4*(i/4%2))
			} else {
				quants[i/4] |= uint32(uint8(int8(math.Round(float64(v/d))))) << (8 * (i % 4))
			}
			if i%32 == 0 {
				scales[i/64] |= uint32(half.F32ToF16(d)) << (16 * (i / 32 % 2))
			}
		}
	}
	return c.load(page, head, position)
}
