package shaders_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/quant"
)

// matrix is a random weight matrix: planes as the kernels bind them and the values they stand for.
type matrix struct {
	rows, k int
	group   int // of the scales of q8 and q4
	zero    bool
	planes  [4]*array
	w       []float64 // [rows][k]
}

// newMatrix makes a matrix of a type of weights. Scales include zero and subnormal ones.
func newMatrix(rng *rand.Rand, weights string, rows, k, group int, zero bool) matrix {
	m := matrix{rows: rows, k: k, group: group, zero: zero, w: make([]float64, rows*k)}
	switch weights {
	case "f32":
		v := randoms(rng, rows*k)
		for i, f := range v {
			m.w[i] = float64(f)
		}
		m.planes[0] = floats(v)
	case "f16", "bf16":
		m.halves(rng, weights)
	case "q8", "q4":
		m.groups(rng, weights)
	case "q6k":
		m.superBlocks(rng)
	default:
		m.fileBlocks(rng, weights)
	}
	return m
}

// blockTypes are the types of files whose blocks become a type of weights, and where a block has its f16 scales.
var blockTypes = map[string]struct {
	typ    quant.Type
	scales []int
}{
	"q4_1":   {quant.Q4_1, []int{0, 2}},
	"q5_0":   {quant.Q5_0, []int{0}},
	"q5_1":   {quant.Q5_1, []int{0, 2}},
	"q2k":    {quant.Q2_K, []int{80, 82}},
	"q3k":    {quant.Q3_K, []int{108}},
	"q4k":    {quant.Q4_K, []int{0, 2}},
	"q5k":    {quant.Q5_K, []int{0, 2}},
	"iq4nl":  {quant.IQ4_NL, []int{0}},
	"iq4xs":  {quant.IQ4_XS, []int{0}},
	"mxfp4":  {quant.MXFP4, nil},
	"iq1s":   {quant.IQ1_S, []int{0}},
	"iq1m":   {quant.IQ1_M, nil}, // spread; see spreadScale
	"iq2xxs": {quant.IQ2_XXS, []int{0}},
	"iq2xs":  {quant.IQ2_XS, []int{0}},
	"iq2s":   {quant.IQ2_S, []int{0}},
	"iq3xxs": {quant.IQ3_XXS, []int{0}},
	"iq3s":   {quant.IQ3_S, []int{0}},
	"tq1":    {quant.TQ1_0, []int{52}},
	"tq2":    {quant.TQ2_0, []int{64}},
}

// fileBlocks makes random blocks as files have them, and planes and values of those with package quant, which is held
// against the reference for them.
func (m *matrix) fileBlocks(rng *rand.Rand, weights string) {
	b := blockTypes[weights]
	src := make([]byte, len(m.w)/b.typ.BlockSize()*b.typ.BlockBytes())
	for i := range src {
		src[i] = byte(rng.IntN(256))
	}
	for at := 0; at < len(src); at += b.typ.BlockBytes() {
		for _, scale := range b.scales {
			h, _ := randomScale(rng)
			binary.LittleEndian.PutUint16(src[at+scale:], h)
		}
		if b.typ == quant.IQ1_M {
			h, _ := randomScale(rng)
			spreadScale(src[at+48:], h)
		}
		if b.typ == quant.MXFP4 {
			src[at] = byte(100 + rng.IntN(30))
		}
	}
	l := quant.LayoutOf(b.typ)
	planes := make([][]byte, l.Planes())
	for p := range planes {
		planes[p] = make([]byte, m.rows*l.PlaneRowBytes(p, m.k))
	}
	values := make([]float32, len(m.w))
	if err := errors.Join(quant.Repack(planes, l, b.typ, src, m.rows, m.k), quant.Dequantize(values, b.typ, src)); err != nil {
		panic(err)
	}
	m.w = widen(values)
	for p := range planes {
		m.planes[p] = packed(planes[p])
	}
	if book := l.Codebook(); book != nil {
		m.planes[3] = uints(book...)
	}
}

// spreadScale writes the scale of an IQ1_M block to the high 4 bits of its last four half-words.
func spreadScale(b []byte, h uint16) {
	for i := range 4 {
		b[2*i+1] = b[2*i+1]&15 | byte(h>>(4*i)&15)<<4
	}
}

