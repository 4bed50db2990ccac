package shaders_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
)

// ropeTable holds fine and coarse rows for the given angles per position.
func ropeTable(frequencies []float64, positions int) *array {
	var v []float32
	turn := func(position int) {
		for _, f := range frequencies {
			sin, cos := math.Sincos(float64(position) * f)
			v = append(v, float32(cos), float32(sin))
		}
	}
	for p := range shaders.RoPELow {
		turn(p)
	}
	for p := 0; p <= positions; p += shaders.RoPELow {
		turn(p)
	}
	return floats(v)
}

func TestRoPEKV(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("rope_kv") {
		for _, c := range []struct {
			name                string
			heads, kvHeads, dim int
			norm                bool
			local               uint32
			firstPage, pages    int // of those that the bound cache holds; 0: all
			trained             int // positions behind it have scaled queries; 0: none
		}{
			{name: "normed", heads: 4, kvHeads: 2, dim: 128, norm: true},
			{name: "plain", heads: 3, kvHeads: 3, dim: 64},
			{name: "odd head", heads: 2, kvHeads: 1, dim: 10, norm: true, local: 32},
			{name: "ragged head", heads: 2, kvHeads: 2, dim: 40, norm: true, local: 32},
			{name: "small head", heads: 2, kvHeads: 1, dim: 8, norm: true},
			{name: "head of three blocks", heads: 2, kvHeads: 1, dim: 96, norm: true},
			{name: "large head, wide group", heads: 1, kvHeads: 1, dim: 256, norm: true, local: 64},
			{name: "scaled queries, tables by slot", heads: 2, kvHeads: 1, dim: 64, trained: 50},
			{name: "a shard", heads: 2, kvHeads: 1, dim: 128, norm: true, firstPage: 3, pages: 7},
		} {
			if k := newCache(m.Variant.KV, 1, 1, 8); k.blocks() && c.dim%8 != 0 {
				continue // no model has such heads, and no word of theirs is whole
			}
			t.Run(m.File+"/"+c.name, func(t *testing.T) {
				b.TB = t
				rng := rand.New(rand.NewPCG(9, 9))
				step := newBatch(rng, sequence{slot: 1, rows: 3, start: 62}, sequence{slot: 0, rows: 1, start: 40000},
					sequence{slot: 2, rows: 2, start: 0})
				if c.pages == 0 {
					c.pages = step.pages
				}
				frequencies := make([]float64, c.dim/2)
				for i := range frequencies {
					frequencies[i] = math.Pow(1e6, -2*float64(i)/float64(c.dim))
				}
				// Slot 1 has a table of its own, with half the speed, behind that of the others.
				tables := [][]float64{frequencies, make([]float64, len(frequencies))}
				for i, f := range frequencies {
					tables[1][i] = f / 2
				}
				table := append(ropeTable(tables[0], 40000).floats(), ropeTable(tables[1], 40000).floats()...)
				step.words[step.RopesAt()+1] = uint32(len(table) / 2 / c.dim)
				factor := func(position int) float64 {
					if c.trained == 0 {
						return 1
					}
					return max(1, math.Log(float64(position+1))/math.Log(float64(c.trained)))
				}
				logNAt := len(table) / 2
				for p := range 40002 {
					table = append(table, float32(factor(p)))
				}
				all := c.heads + 2*c.kvHeads
				qkv, qNorm, kNorm := randoms(rng, step.Rows*all*c.dim), randoms(rng, c.dim), randoms(rng, c.dim)
				q := output(step.Rows * c.heads * c.dim)
				k := newCache(m.Variant.KV, c.pages, c.kvHeads, c.dim)
				v := newCache(m.Variant.KV, c.pages, c.kvHeads, c.dim)

				constants := shaders.Tuning("rope_kv", m.Variant, b.software(), 0, c.dim, 0)
				if c.local != 0 {
					constants["LOCAL_SIZE"] = c.local
				}
				constants["HEAD_DIM"], constants["QK_NORM"] = uint32(c.dim), 0
				if c.norm {
					constants["QK_NORM"] = 1
				}
				push := shaders.RoPEKVPush{
					Rows: uint32(step.Rows), Heads: uint32(c.heads), KVHeads: uint32(c.kvHeads),
					RowsAt: uint32(step.RowsAt()), BlocksAt: uint32(step.BlocksAt()), MaxBlocks: uint32(step.MaxBlocks),
					FirstPage: uint32(c.firstPage), Pages: uint32(c.pages), WriteQ: 1, Eps: eps, RopesAt: uint32(step.RopesAt()),
				}
				if c.trained > 0 {
					push.LogNAt = uint32(logNAt)
				}
				groups := [3]uint32{uint32(all), uint32(step.Rows), 1}
				run := func() {
					b.run(m, constants, push, groups, floats(qkv), floats(qNorm), floats(kNorm), floats(table),
						step.array(), q, k.array, v.array)
				}
				run()

				wantK, wantV := map[[3]int][]float64{}, map[[3]int][]float64{} // by page, head and position
				var wantQ []float64
				row := 0
				for _, s := range step.sequences {
					for token := range s.rows {
						position := s.start + token
						frequencies := tables[map[bool]int{true: 1}[s.slot == 1]]
						page := step.page(s.slot, position) - c.firstPage
						for h := range all {
							x := widen(qkv[(row*all+h)*c.dim:][:c.dim])
							switch {
							case h < c.heads:
								for _, v := range turnHead(x, qNorm, c.norm, frequencies, position) {
									wantQ = append(wantQ, v*factor(position))
								}
							case page < 0 || page >= c.pages:
							case h < c.heads+c.kvHeads:
								wantK[[3]int{page, h - c.heads, position}] = turnHead(x, kNorm, c.norm, frequencies, position)
							default:
								wantV[[3]int{page, h - c.heads - c.kvHeads, position}] = x
							}
						}
						row++
					}
				}
				check(t, "q", q.floats(), wantQ, func(int) float64 { return 5e-6 })
				checkCache(t, "k", k, wantK)
				checkCache(t, "v", v, wantV)

				// A shard that is not the first leaves q alone.
				push.WriteQ = 0
				q = output(len(q.words))
				run()
				for i, w := range q.words {
					if w != poison {
						t.Fatalf("q was written at %d with WriteQ 0", i)
					}
				}
			})
		}
	}
}

