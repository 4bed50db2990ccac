package shaders_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// dotBed is a bed whose device has integer dot products, if only emulated.
func dotBed(t testing.TB) *bed {
	b := newBed(t, vk.Mask{MaxTier: vk.AllTiers, EmulatedDot: true})
	if !b.device.Caps().Has(vk.CapIntegerDot) {
		t.Skip("the driver has no integer dot products")
	}
	return b
}

// bytesOf lays rows out as kernels read them: package quant rounds, this knows where things stand.
func bytesOf(x []float32) (a *array, values []float64) {
	a = &array{words: make([]uint32, len(x)/4+len(x)/16)}
	values = make([]float64, len(x))
	for block := range len(x) / 32 {
		q, d := quant.RoundInt8(x[32*block : 32*block+32])
		sums := [2]int{}
		for i, n := range q {
			a.words[8*block+i/4] |= uint32(uint8(n)) << (8 * (i % 4))
			sums[i/16] += int(n)
			values[32*block+i] = float64(d) * float64(n)
		}
		behind := a.words[len(x)/4+2*block:]
		behind[0] = math.Float32bits(d)
		behind[1] = uint32(uint16(sums[0])) | uint32(uint16(sums[1]))<<16
	}
	return a, values
}

// awkward are rows with what rounding may stumble over: blocks of zeros, of one number, of subnormals, of great ones.
func awkward(rng *rand.Rand, n int) []float32 {
	x := randoms(rng, n)
	for i := range x {
		switch i / 32 % 7 {
		case 1:
			x[i] = 0
		case 2:
			x[i] = -3
		case 3:
			x[i] *= 1e-40
		case 4:
			x[i] *= 1e30
		case 5:
			if i%32 != 5 {
				x[i] *= 1e-4 // rounds to zero beside the greatest
			}
		}
	}
	return x
}

// sameBytes compares what a kernel rounded with what package quant does. A quant may lie on the other side of a border
// between two where the numbers differ by slack of the greatest of their block.
func sameBytes(b *bed, what string, got *array, x []float32, slack float64) {
	b.Helper()
	want, _ := bytesOf(x)
	off := 0
	for block := range len(x) / 32 {
		scale := func(a *array) float64 { return float64(a.float(len(x)/4 + 2*block)) }
		d := scale(want)
		if g := scale(got); math.Abs(g-d) > slack*math.Abs(d) || math.IsNaN(g) != math.IsNaN(d) {
			b.Fatalf("%s: block %d has scale %g, want %g", what, block, g, d)
		}
		sums := [2]int{}
		for i := range 32 {
			g := int8(got.words[8*block+i/4] >> (8 * (i % 4)))
			w := int8(want.words[8*block+i/4] >> (8 * (i % 4)))
			sums[i/16] += int(g)
			if g == w {
				continue
			}
			off++
			if border := float64(x[32*block+i])/d - float64(min(g, w)); g-w > 1 || w-g > 1 || math.Abs(border-0.5) > 127*slack {
				b.Fatalf("%s: element %d of block %d, %g of %g, became %d, want %d", what, i, block, x[32*block+i], d, g, w)
			}
		}
		if word := got.words[len(x)/4+2*block+1]; word != uint32(uint16(sums[0]))|uint32(uint16(sums[1]))<<16 {
			b.Fatalf("%s: block %d has sums %#x, want %v", what, block, word, sums)
		}
	}
	if off > 1+len(x)/500 {
		b.Fatalf("%s: %d of %d quants differ", what, off, len(x))
	}
}

func TestQuantise(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("quantise") {
		rng := rand.New(rand.NewPCG(3, 3))
		for _, blocks := range []int{1, 63, 64, 131} {
			x := awkward(rng, 32*blocks)
			y := output(len(x)/4 + 2*blocks)
			b.run(m, map[string]uint32{"LOCAL_SIZE": 64}, shaders.QuantisePush{Blocks: uint32(blocks)}, [3]uint32{2, ceil(blocks, 128), 1}, floats(x), y)
			sameBytes(b, fmt.Sprintf("%d blocks", blocks), y, x, 3e-7)
		}
		// No number that is none gets lost.
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))} {
			x := randoms(rng, 64)
			x[40] = bad
			y := output(20)
			b.run(m, map[string]uint32{"LOCAL_SIZE": 64}, shaders.QuantisePush{Blocks: 2}, [3]uint32{1, 1, 1}, floats(x), y)
			if d := float64(y.float(18)); !math.IsNaN(d) && !math.IsInf(d, 0) {
				t.Errorf("a block with %g has the scale %g", bad, d)
			}
			if d := y.float(16); d != d || d > 1 {
				t.Errorf("the block beside one with %g has the scale %g", bad, d)
			}
		}
	}
}

