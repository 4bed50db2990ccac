package quant

import "fmt"

// Random is a Source of weights that nobody trained: what a model is measured with whose file is not at hand. Any bits
// of a plane are given by the seed and their place alone, so that a device makes the same ones by itself, without a byte
// from the host; see [Layout.Noise] and kernel "fill". Values have a mean near 0 and a root mean square near 0.025, as
// trained weights do.
type Random struct {
	Type       Type
	Rows, Cols int
	Seed       uint32
}

// Shape returns Rows and Cols.
func (r Random) Shape() (rows, cols int) { return r.Rows, r.Cols }

// Layout is LayoutOf the type.
func (r Random) Layout() Layout { return LayoutOf(r.Type) }

// Order is nil: there is no other.
func (r Random) Order() ([]int32, error) { return nil, nil }

// Planes writes noise in any layout; layouts that differ hold different values.
func (r Random) Planes(planes [][]byte, l Layout, first, n int) error {
	if err := l.CheckCols(r.Cols); err != nil {
		return err
	}
	if err := checkRows(first, n, r.Rows); err != nil {
		return err
	}
	if err := l.checkPlanes(planes, n, r.Cols); err != nil {
		return err
	}
	for p, plane := range planes {
		masks, salt := l.Noise(p), r.PlaneSeed(p)
		at := first * l.PlaneRowBytes(p, r.Cols)
		for i := range plane {
			word := uint32((at + i) / 4)
			plane[i] = byte(masks[word%uint32(len(masks))].word(salt, word) >> (8 * ((at + i) % 4)))
		}
	}
	return nil
}

// Values is what Planes of the source's own layout mean.
func (r Random) Values(dst []float32, first, n int) error {
	l := r.Layout()
	planes := make([][]byte, l.Planes())
	for p := range planes {
		planes[p] = make([]byte, n*l.PlaneRowBytes(p, r.Cols))
	}
	if err := r.Planes(planes, l, first, n); err != nil {
		return err
	}
	return Unpack(dst, l, planes, n, r.Cols)
}

// PlaneSeed is the seed of a plane's words.
func (r Random) PlaneSeed(plane int) uint32 { return r.Seed + uint32(plane)*0x9e3779b9 }

// Ones is the Source of a vector of ones: the norms of a model of random weights, which keep its activations as large as
// those of a trained one.
type Ones struct{ Cols int }

// Shape is one row.
func (o Ones) Shape() (rows, cols int) { return 1, o.Cols }

// Layout is that of F32.
func (o Ones) Layout() Layout { return LayoutOf(F32) }

// Order is nil.
func (o Ones) Order() ([]int32, error) { return nil, nil }

// Planes is Convert of the ones.
func (o Ones) Planes(planes [][]byte, l Layout, first, n int) error {
	data := make([]byte, 4*o.Cols)
	for i := range o.Cols {
		data[4*i+2], data[4*i+3] = 0x80, 0x3f
	}
	return Blocks{Type: F32, Rows: 1, Cols: o.Cols, Data: data}.Planes(planes, l, first, n)
}

// Values writes ones.
func (o Ones) Values(dst []float32, first, n int) error {
	if len(dst) != n*o.Cols || first < 0 || n < 0 || first+n > 1 {
		return fmt.Errorf("quant: %d values are not rows %d to %d of a vector of %d", len(dst), first, first+n, o.Cols)
	}
	for i := range dst {
		dst[i] = 1
	}
	return nil
}

// Mask makes a random word one of a plane: Keep are the bits that stay random, Set those that are 1.
type Mask struct{ Keep, Set uint32 }

// word is word i of a plane: shaders/fill.comp computes the same.
func (m Mask) word(seed, i uint32) uint32 { return hash(i^hash(seed))&m.Keep | m.Set }

// hash mixes 32 bits so that each bit of the result depends on all of them (two rounds of multiply and shift,
// constants by Chris Wellons' search for low bias).
func hash(x uint32) uint32 {
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	return x ^ x>>16
}