// checkCache holds the heads of a cache against what was to be stored, by page, head and position, and wants the poison
// of all else untouched.
func checkCache(t *testing.T, name string, got cache, want map[[3]int][]float64) {
	t.Helper()
	touched := map[*uint32]bool{}
	borderline, elements := 0, 0
	for at, x := range want {
		quants, scales := got.row(at[0], at[1], at[2])
		for _, words := range [][]uint32{quants, scales} {
			for i := range words {
				touched[&words[i]] = true
			}
		}
		stored := got.load(at[0], at[1], at[2])
		elements += len(x)
		for first := 0; first < len(x); first += quant.CacheBlock {
			last := min(first+quant.CacheBlock, len(x))
			borderline += checkBlock(t, fmt.Sprint(name, at, first), got.kind, stored[first:last], x[first:last])
		}
	}
	// Of random elements, one in a thousand lies so close to a border that float32 may see it on the other side.
	if borderline > 2+elements/300 {
		t.Fatalf("%s: %d of %d elements are rounded to the other side", name, borderline, elements)
	}
	for i := range got.words {
		if got.words[i] != poison && !touched[&got.words[i]] {
			t.Fatalf("%s: word %d was written", name, i)
		}
	}
}

// checkBlock compares a block with what quant.CacheRounding makes of x, and counts elements that went to the neighbouring
// quant: x is 2e-6 of itself and 3e-6 off, for the product of two rounded rotations costs a few 2^-24, and only an x that
// lies so close to a border may go there. A scale is half a unit off in f16, or one.
func checkBlock(t *testing.T, name, kind string, got, x []float64) (borderline int) {
	t.Helper()
	want := slices.Clone(x)
	if round := quant.CacheRounding(kind); round != nil {
		round(want)
	}
	levels := map[string]float64{"q8_0": 127, "q4_0": 8}[kind]
	extreme := 0.0
	for _, v := range x {
		extreme = max(extreme, math.Abs(v))
	}
	for i := range x {
		d := math.Abs(got[i] - want[i])
		off := 2e-6*math.Abs(x[i]) + 3e-6
		if d <= 0x1p-10*math.Abs(want[i])+off && kind != "f32" || d <= off {
			continue
		}
		step := extreme / levels
		border := math.Abs(math.Mod(math.Abs(x[i])/step, 1) - 0.5)
		if levels == 0 || d > 1.01*step || border*step > off+2e-6*extreme {
			t.Fatalf("%s: element %d is %g, want %g of %g", name, i, got[i], want[i], x[i])
		}
		borderline++
	}
	return borderline
}