func TestRMSNormInt8(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("rms_norm_i8") {
		rng := rand.New(rand.NewPCG(4, 4))
		for _, cols := range []int{32, 160, 1024, 2080} {
			const rows = 3
			x, w := randoms(rng, rows*cols), randoms(rng, cols)
			x[cols+7] = 1e5
			var want []float32
			for r := range rows {
				squares := 0.0
				for _, v := range x[r*cols : (r+1)*cols] {
					squares += float64(v) * float64(v)
				}
				factor := 1 / math.Sqrt(squares/float64(cols)+eps)
				for c := range cols {
					want = append(want, float32(float64(x[r*cols+c])*factor*float64(w[c])))
				}
			}
			y := output(rows*cols/4 + rows*cols/16)
			for _, local := range []uint32{8, 256} {
				b.run(m, map[string]uint32{"LOCAL_SIZE": local}, shaders.RMSNormInt8Push{Rows: rows, Cols: uint32(cols), Eps: eps},
					[3]uint32{rows, 1, 1}, floats(x), floats(w), y)
				sameBytes(b, fmt.Sprintf("%s, %d columns", m.File, cols), y, want, 2e-6)
			}
		}
	}
}

// runInt8 computes a case with activations in bytes and holds it against float64 with the same bytes. It returns the
// device's result.
func (p product) runInt8(b *bed, m shaders.Module, tuning map[string]uint32, rng *rand.Rand) []float32 {
	b.Helper()
	group := max(p.group, 32)
	w := newMatrix(rng, m.Variant.Weights, p.rows, p.k, group, p.zero)
	constants := with(with(tuning, w.constants()), map[string]uint32{"EPILOGUE": uint32(p.epilogue), "EXPERTS": 0})
	vec := m.Kernel == "mul_mat_vec_i8"
	if vec {
		constants["NORM"] = 0
	}
	push := shaders.MatMulPush{
		Rows: uint32(p.rows), K: uint32(p.k), N: uint32(p.n),
		YStride: uint32(p.rows + 5), YOffset: 3, AddStride: uint32(p.rows + 2), AddOffset: 1,
	}
	if p.bias {
		push.AddStride = 0
	}
	held := p.n + 1 // rows of x: one more than there are columns
	xs := make([]float32, 0, held*p.k)
	for range held {
		xs = append(xs, awkwardActivations(rng, p.k)...)
	}
	x, values := bytesOf(xs)
	addend := floats(randoms(rng, p.n*(p.rows+2)))
	want, size := w.product(values, p.n)
	for i := range want {
		switch a := float64(addend.float(i/p.rows*int(push.AddStride) + 1 + i%p.rows)); p.epilogue {
		case epilogueAdd, epilogueAddSwiGLU:
			want[i] += a
			size[i] += math.Abs(a)
		case epilogueScale:
			a = float64(addend.float(1 + i%p.rows))
			want[i] *= a
			size[i] *= math.Abs(a)
		}
	}
	outputs := p.rows
	if p.epilogue == epilogueSwiGLU || p.epilogue == epilogueAddSwiGLU {
		outputs /= 2
		want, size = swigluPairs(want, size)
	}
	y := output(p.n * (p.rows + 5))
	var groups [3]uint32
	if vec {
		g := ceil(p.rows, int(constants["ROWS"]))
		groups = [3]uint32{min(g, 7), (g + 6) / 7, 1}
	} else {
		groups = [3]uint32{ceil(p.rows, int(constants["BM"])), ceil(p.n, int(constants["BN"])), 1}
	}
	b.run(m, constants, push.Int8(held), groups, append(w.planes[:], x, y, addend)...)
	var got []float32
	for i, word := range y.words {
		at := i%(p.rows+5) - 3
		if at >= 0 && at < outputs {
			got = append(got, math.Float32frombits(word))
		} else if word != poison {
			b.Fatalf("%s %s: wrote beside its part of y, at %d", m.File, p, i)
		}
	}
	// The sums of a block are exact; what is left is a rounding or three for each of K/16 parts at most.
	check(b, m.File+" "+p.String(), got, want, func(i int) float64 { return 1e-6*math.Sqrt(float64(p.k))*size[i] + 1e-30 })
	return got
}

