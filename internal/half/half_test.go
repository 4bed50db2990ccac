package half_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/x448/float16"

	"github.com/qwenvk/qwenvk/internal/half"
)

// TestF16Widen compares all 65536 values with the oracle, and each finite one with its
// definition.
func TestF16Widen(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		got, want := half.F16ToF32(h), float16.Frombits(h).Float32()
		if math.Float32bits(got) != math.Float32bits(want) {
			t.Fatalf("F16ToF32(%#04x) = %g (%#08x), want %g (%#08x)", h, got, math.Float32bits(got), want, math.Float32bits(want))
		}
		exp, man := int(h>>10&31), float64(h&0x3ff)
		if exp == 31 {
			continue
		}
		defined := math.Ldexp(man+1024, exp-25)
		if exp == 0 {
			defined = math.Ldexp(man, -24)
		}
		if h>>15 == 1 {
			defined = -defined
		}
		if float64(got) != defined {
			t.Fatalf("F16ToF32(%#04x) = %g, by definition %g", h, got, defined)
		}
	}
}

// TestF16RoundTrip: widening and narrowing gives the same bits back (a NaN a quiet one).
func TestF16RoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h := uint16(i)
		want := h
		if h&0x7fff > 0x7c00 {
			want |= 0x0200
		}
		if got := half.F32ToF16(half.F16ToF32(h)); got != want {
			t.Fatalf("F32ToF16(F16ToF32(%#04x)) = %#04x", h, got)
		}
	}
}

// TestF16Narrow probes every boundary between two neighbouring F16s: the midpoint, and the
// float32 on either side of it; then random bits.
func TestF16Narrow(t *testing.T) {
	check := func(f float32) {
		t.Helper()
		if got, want := half.F32ToF16(f), float16.Fromfloat32(f).Bits(); got != want {
			t.Fatalf("F32ToF16(%g = %#08x) = %#04x, want %#04x", f, math.Float32bits(f), got, want)
		}
	}
	for i := range uint16(0x7c00) {
		lo := half.F16ToF32(i)
		hi := float32(65536) // where the next F16 above the largest would be
		if i+1 < 0x7c00 {
			hi = half.F16ToF32(i + 1)
		}
		mid := (lo + hi) / 2
		for _, f := range []float32{lo, mid, math.Nextafter32(mid, 0), math.Nextafter32(mid, hi)} {
			check(f)
			check(-f)
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1 << 20 {
		check(math.Float32frombits(rng.Uint32()))
	}
	for _, f := range []float32{math.MaxFloat32, math.SmallestNonzeroFloat32, float32(math.Inf(1)), 65504, 65519.996, 65520} {
		check(f)
		check(-f)
	}
}

// TestBF16 compares narrowing with math/big's rounding, and widening with the definition.
func TestBF16(t *testing.T) {
	for i := range 1 << 16 {
		b := uint16(i)
		f := half.BF16ToF32(b)
		if math.Float32bits(f) != uint32(b)<<16 {
			t.Fatalf("BF16ToF32(%#04x) = %#08x", b, math.Float32bits(f))
		}
		want := b
		if b&0x7fff > 0x7f80 {
			want |= 0x0040
		}
		if got := half.F32ToBF16(f); got != want {
			t.Fatalf("F32ToBF16(BF16ToF32(%#04x)) = %#04x", b, got)
		}
	}
	rng := rand.New(rand.NewPCG(3, 4))
	for range 1 << 18 {
		bits := rng.Uint32()
		if rng.IntN(4) == 0 {
			bits = bits&0xffff0000 | 0x8000 // a tie
		}
		f := math.Float32frombits(bits)
		exp := bits >> 23 & 255
		if exp == 0 || exp >= 254 { // subnormals have fewer bits than big's precision; near overflow see below
			continue
		}
		want, _ := new(big.Float).SetPrec(8).SetMode(big.ToNearestEven).SetFloat64(float64(f)).Float32()
		if got := half.BF16ToF32(half.F32ToBF16(f)); got != want {
			t.Fatalf("F32ToBF16(%g = %#08x) is %g, want %g", f, bits, got, want)
		}
	}
	for _, c := range []struct {
		f    float32
		want uint16
	}{
		{math.MaxFloat32, 0x7f80},
		{math.Float32frombits(0x7f7f7fff), 0x7f7f},
		{math.Float32frombits(0x7f7f8000), 0x7f80}, // tie at the top: to even, an infinity
		{math.Float32frombits(0x00008000), 0x0000}, // subnormal tie: to even
		{math.Float32frombits(0x00018000), 0x0002},
		{math.Float32frombits(0x80008001), 0x8001},
		{math.Float32frombits(0x7f800001), 0x7fc0}, // a NaN whose low bits would round away
		{float32(math.Inf(-1)), 0xff80},
	} {
		if got := half.F32ToBF16(c.f); got != c.want {
			t.Errorf("F32ToBF16(%#08x) = %#04x, want %#04x", math.Float32bits(c.f), got, c.want)
		}
	}
}

func TestSlices(t *testing.T) {
	values := []float32{0, float32(math.Copysign(0, -1)), 1, -2.5, 6e-8, 65504, 1e5, 3.1415927}
	bytes := make([]byte, 2*len(values)+3)
	back := make([]float32, len(values))
	half.EncodeF16(bytes, values)
	half.DecodeF16(back, bytes)
	for i, f := range values {
		if want := half.F16ToF32(half.F32ToF16(f)); back[i] != want {
			t.Errorf("F16 slice element %d: %g, want %g", i, back[i], want)
		}
	}
	half.EncodeBF16(bytes, values)
	half.DecodeBF16(back, bytes)
	for i, f := range values {
		if want := half.BF16ToF32(half.F32ToBF16(f)); back[i] != want {
			t.Errorf("BF16 slice element %d: %g, want %g", i, back[i], want)
		}
	}
	if bytes[len(bytes)-1]|bytes[len(bytes)-2]|bytes[len(bytes)-3] != 0 {
		t.Error("encoding wrote beyond its elements")
	}
}

func BenchmarkDecodeF16(b *testing.B) {
	dst, src := make([]float32, 1<<16), make([]byte, 2<<16)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		half.DecodeF16(dst, src)
	}
}

func BenchmarkEncodeF16(b *testing.B) {
	dst, src := make([]byte, 2<<16), make([]float32, 1<<16)
	for i := range src {
		src[i] = float32(i) * 0.01
	}
	b.SetBytes(int64(len(dst)))
	for b.Loop() {
		half.EncodeF16(dst, src)
	}
}