// TestCacheRounding stores blocks whose rounding is decided by a rule and not by precision: elements half way between two
// quants, the sign of the largest, blocks of zeros, of what is too small for a scale, and of what is no number.
func TestCacheRounding(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const dim = 96
	block := func(values ...float32) []float32 {
		return append(values, make([]float32, quant.CacheBlock-len(values))...)
	}
	inf := float32(math.Inf(1))
	rows := [][]float32{
		// Scales of 1 and -1 in both types: extremes of 127 and -8.
		slices.Concat(block(0.5, -0.5, 1.5, -1.5, 2.5, 126.5, -126.5, 127, 0.49, 3.25), block(-8, -7.5, -6.5, -0.5, 0.5, 6.5, 7.49, 7.5, 8), block(8, -8, 7.5, -7.5, 0.5, -0.5)),
		slices.Concat(block(), block(1e-9, -2e-9), block(0, 0, 254, -1, 1, 3, -3)),
		slices.Concat(block(-127, 127, 63.5), block(6e-6, -3e-6, 1e-6), block(5.2e5, -5.1e5, 65, -33000)),
		slices.Concat(block(1, inf, 2), block(1, float32(math.NaN()), 2), block(-inf, 1)),
	}
	for _, m := range b.modules("rope_kv") {
		if k := newCache(m.Variant.KV, 1, 1, dim); !k.blocks() {
			continue
		}
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			step := newBatch(rand.New(rand.NewPCG(1, 1)), sequence{slot: 0, rows: len(rows), start: 30}) // two pages
			qkv := make([]float32, 0, 3*dim*len(rows))
			for _, row := range rows {
				qkv = append(append(qkv, make([]float32, 2*dim)...), row...)
			}
			k, v := newCache(m.Variant.KV, step.pages, 1, dim), newCache(m.Variant.KV, step.pages, 1, dim)
			constants := with(shaders.Tuning("rope_kv", m.Variant, b.software(), 0, dim, 0), map[string]uint32{"HEAD_DIM": dim, "QK_NORM": 0})
			push := shaders.RoPEKVPush{
				Rows: uint32(len(rows)), Heads: 1, KVHeads: 1, RowsAt: uint32(step.RowsAt()), BlocksAt: uint32(step.BlocksAt()),
				MaxBlocks: uint32(step.MaxBlocks), Pages: uint32(step.pages), WriteQ: 1,
			}
			b.run(m, constants, push, [3]uint32{3, uint32(len(rows)), 1}, floats(qkv), floats(randoms(rand.New(rand.NewPCG(2, 2)), dim)),
				floats(make([]float32, dim)), ropeTable(make([]float64, dim/2), 64), step.array(), output(len(rows)*dim), k.array, v.array)
			for i, row := range rows {
				got, want := v.load(step.page(0, 30+i), 0, 30+i), widen(row)
				for first := 0; first < dim; first += quant.CacheBlock {
					quant.CacheRounding(m.Variant.KV)(want[first : first+quant.CacheBlock])
					if i == 3 { // no number in, no number out
						if sum := slices.Max(got[first:first+3]) - slices.Min(got[first:first+3]); !math.IsNaN(sum) && !math.IsInf(sum, 0) {
							t.Errorf("%v became %v", row[first:first+3], got[first:first+3])
						}
						continue
					}
					if !slices.Equal(got[first:first+quant.CacheBlock], want[first:first+quant.CacheBlock]) {
						t.Errorf("%v\nbecame %v\nwant   %v", row[first:first+12], got[first:first+12], want[first:first+12])
					}
				}
			}
		})
	}
}

// turnHead norms and rotates one head in float64.
func turnHead(x []float64, norm []float32, normed bool, frequencies []float64, position int) []float64 {
	y := make([]float64, len(x))
	factor := 1.0
	if normed {
		squares := 0.0
		for _, v := range x {
			squares += v * v
		}
		factor = 1 / math.Sqrt(squares/float64(len(x))+eps)
	}
	for i, v := range x {
		y[i] = v * factor
		if normed {
			y[i] *= float64(norm[i])
		}
	}
	half := len(x) / 2
	for i := range half {
		sin, cos := math.Sincos(float64(position) * frequencies[i])
		y[i], y[i+half] = y[i]*cos-y[i+half]*sin, y[i+half]*cos+y[i]*sin
	}
	return y
}
