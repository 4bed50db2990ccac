package quant_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// encoded are the block types that Encode writes. naive is how a writer without a search would
// divide a group: into so many steps from the least to the largest number, or, symmetric, from
// minus the largest absolute number to it; the scale itself is not rounded, which flatters it.
var encoded = []struct {
	t         quant.Type
	group     int // numbers with a scale of their own
	steps     float64
	symmetric bool
	factor    float64 // our root mean square error is at most this times the naive one
}{
	// The factors are what is measured on the numbers of TestEncodeError, and 2 % more.
	{quant.Q8_0, 32, 254, true, 1.005},
	{quant.Q4_0, 32, 15, true, 0.895},
	{quant.Q4_1, 32, 15, false, 0.92},
	{quant.Q5_0, 32, 31, true, 0.915},
	{quant.Q5_1, 32, 31, false, 0.925},
	{quant.Q2_K, 16, 3, false, 0.90},
	{quant.Q3_K, 16, 7, true, 0.875},
	{quant.Q4_K, 32, 15, false, 0.955},
	{quant.Q5_K, 32, 31, false, 0.995},
	{quant.Q6_K, 16, 63, true, 0.96},
}

// roundTrip encodes x as one row and returns the blocks and what they mean.
func roundTrip(t testing.TB, ty quant.Type, x []float32) (blocks []byte, y []float32) {
	t.Helper()
	n, err := ty.RowBytes(len(x))
	if err != nil {
		t.Fatal(err)
	}
	blocks, y = bytes.Repeat([]byte{0xa5}, n), make([]float32, len(x)) // what is not written shows
	if err := quant.Encode(blocks, ty, x, len(x)); err != nil {
		t.Fatalf("%v: %v", ty, err)
	}
	if err := quant.Dequantize(y, ty, blocks); err != nil {
		t.Fatal(err)
	}
	return blocks, y
}

// weights draws what a trained matrix looks like: rows of normal numbers of different spread,
// with a few outliers.
func weights(seed uint64, n int) []float32 {
	r := rand.New(rand.NewPCG(seed, 1))
	x := make([]float32, n)
	for i := range x {
		spread := 0.02 * (1 + float64(i/512%5))
		x[i] = float32(r.NormFloat64() * spread)
		if r.IntN(200) == 0 {
			x[i] *= 5
		}
	}
	return x
}

func rmsError(x, y []float32) float64 {
	sum := 0.0
	for i := range x {
		d := float64(x[i]) - float64(y[i])
		sum += d * d
	}
	return math.Sqrt(sum / float64(len(x)))
}

// naive is the error of a writer without a search.
func naive(x []float32, group int, steps float64, symmetric bool) float64 {
	y := make([]float32, len(x))
	for g := 0; g < len(x); g += group {
		least, most := 0.0, 0.0
		for i, v := range x[g : g+group] {
			if i == 0 {
				least, most = float64(v), float64(v)
			}
			least, most = min(least, float64(v)), max(most, float64(v))
		}
		if symmetric {
			most = max(most, -least)
			least = -most
		}
		d := (most - least) / steps
		for i, v := range x[g : g+group] {
			y[g+i] = float32(math.Round((float64(v)-least)/d)*d + least)
		}
	}
	return rmsError(x, y)
}

func TestEncodeError(t *testing.T) {
	x := weights(7, 256*64)
	for _, e := range encoded {
		t.Run(e.t.String(), func(t *testing.T) {
			_, y := roundTrip(t, e.t, x)
			got, plain := rmsError(x, y), naive(x, e.group, e.steps, e.symmetric)
			t.Logf("error %.3g, without a search %.3g: %.3f of it", got, plain, got/plain)
			if got > e.factor*plain {
				t.Errorf("error %.4g, accept %.3f of %.4g", got, e.factor, plain)
			}
		})
	}
}

