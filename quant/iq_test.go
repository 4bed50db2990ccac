package quant_test

import (
	"encoding/binary"
	"errors"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// superTypes are the types of 256 elements that are places in a codebook, or ternary.
var superTypes = []quant.Type{
	quant.IQ1_S, quant.IQ1_M, quant.IQ2_XXS, quant.IQ2_XS, quant.IQ2_S, quant.IQ3_XXS, quant.IQ3_S, quant.TQ1_0, quant.TQ2_0,
}

// superScaleBits are the bytes and shifts of the four nibbles of a block's f16 scale, from the lowest.
func superScaleBits(t quant.Type) (places [4][2]int) {
	for i := range 4 {
		switch t {
		case quant.IQ1_M:
			places[i] = [2]int{49 + 2*i, 4}
		case quant.TQ1_0, quant.TQ2_0:
			places[i] = [2]int{t.BlockBytes() - 2 + i/2, i % 2 * 4}
		default:
			places[i] = [2]int{i / 2, i % 2 * 4}
		}
	}
	return places
}

func setSuperScale(t quant.Type, block []byte, h uint16) {
	for i, p := range superScaleBits(t) {
		block[p[0]] = block[p[0]]&^(15<<p[1]) | byte(h>>(4*i)&15)<<p[1]
	}
}

// TestSuperBlocks: any bytes with a finite scale become planes that mean what the blocks mean, bit for bit, also those
// that no quantiser writes.
func TestSuperBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	for _, typ := range superTypes {
		t.Run(typ.String(), func(t *testing.T) {
			const rows, cols = 16, 1024
			row, err := typ.RowBytes(cols)
			if err != nil {
				t.Fatal(err)
			}
			src := make([]byte, rows*row)
			for i := range src {
				src[i] = byte(rng.IntN(256))
			}
			for at := 0; at < len(src); at += typ.BlockBytes() {
				setSuperScale(typ, src[at:], uint16(rng.IntN(2)<<15|rng.IntN(0x7c00)))
			}
			want := make([]float32, rows*cols)
			if err := quant.Dequantize(want, typ, src); err != nil {
				t.Fatal(err)
			}
			l := quant.LayoutOf(typ)
			planes := newPlanes(l, rows, cols)
			if err := quant.Repack(planes, l, typ, src, rows, cols); err != nil {
				t.Fatal(err)
			}
			sameBits(t, unpack(t, l, planes, rows, cols), want)
			if n := rows * l.RowBytes(cols); n != len(src) {
				t.Errorf("%d bytes of blocks take %d on the device", len(src), n)
			}
		})
	}
}

// TestSuperScales: the scale of one block that is no number is found where it stands.
func TestSuperScales(t *testing.T) {
	const rows, cols = 3, 512
	for _, typ := range superTypes {
		for _, h := range []uint16{0x7c00, 0xfc00, 0x7e01} {
			row, err := typ.RowBytes(cols)
			if err != nil {
				t.Fatal(err)
			}
			src := make([]byte, rows*row)
			setSuperScale(typ, src[3*typ.BlockBytes():], h)
			l := quant.LayoutOf(typ)
			refusedAt(t, quant.Repack(newPlanes(l, rows, cols), l, typ, src, rows, cols), 1, 256)
			l = quant.Layout{Kind: quant.LayoutF16}
			refusedAt(t, quant.Repack(newPlanes(l, rows, cols), l, typ, src, rows, cols), 1, 256)
		}
	}
}

func refusedAt(t *testing.T, err error, row, col int) {
	t.Helper()
	var bad *quant.ValueError
	if !errors.As(err, &bad) || bad.Row != row || bad.Col != col {
		t.Errorf("error %v, want a ValueError at row %d, column %d", err, row, col)
	}
}

// TestCodebooks: entries hold nothing but values of their type, and none is there twice.
func TestCodebooks(t *testing.T) {
	for _, c := range []struct {
		typ     quant.Type
		entries int
		values  []byte // of a byte; of a nibble where the entry has 8 elements
	}{
		{quant.IQ1_S, 2048, []byte{0, 1, 2}},
		{quant.IQ1_M, 2048, []byte{0, 1, 2}},
		{quant.IQ2_XXS, 256, []byte{0, 1, 2}},
		{quant.IQ2_XS, 512, []byte{0, 1, 2}},
		{quant.IQ2_S, 1024, []byte{0, 1, 2}},
		{quant.IQ3_XXS, 256, []byte{4, 12, 20, 28, 36, 44, 52, 62}},
		{quant.IQ3_S, 512, []byte{1, 3, 5, 7, 9, 11, 13, 15}},
	} {
		book := slices.Clone(quant.LayoutOf(c.typ).Codebook())
		if len(book) != c.entries {
			t.Fatalf("%v: %d entries, want %d", c.typ, len(book), c.entries)
		}
		for i, word := range book {
			for _, b := range binary.LittleEndian.AppendUint32(nil, word) {
				parts := []byte{b}
				if len(c.values) == 3 {
					parts = []byte{b & 15, b >> 4}
				}
				for _, v := range parts {
					if !slices.Contains(c.values, v) {
						t.Fatalf("%v: entry %d is %#08x, which holds %d", c.typ, i, word, v)
					}
				}
			}
		}
		slices.Sort(book)
		if len(slices.Compact(book)) != c.entries {
			t.Errorf("%v: an entry is there twice", c.typ)
		}
	}
	for _, typ := range []quant.Type{quant.F16, quant.Q4_0, quant.TQ1_0, quant.TQ2_0} {
		if quant.LayoutOf(typ).Codebook() != nil {
			t.Errorf("%v has a codebook", typ)
		}
	}
}

// TestEvenSigns: of each 8 elements of IQ2_XXS an even number is negative, and the first 7 signs are those of the block.
func TestEvenSigns(t *testing.T) {
	values := make([]float32, 256)
	for signs := range 128 {
		block := make([]byte, quant.IQ2_XXS.BlockBytes())
		setSuperScale(quant.IQ2_XXS, block, 0x3c00)
		binary.LittleEndian.PutUint32(block[6:], uint32(signs)<<7)
		if err := quant.Dequantize(values, quant.IQ2_XXS, block); err != nil {
			t.Fatal(err)
		}
		negative := 0
		for e, v := range values[8:16] {
			if v < 0 {
				negative |= 1 << e
			}
		}
		if negative&127 != signs || bits.OnesCount(uint(negative))%2 != 0 {
			t.Fatalf("signs %07b become %08b", signs, negative)
		}
	}
}