func (m *matrix) halves(rng *rand.Rand, weights string) {
	var b []byte
	for i := range m.w {
		f := float32(rng.NormFloat64())
		h := uint16(math.Float32bits(f) >> 16)
		m.w[i] = float64(math.Float32frombits(uint32(h) << 16))
		if weights == "f16" {
			h = half.F32ToF16(f)
			m.w[i] = float64(half.F16ToF32(h))
		}
		b = binary.LittleEndian.AppendUint16(b, h)
	}
	m.planes[0] = packed(b)
}

// randomScale is a power of two, times something, in f16; sometimes subnormal or zero.
func randomScale(rng *rand.Rand) (uint16, float64) {
	h := half.F32ToF16(float32(0.01 * (1 + rng.Float64())))
	switch rng.IntN(16) {
	case 0:
		h = 0
	case 1:
		h = uint16(1 + rng.IntN(1023))
	case 2:
		h |= 0x8000
	}
	return h, float64(half.F16ToF32(h))
}

func (m *matrix) groups(rng *rand.Rand, weights string) {
	var scales, zeros []byte
	q4 := make([]byte, len(m.w)/2)
	q8 := make([]byte, len(m.w))
	for g := 0; g < len(m.w); g += m.group {
		h, scale := randomScale(rng)
		scales = binary.LittleEndian.AppendUint16(scales, h)
		z := 0
		if weights == "q4" {
			z = 8
		}
		if m.zero {
			z = rng.IntN(16)
			if weights == "q8" {
				z = rng.IntN(256) - 128
			}
			zeros = append(zeros, byte(z))
		}
		for i := g; i < g+m.group; i++ {
			q := rng.IntN(256) - 128
			if weights == "q4" {
				q = rng.IntN(16)
				setNibble(q4, i, q)
			}
			q8[i] = byte(q)
			m.w[i] = float64(q-z) * scale
		}
	}
	m.planes[0] = packed(q8)
	if weights == "q4" {
		m.planes[0] = packed(q4)
	}
	m.planes[1] = packed(scales)
	if m.zero {
		m.planes[2] = packed(zeros)
	}
}

// setNibble puts 4 bits where element i of a q4 plane stands.
func setNibble(plane []byte, i, q int) {
	word, e := i/8, i%8
	plane[4*word+e%4] |= byte(q << (4 * (e / 4)))
}

func (m *matrix) superBlocks(rng *rand.Rand) {
	low := make([]byte, len(m.w)/2)
	high := make([]byte, len(m.w)/4)
	var scales, ds []byte
	var scale, d float64
	for i := range m.w {
		if i%256 == 0 {
			var h uint16
			h, d = randomScale(rng)
			ds = binary.LittleEndian.AppendUint16(ds, h)
		}
		if i%16 == 0 {
			s := int8(rng.IntN(256) - 128)
			scale = float64(s)
			scales = append(scales, byte(s))
		}
		q := rng.IntN(64)
		setNibble(low, i, q&15)
		e := i % 16
		high[4*(i/16)+e%4] |= byte(q >> 4 << (2 * (e / 4)))
		m.w[i] = d * scale * float64(q-32)
	}
	m.planes = [4]*array{packed(low), packed(high), packed(scales), packed(ds)}
}

// constants are those that say how the matrix is stored.
func (m *matrix) constants() map[string]uint32 {
	c := map[string]uint32{"GROUP": uint32(m.group), "ZERO": 0}
	if m.zero {
		c["ZERO"] = 1
	}
	return c
}

// product returns y[n][rows] = W·x and for each value Σ|w·x|, which bounds what rounding may do to it.
func (m *matrix) product(x []float64, n int) (y, size []float64) {
	y, size = make([]float64, n*m.rows), make([]float64, n*m.rows)
	for c := range n {
		for r := range m.rows {
			for k := range m.k {
				p := m.w[r*m.k+k] * x[c*m.k+k]
				y[c*m.rows+r] += p
				size[c*m.rows+r] += math.Abs(p)
			}
		}
	}
	return y, size
}

func widen(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, f := range v {
		w[i] = float64(f)
	}
	return w
}