// Blocks that searches stumble over: each must come back as near as the type allows.
func TestEncodeAwkwardBlocks(t *testing.T) {
	fill := func(f func(i int) float32) []float32 {
		x := make([]float32, 512)
		for i := range x {
			x[i] = f(i)
		}
		return x
	}
	one := func(at int, v float32) []float32 {
		return fill(func(i int) float32 {
			if i == at {
				return v
			}
			return 0
		})
	}
	cases := []struct {
		name string
		x    []float32
		// The largest error over the largest number. An f16 scale has 11 bits, a 6-bit scale of a
		// K type half of 1/63 (Q2_K: a 4-bit one, half of 1/15). Negative: 0.7 of a step between
		// levels that begin at zero, or at minus the largest number for symmetric types.
		accept float64
	}{
		{"zeros", fill(func(int) float32 { return 0 }), 0},
		{"minus zeros", fill(func(int) float32 { return float32(math.Copysign(0, -1)) }), 0},
		{"positive constant", fill(func(int) float32 { return 0.37 }), 0.01},
		{"negative constant", fill(func(int) float32 { return -0.37 }), 0.01},
		{"one positive", one(37, 3), 0.01},
		{"one negative", one(300, -3), 0.01},
		{"two values", fill(func(i int) float32 { return float32(1 - i%2*2) }), 0.15},
		{"an outlier", fill(func(i int) float32 {
			if i == 100 {
				return 1000
			}
			return float32(i%7) - 3
		}), 0.02},
		{"positive only", fill(func(i int) float32 { return 1 + float32(i%16)/16 }), -1},
		{"largest of F16", fill(func(i int) float32 { return float32(1-i%2*2) * 60000 }), 0.15},
		{"subnormal scales", fill(func(i int) float32 { return float32(i%9-4) * 1e-5 }), 0.35},
		{"below every scale", fill(func(i int) float32 { return float32(i%3-1) * 1e-12 }), 1},
		{"subnormal numbers", fill(func(i int) float32 { return float32(i%3-1) * 1e-42 }), 1},
	}
	for _, e := range encoded {
		t.Run(e.t.String(), func(t *testing.T) {
			for _, c := range cases {
				_, y := roundTrip(t, e.t, c.x)
				most, worst := 0.0, 0.0
				for i := range y {
					if math.IsNaN(float64(y[i])) || math.IsInf(float64(y[i]), 0) {
						t.Fatalf("%s: element %d is %g", c.name, i, y[i])
					}
					most = max(most, math.Abs(float64(c.x[i])))
					worst = max(worst, math.Abs(float64(c.x[i])-float64(y[i])))
				}
				accept := c.accept
				switch {
				case accept < 0 && e.symmetric:
					accept = 0.7 * 2 / e.steps
				case accept < 0:
					accept = 0.7 / e.steps
				}
				if worst > accept*most {
					t.Errorf("%s: off by %.4g of %.4g, accept %.3g of it", c.name, worst, most, accept)
				}
			}
		})
	}
}

// What blocks mean must, encoded again, mean nearly the same: an encoder that wastes levels or
// puts bits in the wrong places drifts.
func TestEncodeAgain(t *testing.T) {
	x := weights(3, 256*16)
	for _, e := range encoded {
		t.Run(e.t.String(), func(t *testing.T) {
			_, y := roundTrip(t, e.t, x)
			_, z := roundTrip(t, e.t, y)
			first, second := rmsError(x, y), rmsError(y, z)
			t.Logf("first error %.3g, second %.3g", first, second)
			if second > 0.35*first {
				t.Errorf("the second encoding is off by %.4g, the first by %.4g", second, first)
			}
		})
	}
}

