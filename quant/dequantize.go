package quant

import "fmt"

// Dequantize writes the values of src, whole blocks of type t, to dst. The arithmetic is
// float32 in the order of gguf-py, the reference for GGML's types: results are equal bit for
// bit. Infinities and NaN pass through.
func Dequantize(dst []float32, t Type, src []byte) error {
	if !t.Valid() {
		return fmt.Errorf("quant: %v is no type of weights", t)
	}
	if LayoutOf(t) == (Layout{}) {
		return fmt.Errorf("quant: type %v is not computed with", t)
	}
	block, size := t.BlockSize(), t.BlockBytes()
	if len(dst)%block != 0 || len(src)%size != 0 || len(dst)/block != len(src)/size {
		return fmt.Errorf("quant: %d bytes of %v do not hold %d elements", len(src), t, len(dst))
	}
	dequantize(dst, t, src)
	return nil
}

// dequantize is Dequantize for lengths that are known to be right. The calls are spelt out,
// because a call through a variable would move the caller's dst from stack to heap.
func dequantize(dst []float32, t Type, src []byte) {
	if t.Dense() {
		decodeDense(dst, t, src)
		return
	}
	n, size := t.BlockSize(), t.BlockBytes()
	for ; len(dst) > 0; dst, src = dst[n:], src[size:] {
		switch t {
		case Q8_0:
			dequantizeQ8_0(dst[:n], src)
		case Q4_0:
			dequantizeQ4_0(dst[:n], src)
		case Q4_1:
			dequantizeQ4_1(dst[:n], src)
		case Q5_0:
			dequantizeQ5_0(dst[:n], src)
		case Q5_1:
			dequantizeQ5_1(dst[:n], src)
		case Q2_K:
			dequantizeQ2_K(dst[:n], src)
		case Q3_K:
			dequantizeQ3_K(dst[:n], src)
		case Q4_K:
			dequantizeQ4_K(dst[:n], src)
		case Q5_K:
			dequantizeQ5_K(dst[:n], src)
		case IQ4_NL:
			dequantizeIQ4_NL(dst[:n], src)
		case IQ4_XS:
			dequantizeIQ4_XS(dst[:n], src)
		case MXFP4:
			dequantizeMXFP4(dst[:n], src)
		case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0:
			dequantizeSuper(dst[:n], t, src)
		default: // Q6_K
			dequantizeQ6_K(dst[:n], src)
		}
	}
}
