package quant

import "encoding/binary"

// repackSuper writes the blocks of a row of an IQ or TQ type to the row's parts of the planes; the package comment draws
// them. Parts of a block keep their bytes where they are aligned already.
func repackSuper(planes *[4][]byte, t Type, src []byte) {
	size := t.BlockBytes()
	for i := 0; len(src) > 0; i++ {
		b := src[:size]
		src = src[size:]
		switch t {
		case IQ1_S:
			copy(planes[0][32*i:], b[2:34])
			copy(planes[1][16*i:], b[34:50])
			copy(planes[2][2*i:], b[:2])
		case IQ1_M:
			copy(planes[0][32*i:], b[:32])
			copy(planes[1][16*i:], b[32:48])
			copy(planes[2][8*i:], b[48:56])
		case IQ2_XXS:
			copy(planes[0][64*i:], b[2:66])
			copy(planes[1][2*i:], b[:2])
		case IQ2_XS:
			copy(planes[0][64*i:], b[2:66])
			copy(planes[1][8*i:], b[66:74])
			copy(planes[2][2*i:], b[:2])
		case IQ2_S:
			repackIQ2_S(planes[0][64*i:][:64], planes[1][16*i:][:16], b)
			copy(planes[2][2*i:], b[:2])
		case IQ3_XXS:
			copy(planes[0][64*i:], b[2:66])
			copy(planes[1][32*i:], b[66:98])
			copy(planes[2][2*i:], b[:2])
		case IQ3_S:
			copy(planes[0][64*i:], b[2:66])
			copy(planes[1][32*i:], b[74:106])
			last := planes[2][14*i:][:14]
			copy(last, b[66:74])
			copy(last[8:], b[106:110])
			copy(last[12:], b[:2])
		case TQ1_0:
			repackTQ1_0(planes[0][52*i:][:52], b)
			copy(planes[1][2*i:], b[52:54])
		default: // TQ2_0
			repackTQ2_0(planes[0][64*i:][:64], b)
			copy(planes[1][2*i:], b[64:66])
		}
	}
}

// repackIQ2_S puts places and signs of a unit side by side, and what is left of it.
func repackIQ2_S(words, rest, b []byte) {
	for u := range 8 {
		copy(words[8*u:], b[2+4*u:6+4*u])
		copy(words[8*u+4:], b[34+4*u:38+4*u])
		rest[2*u], rest[2*u+1] = b[66+u], b[74+u]
	}
}

// repackTQ1_0 gathers the digits of neighbours: files spread a unit over 32 bytes, planes over 2 or 3 words.
func repackTQ1_0(dst, b []byte) {
	var digits [260]uint8 // 4 places stay 0
	for e := range 256 {
		digits[e] = tq1Digit(b, e)
	}
	for at := range dst {
		v := 0
		for n := range 5 {
			v = 3*v + int(digits[20*(at/4)+4*n+at%4])
		}
		dst[at] = uint8((256*v + 242) / 243) // rounded up, so that multiplying finds each digit again
	}
}

// repackTQ2_0 writes a 2-bit plane. Files keep, for each half of 128 elements, quarter k of 32 in bits 2k of 32 bytes.
func repackTQ2_0(dst, b []byte) {
	for q := range 8 { // quarters of 32 elements
		from, shift := b[q/4*32:][:32], q%4*2
		for w := range 2 {
			var word uint32
			for i := range 4 {
				word |= binary.LittleEndian.Uint32(from[16*w+4*i:]) >> shift & 0x03030303 << (2 * i)
			}
			binary.LittleEndian.PutUint32(dst[8*q+4*w:], word)
		}
	}
}