// A row must not depend on what stands beside it, nor on the call that it came in.
func TestEncodeRowsAreIndependent(t *testing.T) {
	const rows, cols = 5, 512
	x := weights(11, rows*cols)
	for _, e := range encoded {
		size, err := e.t.RowBytes(cols)
		if err != nil {
			t.Fatal(err)
		}
		whole, parts := make([]byte, rows*size), make([]byte, rows*size)
		if err := quant.Encode(whole, e.t, x, cols); err != nil {
			t.Fatal(err)
		}
		for r := rows - 1; r >= 0; r-- {
			if err := quant.Encode(parts[r*size:][:size], e.t, x[r*cols:][:cols], cols); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(whole, parts) {
			t.Errorf("%v: rows differ when encoded one by one", e.t)
		}
	}
}

func TestEncodeDense(t *testing.T) {
	x := []float32{1, -2.5, 1e-8, 65504, 0, 3.14159}
	for ty, accept := range map[quant.Type]float64{quant.F32: 0, quant.F16: 1.0 / 2048, quant.BF16: 1.0 / 256} {
		_, y := roundTrip(t, ty, x)
		for i := range x {
			if math.Abs(float64(y[i]-x[i])) > accept*math.Abs(float64(x[i]))+3e-8 {
				t.Errorf("%v: %g became %g", ty, x[i], y[i])
			}
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(-1))
	const cols = 512
	for _, c := range []struct {
		t     quant.Type
		value float32
		want  string
	}{
		{quant.Q4_K, nan, "the weight NaN at row 1, column 300 is not a finite number; the file is damaged or its training failed"},
		{quant.Q8_0, inf, "the weight -Inf at row 1, column 300 is not a finite number; the file is damaged or its training failed"},
		{quant.F32, nan, "the weight NaN at row 1, column 300 is not a finite number; the file is damaged or its training failed"},
		{quant.F16, 70000, "the weight 70000 at row 1, column 300 is beyond F16's largest number, 65504; keep these weights in BF16 or F32"},
		{quant.BF16, 3.4e38, "the weight 3.4e+38 at row 1, column 300 is beyond BF16's largest number; keep these weights in F32"},
		{quant.Q4_0, -1e9, "the weight -1e+09 at row 1, column 300 belongs to a group whose scale is beyond F16's largest number, 65504; do not quantise these weights"},
		{quant.Q6_K, 3e38, "the weight 3e+38 at row 1, column 300 belongs to a group whose scale is beyond F16's largest number, 65504; do not quantise these weights"},
	} {
		x := weights(1, 3*cols)
		x[cols+300] = c.value
		size, _ := c.t.RowBytes(cols)
		err := quant.Encode(make([]byte, 3*size), c.t, x, cols)
		var bad *quant.ValueError
		if !errors.As(err, &bad) || bad.Row != 1 || bad.Col != 300 || err.Error() != c.want {
			t.Errorf("%v: got %v, want %s", c.t, err, c.want)
		}
	}
	for want, err := range map[string]error{
		"quant: type IQ1_S is not one to write":                                  quant.Encode(make([]byte, 50), quant.IQ1_S, make([]float32, 256), 256),
		"quant: a row of 33 elements is not a whole number of Q8_0 blocks of 32": quant.Encode(nil, quant.Q8_0, make([]float32, 33), 33),
		"quant: 33 bytes are not 32 numbers in rows of 32 as Q8_0":               quant.Encode(make([]byte, 33), quant.Q8_0, make([]float32, 32), 32),
		"quant: 34 bytes are not 48 numbers in rows of 32 as Q8_0":               quant.Encode(make([]byte, 34), quant.Q8_0, make([]float32, 48), 32),
	} {
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// FuzzEncode: whatever finite numbers come, the blocks must be written whole and mean finite
// numbers no larger than the largest by more than a step.
func FuzzEncode(f *testing.F) {
	f.Add(uint8(0), []byte{0, 0, 0x80, 0x3f, 1, 2, 3, 4})
	f.Add(uint8(8), []byte{0xff, 0xff, 0x7f, 0x7f})
	f.Fuzz(func(t *testing.T, kind uint8, data []byte) {
		e := encoded[int(kind)%len(encoded)]
		x := make([]float32, 256)
		for i := range x {
			var b [4]byte
			for k := range b {
				if len(data) > 0 {
					b[k] = data[(4*i+k)%len(data)]
				}
			}
			x[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[:]))
			if v := math.Abs(float64(x[i])); !(v < 1e6) { // NaN too
				x[i] = float32(i)
			}
		}
		_, y := roundTrip(t, e.t, x)
		most := 0.0
		for _, v := range x {
			most = max(most, math.Abs(float64(v)))
		}
		for i, v := range y {
			if !(math.Abs(float64(v)) <= 2.5*most) {
				t.Fatalf("element %d is %g, the largest number %g", i, v, most)
			}
		}
	})
}

// BenchmarkEncode reports bytes of float32 on one core.
func BenchmarkEncode(b *testing.B) {
	const rows, cols = 16, 4096
	x := weights(5, rows*cols)
	for _, e := range encoded {
		size, _ := e.t.RowBytes(cols)
		dst := make([]byte, rows*size)
		b.Run(fmt.Sprintf("%v/%dx%d", e.t, rows, cols), func(b *testing.B) {
			b.SetBytes(4 * rows * cols)
			for b.Loop() {
				if err := quant.Encode(dst, e.t, x, cols); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
