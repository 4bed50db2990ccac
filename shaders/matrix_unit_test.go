package shaders_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// halfRounding bounds what narrowing both factors of a product to f16 changes, as a share of it. Vulkan lets a conversion
// round to either neighbour unless a device promises more: 2^-10 of each, 2^-9 together. Sums are f32's.
const halfRounding = 1.0/512 + 1e-6

// narrowing is what "mul_mat_cm" multiplies by before it narrows.
type narrowing struct {
	scaled         uint32
	factors        []float32 // of the rows of x
	wScale, xScale float32
}

// narrowing brings the weights, and the activations as a whole or each row of them, into f16's range.
func (p product) narrowing(w []float64, xs []float32) narrowing {
	greatest := 0.0
	for _, v := range w {
		greatest = max(greatest, math.Abs(v))
	}
	n := narrowing{wScale: powerTo(greatest, 14), xScale: 1, factors: []float32{poisonFloat}}
	if !p.huge { // normal numbers times 2^8 stay far below 2^16
		n.xScale = 256
		return n
	}
	n.scaled, n.factors = 1, nil
	for c := range p.n {
		n.factors = append(n.factors, powerTo(greatestOf(xs[c*p.k:][:p.k]), 14))
	}
	return n
}

var poisonFloat = math.Float32frombits(poison)

func greatestOf(v []float32) (greatest float64) {
	for _, f := range v {
		greatest = max(greatest, math.Abs(float64(f)))
	}
	return greatest
}

// powerTo is the power of two that brings a magnitude into [2^to, 2^(to+1)), with an exponent of at most ±60.
func powerTo(magnitude float64, to int) float32 {
	if magnitude == 0 || math.IsNaN(magnitude) || math.IsInf(magnitude, 0) {
		return 1
	}
	_, exponent := math.Frexp(magnitude) // in [2^(e-1), 2^e)
	return float32(math.Ldexp(1, min(max(to+1-exponent, -60), 60)))
}

// push adds the powers to what all products take.
func (n narrowing) push(p shaders.MatMulPush) shaders.MatMulCMPush {
	return shaders.MatMulCMPush{
		Rows: p.Rows, K: p.K, N: p.N, XStride: p.XStride, YStride: p.YStride, YOffset: p.YOffset,
		AddStride: p.AddStride, AddOffset: p.AddOffset, Eps: p.Eps, FirstExpert: p.FirstExpert, Experts: p.Experts,
		Used: p.Used, Sharing: p.Sharing, PairsAt: p.PairsAt, WScale: n.wScale, XScale: n.xScale,
	}
}

// attentionRounding bounds, for each element of a row, what narrowing to f16 changes. Each narrowed factor is off by up to
// h = 2^-10 of it: a score by 2h·Σ|q·k|, queries and keys, so a probability before the division by their sum by e to that and
// h; divided by the sum, twice as much; a value by h.
func attentionRounding(q []float64, keys [][2][]float64, scale float64) []float64 {
	const h = 1.0 / 1024
	worst := 0.0
	scores := make([]float64, len(keys))
	for i, kv := range keys {
		size := 0.0
		for d := range q {
			scores[i] += q[d] * kv[0][d] * scale
			size += math.Abs(q[d] * kv[0][d] * scale)
		}
		worst = max(worst, size)
	}
	greatest := slices.Max(scores)
	bound, sum := make([]float64, len(q)), 0.0
	for i, kv := range keys {
		p := math.Exp(scores[i] - greatest)
		sum += p
		for d := range bound {
			bound[d] += p * math.Abs(kv[1][d])
		}
	}
	for d := range bound {
		bound[d] *= (2*(math.Exp(2*h*worst)*(1+h)-1) + h) / sum
	}
	return bound
}

