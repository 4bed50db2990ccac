package quant_test

import (
	"math"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
)

// blocks returns the reference blocks of a type and their values, both from gguf-py.
func blocks(t *testing.T, typ quant.Type) (src []byte, values []float32) {
	t.Helper()
	f, err := safetensors.Parse(testkit.Read(t, "golden/quant-blocks/"+typ.String()+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tensor := range f.Tensors {
		switch tensor.Name {
		case "blocks":
			src = tensor.Data
		case "values":
			values = make([]float32, len(tensor.Data)/4)
			if err := quant.Dequantize(values, quant.F32, tensor.Data); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(src) == 0 || len(values) == 0 {
		t.Fatalf("%v: the golden file lacks blocks or values", typ)
	}
	return src, values
}

var goldenTypes = []quant.Type{
	quant.F16, quant.BF16, quant.Q8_0, quant.Q4_0, quant.Q4_1, quant.Q5_0, quant.Q5_1,
	quant.Q2_K, quant.Q3_K, quant.Q4_K, quant.Q5_K, quant.Q6_K, quant.IQ4_NL, quant.IQ4_XS, quant.MXFP4,
	quant.IQ1_S, quant.IQ1_M, quant.IQ2_XXS, quant.IQ2_XS, quant.IQ2_S, quant.IQ3_XXS, quant.IQ3_S, quant.TQ1_0, quant.TQ2_0,
}

// TestDequantizeGolden: every value of gguf-py, bit for bit.
func TestDequantizeGolden(t *testing.T) {
	for _, typ := range goldenTypes {
		t.Run(typ.String(), func(t *testing.T) {
			src, want := blocks(t, typ)
			got := make([]float32, len(want))
			if err := quant.Dequantize(got, typ, src); err != nil {
				t.Fatal(err)
			}
			sameBits(t, got, want)
		})
	}
}

// TestRepackGolden: blocks to planes and back gives the same values bit for bit, for every
// shape that the blocks can be arranged in.
func TestRepackGolden(t *testing.T) {
	for _, typ := range goldenTypes {
		t.Run(typ.String(), func(t *testing.T) {
			src, want := blocks(t, typ)
			l := quant.LayoutOf(typ)
			for _, cols := range []int{len(want), len(want) / 2, l.Step(), 2 * l.Step()} {
				if len(want)%cols != 0 || l.CheckCols(cols) != nil {
					continue
				}
				planes := newPlanes(l, len(want)/cols, cols)
				if err := quant.Repack(planes, l, typ, src, len(want)/cols, cols); err != nil {
					t.Fatal(err)
				}
				sameBits(t, unpack(t, l, planes, len(want)/cols, cols), want)
			}
		})
	}
}

// TestRepackDense: blocks widened to plain numbers are what gguf-py makes of them; narrowed,
// they are those rounded.
func TestRepackDense(t *testing.T) {
	for _, typ := range goldenTypes {
		src, want := blocks(t, typ)
		for _, l := range []quant.Layout{{Kind: quant.LayoutF32}, {Kind: quant.LayoutF16}, {Kind: quant.LayoutBF16}} {
			if typ == quant.BF16 && l.Kind == quant.LayoutF16 {
				continue // these goldens go beyond F16; TestRepackRefuses has that case
			}
			t.Run(typ.String()+"/"+l.Name(), func(t *testing.T) {
				cols := max(32, typ.BlockSize())
				planes := newPlanes(l, len(want)/cols, cols)
				if err := quant.Repack(planes, l, typ, src, len(want)/cols, cols); err != nil {
					t.Fatal(err)
				}
				sameBits(t, unpack(t, l, planes, len(want)/cols, cols), rounded(want, l.Kind))
			})
		}
	}
}

// newPlanes makes planes filled with a pattern, so that a byte left unwritten shows, each with
// its capacity cut, so that none can be written beyond.
func newPlanes(l quant.Layout, rows, cols int) [][]byte {
	planes := make([][]byte, l.Planes())
	for p := range planes {
		n := rows * l.PlaneRowBytes(p, cols)
		planes[p] = make([]byte, n)
		for i := range planes[p] {
			planes[p][i] = 0xa5
		}
	}
	return planes
}

func unpack(t *testing.T, l quant.Layout, planes [][]byte, rows, cols int) []float32 {
	t.Helper()
	values := make([]float32, rows*cols)
	if err := quant.Unpack(values, l, planes, rows, cols); err != nil {
		t.Fatal(err)
	}
	return values
}

// sameBits fails at the first difference; signs of zeros count.
func sameBits(t *testing.T, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values, want %d", len(got), len(want))
	}
	for i := range got {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("value %d is %g (%#08x), want %g (%#08x)", i, got[i], math.Float32bits(got[i]), want[i], math.Float32bits(want[i]))
		}
	}
}