// awkwardActivations have magnitudes as real models have them, a hundred thousand beside one.
func awkwardActivations(rng *rand.Rand, k int) []float32 {
	x := randoms(rng, k)
	for i := range x {
		switch i / 32 % 5 {
		case 1:
			x[i] *= 1e5
		case 3:
			x[i] = 0
		}
	}
	return x
}

func TestMulMatVecInt8(t *testing.T) {
	t.Parallel()
	b := dotBed(t)
	for _, m := range b.modules("mul_mat_vec_i8") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(7, 7))
			weights := m.Variant.Weights
			tuned := func(p product) map[string]uint32 {
				return shaders.Tuning(m.Kernel, m.Variant, b.software(), p.rows, p.k, p.n)
			}
			cases := []product{{rows: 37, k: 32, n: 1}, {rows: 5, k: 544, n: 3, epilogue: epilogueAdd}}
			if grouped(weights) {
				cases = append(cases, product{rows: 9, k: 384, n: 1, group: 128, zero: true})
			}
			if onlyDecodes(weights) {
				cases = cases[1:]
			}
			for _, p := range cases {
				p.k = kOf(weights, p.group, p.k)
				p.runInt8(b, m, tuned(p), rng)
			}
			if weights == "q4" || weights == "q4k" || weights == "q8" {
				p := product{rows: 6, k: 256, n: 2, epilogue: epilogueSwiGLU}
				p.runInt8(b, m, tuned(p), rng)
				p = product{rows: 11, k: 256, n: 2, epilogue: epilogueAdd, bias: true}
				p.runInt8(b, m, tuned(p), rng)
				p = product{rows: 70, k: kOf(weights, 0, 4128), n: 1}
				p.runInt8(b, m, shaders.Tuning(m.Kernel, m.Variant, false, p.rows, p.k, p.n), rng) // the hardware's choice
				p = product{rows: 21, k: kOf(weights, 0, 544), n: 2, epilogue: epilogueAdd}
				p.runInt8(b, m, map[string]uint32{"LOCAL_SIZE": 32, "LANES": 8, "ROWS": 8, "COLS": 2, "STRIP": 0}, rng)
			}
		})
	}
}

// A column's bits do not depend on the columns beside it, nor on how many the pipeline is made for.
func TestMulMatVecInt8ColumnsAreEqual(t *testing.T) {
	t.Parallel()
	b := dotBed(t)
	for _, m := range b.modules("mul_mat_vec_i8") {
		if w := m.Variant.Weights; w != "q4" && w != "q4k" {
			continue
		}
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			p := product{rows: 6, k: 512, n: 1, epilogue: epilogueSwiGLU}
			var first []float32
			for _, p.n = range []int{1, 3, shaders.MaxColumns} {
				tuning := shaders.Tuning(m.Kernel, m.Variant, b.software(), p.rows, p.k, p.n)
				got := p.runInt8(b, m, tuning, rand.New(rand.NewPCG(3, 1)))
				if first == nil {
					first = got[:p.rows/2]
				}
				if !slices.Equal(got[:p.rows/2], first) {
					t.Fatalf("column 0 of %d is %v, alone it is %v", p.n, got[:p.rows/2], first)
				}
			}
		})
	}
}

func TestMulMatInt8(t *testing.T) {
	t.Parallel()
	b := dotBed(t)
	for _, m := range b.modules("mul_mat_i8") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(8, 8))
			weights := m.Variant.Weights
			type shaped struct {
				product
				software bool
			}
			cases := []shaped{{product{rows: 70, k: 544, n: 9}, true}}
			if grouped(weights) {
				cases = append(cases, shaped{product{rows: 9, k: 384, n: 31, group: 128, zero: true}, true})
			}
			if weights == "q4" || weights == "q8" || weights == "q2k" {
				cases = append(cases,
					shaped{product{rows: 37, k: 32, n: 3}, false}, // half of the blocks that a tile holds
					shaped{product{rows: 130, k: 96, n: 65, epilogue: epilogueAdd}, false},
					shaped{product{rows: 66, k: 64, n: 31, epilogue: epilogueSwiGLU}, false})
			}
			for _, p := range cases {
				p.k = kOf(weights, p.group, p.k)
				p.runInt8(b, m, shaders.Tuning(m.Kernel, m.Variant, p.software, p.rows, p.k, p.n), rng)
			}
		})
	}
}