func TestAttentionCM(t *testing.T) {
	t.Parallel()
	b, unit := unitBed(t)
	cases := append(slices.Clone(attentionCases),
		// A reference that grows late: see sharp.
		attentionCase{name: "sharp scores", kvHeads: 1, gqa: 2, dim: 64, sequences: []sequence{{0, 70, 100}}, sharp: true},
		attentionCase{name: "large head", kvHeads: 1, gqa: 3, dim: 256, sequences: []sequence{{0, 21, 40}}},
	)
	for _, m := range b.modules("attention_cm") {
		for _, c := range cases {
			if !unit.AttentionFits(c.dim) {
				continue
			}
			// lavapipe compiles seconds for each head dimension, group and form.
			if testing.Short() && !c.sharp && (m.Variant.KV != "f16" || c.dim != 64 || c.gqa > 2) {
				continue
			}
			t.Run(m.File+"/"+c.name, func(t *testing.T) {
				b.TB = t
				got, want, rounding := c.run(b, m, rand.New(rand.NewPCG(13, 13)))
				check(t, "attention", got, want, func(i int) float64 { return rounding[i] + 1e-5 })
				// Four factors that are off by an rms of 2^-10/√3 at most, the first two in scores that spread by about 1.
				var diff, square float64
				for i, w := range want {
					diff += (float64(got[i]) - w) * (float64(got[i]) - w)
					square += w * w
				}
				if nmse := diff / square; !c.sharp && !(nmse <= 2e-6) {
					t.Errorf("normalised mean square error %.2g", nmse)
				} else {
					t.Logf("normalised mean square error %.2g", nmse)
				}
			})
		}
	}
}

// unitBed is a bed on a device with matrix units that kernels can use; others skip the test.
func unitBed(t *testing.T) (*bed, shaders.MatrixUnit) {
	t.Helper()
	b := newBed(t)
	u, ok := b.device.Caps().MatrixUnit()
	if !ok || !b.device.Caps().Has(vk.CapFullSubgroups) {
		t.Skipf("%s has no cooperative matrices", b.device.Caps().Name)
	}
	return b, shaders.MatrixUnit(u)
}

func TestMulMatCM(t *testing.T) {
	t.Parallel()
	b, unit := unitBed(t)
	for _, m := range b.modules("mul_mat_cm") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(9, 9))
			weights := m.Variant.Weights
			if testing.Short() && !slices.Contains([]string{"f32", "f16", "q8", "q4", "q5_1", "q4k", "q6k", "mxfp4", "iq3s", "tq2"}, weights) {
				t.Skip("of a family of which another type runs")
			}
			cases := []product{
				{rows: 70, k: 4128, n: 1, huge: true},
				{rows: 37, k: 32, n: 9},
				{rows: 50, k: 96, n: 33, epilogue: epilogueAdd},
			}
			if _, ok := blockTypes[weights]; ok && weights != "q4k" {
				cases = cases[:1]
			}
			if grouped(weights) {
				cases = append(cases, product{rows: 9, k: 384, n: 31, group: 128, zero: true})
			}
			if weights == "q4" || weights == "f16" && !testing.Short() {
				cases = append(cases,
					product{rows: 37, k: 64, n: 21, epilogue: epilogueScale},
					product{rows: 66, k: 64, n: 19, epilogue: epilogueAddSwiGLU},
					product{rows: 66, k: 64, n: 31, epilogue: epilogueSwiGLU},
					product{rows: 66, k: 64, n: 10, epilogue: epilogueAdd, bias: true})
			}
			for _, p := range cases {
				p.k = kOf(weights, p.group, p.k)
				p.run(b, m, shaders.TuningMatrix("mul_mat_cm", unit, b.software(), 0, p.rows, p.k, p.n), rng)
			}
		})
	}
}

// Tiles of several subgroups, and of one.
func TestMulMatCMTiles(t *testing.T) {
	t.Parallel()
	b, unit := unitBed(t)
	modules := b.modules("mul_mat_cm")
	m := modules[slices.IndexFunc(modules, func(m shaders.Module) bool { return m.Variant.Weights == "q8" })]
	for _, tile := range [][4]uint32{{32, 16, 16, 8}, {16, 32, 8, 16}, {16, 16, 16, 16}} {
		rng := rand.New(rand.NewPCG(10, 9))
		tuning := with(shaders.TuningMatrix("mul_mat_cm", unit, true, 0, 64, 64, 64), map[string]uint32{
			"BM": tile[0], "BN": tile[1], "WM": max(tile[2], unit.M), "WN": max(tile[3], unit.N),
		})
		tuning["LOCAL_SIZE"] = tile[0] / tuning["WM"] * (tile[1] / tuning["WN"]) * unit.Subgroup
		product{rows: 76, k: 96, n: 35, epilogue: epilogueSwiGLU}.run(b, m, tuning, rng)
	}
}

