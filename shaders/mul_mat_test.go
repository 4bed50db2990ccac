package shaders_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

// Epilogues of the matrix kernels.
const (
	epilogueStore = iota
	epilogueAdd
	epilogueSwiGLU
	epilogueScale
	epilogueAddSwiGLU
)

// product is one case of a matrix kernel.
type product struct {
	rows, k, n int
	group      int
	zero       bool
	epilogue   int
	bias       bool // the addend is one row for all columns
	norm       bool
	huge       bool // activations of 1e5, as residual channels of real models have
}

func (p product) String() string {
	s := fmt.Sprintf("%dx%dx%d", p.rows, p.k, p.n)
	if p.group != 0 {
		s += fmt.Sprintf(",group=%d,zero=%t", p.group, p.zero)
	}
	return s + fmt.Sprintf(",epilogue=%d,norm=%t", p.epilogue, p.norm)
}

const eps = 1e-6

// run computes the case on the device and holds it against float64. It returns the device's result.
func (p product) run(b *bed, m shaders.Module, tuning map[string]uint32, rng *rand.Rand) []float32 {
	b.Helper()
	group := p.group
	if group == 0 {
		group = 32
	}
	w := newMatrix(rng, m.Variant.Weights, p.rows, p.k, group, p.zero)
	constants := with(with(tuning, w.constants()), map[string]uint32{"EPILOGUE": uint32(p.epilogue), "EXPERTS": 0})
	vec, units := m.Kernel == "mul_mat_vec", m.Kernel == "mul_mat_cm"
	if vec {
		constants["NORM"] = 0
		if p.norm {
			constants["NORM"] = 1
		}
	}

	normWeight := randoms(rng, p.k)

	// x and y have gaps between their rows, filled with poison.
	push := shaders.MatMulPush{
		Rows: uint32(p.rows), K: uint32(p.k), N: uint32(p.n), XStride: uint32(p.k + 8), Eps: eps,
		YStride: uint32(p.rows + 5), YOffset: 3, AddStride: uint32(p.rows + 2), AddOffset: 1,
	}
	if p.bias {
		push.AddStride = 0
	}
	x := output(p.n * (p.k + 8))
	x.written = false
	xs := randoms(rng, p.n*p.k)
	for i := range xs {
		if p.huge && i%17 == 0 {
			xs[i] *= 1e5
		}
		x.words[i/p.k*(p.k+8)+i%p.k] = math.Float32bits(xs[i])
	}
	addend := floats(randoms(rng, p.n*(p.rows+2)))

	wide := widen(xs)
	factors := make([]float64, p.n)
	for c := range p.n {
		factors[c] = 1
		if p.norm {
			squares := 0.0
			for k := range p.k {
				v := &wide[c*p.k+k]
				squares += *v * *v
				*v *= float64(normWeight[k])
			}
			factors[c] = 1 / math.Sqrt(squares/float64(p.k)+eps)
		}
	}
	want, size := w.product(wide, p.n)
	for i := range want {
		want[i] *= factors[i/p.rows]
		size[i] *= factors[i/p.rows]
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
		// Folded, as for more than 65535 groups.
		g := ceil(p.rows, int(constants["ROWS"]))
		groups = [3]uint32{min(g, 7), (g + 6) / 7, 1}
	} else {
		groups = [3]uint32{ceil(p.rows, int(constants["BM"])), ceil(p.n, int(constants["BN"])), 1}
	}
	bindings := append(w.planes[:], x, y, addend)
	if vec {
		bindings = append(bindings, floats(normWeight))
	}
	if units {
		narrow := p.narrowing(w.w, xs)
		constants["SCALED"] = narrow.scaled
		b.run(m, constants, narrow.push(push), groups, append(bindings, floats(narrow.factors))...)
	} else {
		b.run(m, constants, push, groups, bindings...)
	}

	var got []float32
	for i, word := range y.words {
		at := i%(p.rows+5) - 3
		if at >= 0 && at < outputs {
			got = append(got, math.Float32frombits(word))
		} else if word != poison {
			b.Fatalf("%s %s: wrote beside its part of y, at %d", m.File, p, i)
		}
	}
	rounding := 1e-6 * math.Sqrt(float64(p.k))
	if units {
		rounding += halfRounding
	}
	check(b, m.File+" "+p.String(), got, want, func(i int) float64 { return rounding*size[i] + 1e-30 })
	return got
}

// swigluPairs turns gate and up in neighbouring rows into silu(gate)·up, and the bounds of their rounding with them.
func swigluPairs(v, size []float64) (out, outSize []float64) {
	for i := 0; i < len(v); i += 2 {
		sigmoid := 1 / (1 + math.Exp(-v[i]))
		out = append(out, v[i]*sigmoid*v[i+1])
		// |silu'| is at most 1.1; exp of a large argument loses bits in proportion.
		outSize = append(outSize, 1.1*size[i]*math.Abs(v[i+1])+math.Abs(v[i]*sigmoid)*size[i+1]+math.Abs(out[len(out)-1])*(4+math.Abs(v[i])))
	}
	return out, outSize
}

// kOf rounds a length up to what the type needs.
func kOf(weights string, group, k int) int {
	unit := max(32, group)
	if b, ok := blockTypes[weights]; ok {
		unit = b.typ.BlockSize()
	}
	if weights == "q6k" {
		unit = 256
	}
	return (k + unit - 1) / unit * unit
}