// Noise returns the masks of the words of a plane of random weights, which take turns: word i of a tensor's plane has
// mask i mod their number. With them every scale is a positive number of one binade, chosen so that the weights'
// root mean square is near 0.025, minima are what balances them, and all else is any value that the format has.
func (l Layout) Noise(plane int) []Mask {
	var block []halfMask
	if l.Kind.valid() && plane < len(noise[l.Kind]) {
		block = noise[l.Kind][plane]
	}
	if l.Zero && plane == 2 {
		block = []halfMask{{0x0101, 0x0808}} // zero points of 8 and 9; of Q8, -120 and so on would be far from the middle
		if l.Kind == LayoutQ8 {
			block = []halfMask{{0x0707, 0}}
		}
	}
	words := len(block)
	if words%2 == 0 {
		words /= 2
	}
	masks := make([]Mask, words)
	for i := range masks {
		low, high := block[2*i%len(block)], block[(2*i+1)%len(block)]
		masks[i] = Mask{uint32(low.keep) | uint32(high.keep)<<16, uint32(low.set) | uint32(high.set)<<16}
	}
	return masks
}

// halfMask is the same for 16 bits.
type halfMask struct{ keep, set uint16 }

var anyBits = []halfMask{{0xffff, 0}}

// scale16 are float16 numbers in [2^e, 2^(e+1)), or their negatives.
func scale16(e int, negative bool) halfMask {
	m := halfMask{0x3ff, uint16(e+15) << 10}
	if negative {
		m.set |= 0x8000
	}
	return m
}

func scales(e int) []halfMask { return []halfMask{scale16(e, false)} }

// noise has the repeating halves of each plane of a layout. The exponents: 0.025 over the root mean square of what the
// scale is multiplied by, and a minimum that is the mean of the product it is taken from.
var noise = [...][][]halfMask{
	LayoutF32:  {{{0xffff, 0}, {0x80ff, 0x3c00}}}, // ±2^-7 to ±2^-5
	LayoutF16:  {{{0x87ff, 0x2000}}},
	LayoutBF16: {{{0x80ff, 0x3c00}}},
	LayoutQ8:   {anyBits, scales(-12)},
	LayoutQ4:   {anyBits, scales(-8)},
	LayoutQ4_1: {anyBits, {scale16(-8, false), scale16(-5, true)}},
	LayoutQ5_0: {anyBits, scales(-9), anyBits},
	LayoutQ5_1: {anyBits, {scale16(-9, false), scale16(-5, true)}, anyBits},

	LayoutQ2K: {anyBits, anyBits, {scale16(-10, false), scale16(-9, false)}},
	LayoutQ3K: {anyBits, anyBits, {{0x1f1f, 0}}, scales(-12)},
	LayoutQ4K: {anyBits, {{0x3f3f, 0}}, {scale16(-14, false), scale16(-11, false)}},
	LayoutQ5K: {anyBits, anyBits, {{0x1f1f, 0}}, {scale16(-14, false), scale16(-10, false)}},
	LayoutQ6K: {anyBits, anyBits, {{0x1f1f, 0}}, scales(-14)},

	LayoutIQ4NL: {anyBits, scales(-12)},
	LayoutIQ4XS: {anyBits, {{0x0202, 0x0101}}, scales(-13)},
	LayoutMXFP4: {anyBits, {{0, 120<<8 | 120}}},

	LayoutIQ1S: {anyBits, anyBits, scales(-9)},
	// The scale of a block lies in the upper nibbles of four halves: exponent 6 of 31, sign plus.
	LayoutIQ1M:   {anyBits, anyBits, {{0xffff, 0}, {0xffff, 0}, {0x3fff, 0x8000}, {0x0fff, 0x1000}}},
	LayoutIQ2XXS: {anyBits, scales(-12)},
	LayoutIQ2XS:  {anyBits, anyBits, scales(-12)},
	LayoutIQ2S:   {anyBits, anyBits, scales(-12)},
	LayoutIQ3XXS: {anyBits, anyBits, scales(-13)},
	LayoutIQ3S:   {anyBits, anyBits, {{0xffff, 0}, {0xffff, 0}, {0xffff, 0}, {0xffff, 0}, {0xffff, 0}, {0xffff, 0}, scale16(-13, false)}},
	LayoutTQ1:    {anyBits, scales(-6)},
	LayoutTQ2:    {{{0xaaaa, 0}}, scales(-6)}, // 0 and 2: there is no fourth value
}