// The rounding of the factors is all that is lost: were it of the sums, or of more bits, the mean square would tell.
func TestMulMatCMRounding(t *testing.T) {
	t.Parallel()
	b, unit := unitBed(t)
	modules := b.modules("mul_mat_cm")
	m := modules[slices.IndexFunc(modules, func(m shaders.Module) bool { return m.Variant.Weights == "f32" })]
	rng := rand.New(rand.NewPCG(11, 9))
	p := product{rows: 64, k: 2048, n: 32}
	w := newMatrix(rng, "f32", p.rows, p.k, 32, false)
	xs := randoms(rng, p.n*p.k)
	narrow := p.narrowing(w.w, xs)
	y := output(p.rows * p.n)
	push := narrow.push(shaders.MatMulPush{
		Rows: uint32(p.rows), K: uint32(p.k), N: uint32(p.n), XStride: uint32(p.k), YStride: uint32(p.rows),
	})
	tuning := with(shaders.TuningMatrix("mul_mat_cm", unit, b.software(), 0, p.rows, p.k, p.n), w.constants())
	constants := with(tuning, map[string]uint32{"EPILOGUE": epilogueStore, "EXPERTS": 0, "SCALED": 0})
	b.run(m, constants, push, [3]uint32{ceil(p.rows, int(tuning["BM"])), ceil(p.n, int(tuning["BN"])), 1},
		w.planes[0], nil, nil, nil, floats(xs), y, nil, nil)
	want, _ := w.product(widen(xs), p.n)
	var diff, square float64
	for i, v := range want {
		diff += (float64(y.float(i)) - v) * (float64(y.float(i)) - v)
		square += v * v
	}
	// A factor rounded to one of two neighbours 2^-10 of it apart, or closer: its error has a mean square of at most
	// 2^-20/3, that of the product twice that.
	if nmse := diff / square; !(nmse <= 2.0/3/(1<<20)) {
		t.Errorf("normalised mean square error %.2g, two roundings to f16 make at most %.2g", nmse, 2.0/3/(1<<20))
	} else {
		t.Logf("normalised mean square error %.2g", nmse)
	}
}

func TestRowScale(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	const cols, stride = 100, 104
	rows := [][]float32{
		{1}, {-3}, {65504}, {1e5}, {-1e30}, {1e-7}, {1e-42}, {0}, {float32(math.Inf(1))}, {32767, -32768}, {0.5, 16384, 3},
	}
	x := output(len(rows) * stride)
	x.written = false
	var want []float64
	for r, row := range rows {
		for c := range cols {
			x.words[r*stride+c] = 0
		}
		for i, v := range row {
			x.words[r*stride+(i*37+r*13)%cols] = math.Float32bits(v)
		}
		want = append(want, float64(powerTo(greatestOf(row), 14)))
	}
	for _, m := range b.modules("row_scale") {
		factors := output(len(rows))
		b.run(m, shaders.Tuning("row_scale", m.Variant, b.software(), len(rows), cols, 1),
			shaders.RowScalePush{Rows: uint32(len(rows)), Cols: cols, XStride: stride}, [3]uint32{uint32(len(rows)), 1, 1}, x, factors)
		check(t, m.File, factors.floats(), want, func(i int) float64 {
			if i == 6 { // a device may take a subnormal for zero
				return math.Abs(want[i] - 1)
			}
			return 0
		})
	}
}

func TestWeightMax(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("weight_max") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			rng := rand.New(rand.NewPCG(12, 12))
			weights := m.Variant.Weights
			group, zero := 32, false
			if grouped(weights) {
				group, zero = 64, true
			}
			k := kOf(weights, group, 192)
			w := newMatrix(rng, weights, 77, k, group, zero)
			greatest := 0.0
			for _, v := range w.w {
				greatest = max(greatest, math.Abs(v))
			}
			result := uints(7, 0, 9).inPlace()
			constants := with(shaders.Tuning("weight_max", m.Variant, b.software(), 77, k, 1), w.constants())
			groups := shaders.WeightMaxGroups(weights, 77, k, int(constants["LOCAL_SIZE"]))
			b.run(m, constants, shaders.WeightMaxPush{Rows: 77, K: uint32(k), At: 1}, [3]uint32{2, uint32(groups+1) / 2, 1}, append(w.planes[:], result)...)
			if got := float64(result.float(1)); math.Abs(got-greatest) > 1e-6*greatest || result.words[0] != 7 || result.words[2] != 9 {
				t.Errorf("the greatest of the weights is %g, found was %g (beside it %v)", greatest, got, result.words)
			}
		})
	}
}