func grouped(weights string) bool { return weights == "q8" || weights == "q4" }

// onlyDecodes reports whether a type differs from q4k in how a unit is decoded and in nothing else, so that it needs few
// shapes: to compile one for a software device takes a second.
func onlyDecodes(weights string) bool {
	_, blocks := blockTypes[weights]
	return blocks && weights != "q4k"
}

func TestMulMatVec(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("mul_mat_vec") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(7, 7))
			weights := m.Variant.Weights
			tuned := func(p product) map[string]uint32 {
				return shaders.Tuning("mul_mat_vec", m.Variant, b.software(), p.rows, p.k, p.n)
			}
			cases := []product{
				{rows: 37, k: 32, n: 1},
				{rows: 70, k: 4128, n: 1, huge: true},
				{rows: 5, k: 544, n: 3, epilogue: epilogueAdd},
			}
			if grouped(weights) {
				cases = append(cases, product{rows: 9, k: 384, n: 1, group: 128, zero: true})
			}
			if onlyDecodes(weights) {
				cases = cases[1:]
			}
			for _, p := range cases {
				p.k = kOf(weights, p.group, p.k)
				p.run(b, m, tuned(p), rng)
			}
			if weights == "q4" || weights == "q4k" || weights == "f32" {
				p := product{rows: 6, k: 256, n: 2, epilogue: epilogueSwiGLU, norm: true}
				p.run(b, m, tuned(p), rng)
				p = product{rows: 11, k: 256, n: 2, epilogue: epilogueAdd, bias: true}
				p.run(b, m, tuned(p), rng)
				// What adapters use: a factor for each row, and sums in front of the gate.
				p = product{rows: 13, k: 256, n: 3, epilogue: epilogueScale, norm: true}
				p.run(b, m, tuned(p), rng)
				p = product{rows: 38, k: 256, n: 2, epilogue: epilogueAddSwiGLU}
				p.run(b, m, tuned(p), rng)
				// The hardware's choice, and as many invocations as a workgroup may have.
				p = product{rows: 6, k: 2048, n: 1, norm: true}
				p.run(b, m, shaders.Tuning("mul_mat_vec", m.Variant, false, p.rows, p.k, p.n), rng)
				p = product{rows: 5, k: 2048, n: 1}
				p.run(b, m, map[string]uint32{"LOCAL_SIZE": 256, "LANES": 256, "ROWS": 2, "COLS": 1, "STRIP": 0}, rng)
				// Several teams of several lanes.
				p = product{rows: 21, k: 544, n: 2, norm: true, epilogue: epilogueAdd}
				p.k = kOf(weights, 0, p.k)
				p.run(b, m, map[string]uint32{"LOCAL_SIZE": 32, "LANES": 8, "ROWS": 8, "COLS": 2, "STRIP": 2}, rng)
			}
		})
	}
}

// A column's bits do not depend on the columns beside it, nor on how many the pipeline is made for.
func TestMulMatVecColumnsAreEqual(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("mul_mat_vec") {
		if w := m.Variant.Weights; w != "q4" && w != "f16" {
			continue
		}
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			p := product{rows: 6, k: 288, n: 1, norm: true, epilogue: epilogueSwiGLU}
			var first []float32
			for n := range shaders.MaxColumns {
				p.n = n + 1
				if p.n != 1 && p.n != 3 && p.n != shaders.MaxColumns {
					continue
				}
				tuning := shaders.Tuning("mul_mat_vec", m.Variant, b.software(), p.rows, p.k, p.n)
				// The weights are drawn first and x by columns: the same first column for any number.
				got := p.run(b, m, tuning, rand.New(rand.NewPCG(3, 1)))
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

func TestMulMat(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("mul_mat") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(8, 8))
			weights := m.Variant.Weights
			type shaped struct {
				product
				software bool
			}
			cases := []shaped{
				{product{rows: 37, k: 32, n: 9}, true},
				{product{rows: 70, k: 4128, n: 1, huge: true}, true},
				{product{rows: 50, k: 96, n: 33, epilogue: epilogueAdd}, true},
				{product{rows: 130, k: 160, n: 65}, false},
			}
			if _, ok := blockTypes[weights]; ok {
				cases = slices.DeleteFunc(cases, func(s shaped) bool { return s.software && s.n > 1 }) // a tile's shape is not the type's matter
			}
			if grouped(weights) {
				cases = append(cases, shaped{product{rows: 9, k: 384, n: 31, group: 128, zero: true}, true})
			}
			if onlyDecodes(weights) {
				cases = cases[2:]
			}
			if weights == "q4" || weights == "f16" {
				cases = append(cases,
					shaped{product{rows: 37, k: 64, n: 21, epilogue: epilogueScale}, false},
					shaped{product{rows: 66, k: 64, n: 19, epilogue: epilogueAddSwiGLU}, true},
					shaped{product{rows: 66, k: 64, n: 31, epilogue: epilogueSwiGLU}, false},
					shaped{product{rows: 66, k: 64, n: 10, epilogue: epilogueAdd, bias: true}, false},
					shaped{product{rows: 34, k: 64, n: 17, epilogue: epilogueSwiGLU}, true})
			}
			for _, p := range cases {
				p.k = kOf(weights, p.group, p.k)
				p.run(b, m, shaders.Tuning("mul_mat", m.Variant, p.software, p.rows, p.k, p.n), rng)
			}
		})
	}
}
