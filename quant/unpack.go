package quant

import (
	"encoding/binary"
	"fmt"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Unpack writes the values of rows × cols weights that lie in planes of layout l to dst, row
// after row. It is the meaning of a layout, written to be read: kernels and the oracle of the
// graph are held against it. For planes that Repack made from blocks, values equal
// Dequantize's bit for bit.
func Unpack(dst []float32, l Layout, planes [][]byte, rows, cols int) error {
	if err := l.CheckCols(cols); err != nil {
		return err
	}
	if err := l.checkPlanes(planes, rows, cols); err != nil {
		return err
	}
	if len(dst)%cols != 0 || len(dst)/cols != rows {
		return fmt.Errorf("quant: %d values are not %d rows of %d", len(dst), rows, cols)
	}
	switch l.Kind {
	case LayoutF32:
		decodeDense(dst, F32, planes[0])
	case LayoutF16:
		decodeDense(dst, F16, planes[0])
	case LayoutBF16:
		decodeDense(dst, BF16, planes[0])
	case LayoutQ8:
		for e := range dst {
			q, z := int8(planes[0][e]), int8(0)
			if l.Zero {
				z = int8(planes[2][e/l.Group])
			}
			dst[e] = float32(int(q)-int(z)) * scaleAt(planes[1], e/l.Group)
		}
	case LayoutQ4:
		for e := range dst {
			z := uint8(8)
			if l.Zero {
				z = planes[2][e/l.Group]
			}
			dst[e] = float32(int(nibbleAt(planes[0], e))-int(z)) * scaleAt(planes[1], e/l.Group)
		}
	case LayoutIQ1S, LayoutIQ1M, LayoutIQ2XXS, LayoutIQ2XS, LayoutIQ2S, LayoutIQ3XXS, LayoutIQ3S, LayoutTQ1, LayoutTQ2:
		unpackSuper(dst, l.Kind, planes)
	case LayoutQ4_1:
		unpackQ4_1(dst, planes)
	case LayoutQ5_0:
		unpackQ5_0(dst, planes)
	case LayoutQ5_1:
		unpackQ5_1(dst, planes)
	case LayoutQ2K:
		unpackQ2K(dst, planes)
	case LayoutQ3K:
		unpackQ3K(dst, planes)
	case LayoutQ4K:
		unpackQ4K(dst, planes)
	case LayoutQ5K:
		unpackQ5K(dst, planes)
	case LayoutQ6K:
		unpackQ6K(dst, planes)
	case LayoutIQ4NL:
		unpackIQ4NL(dst, planes)
	case LayoutIQ4XS:
		unpackIQ4XS(dst, planes)
	case LayoutMXFP4:
		unpackMXFP4(dst, planes)
	}
	return nil
}

// scaleAt reads f16 number i.
func scaleAt(plane []byte, i int) float32 {
	return half.F16ToF32(binary.LittleEndian.Uint16(plane[2*i:]))
}

// nibbleAt reads element e of a 4-bit plane.
func nibbleAt(plane []byte, e int) uint8 {
	word, place := e/8, e%8
	return plane[4*word+place%4] >> (4 * (place / 4)) & 15
}

// pairAt reads element e of a 2-bit plane.
func pairAt(plane []byte, e int) uint8 {
	word, place := e/16, e%16
	return plane[4*word+place%4] >> (2 * (place / 4)) & 3
}

// bitAt reads element e of a 1-bit plane.
func bitAt(plane []byte, e int) uint8 {
	word, place := e/32, e%32
	return plane[4*word+place%4] >> (place / 4) & 1
}
