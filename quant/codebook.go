package quant

import (
	"strconv"
	"sync"
)

// Codebook returns the table in which the layout's places are looked up, nil for a layout without one. Kernels find it
// where plane 3 would be; it is the same for every tensor of the layout and must not be changed.
//
// IQ1 and IQ2 types have a word per entry of 8 elements, 4 bits each in the order of a 4-bit plane, that hold 0, 1 or 2
// for the values -1, 0, 1 (IQ1) or 8, 25, 43 (IQ2). IQ3 types have a word per entry of 4 elements, whose bytes are the
// values.
func (l Layout) Codebook() []uint32 {
	switch l.Kind {
	case LayoutIQ1S, LayoutIQ1M:
		return bookIQ1()
	case LayoutIQ2XXS:
		return bookIQ2XXS()
	case LayoutIQ2XS:
		return bookIQ2XS()
	case LayoutIQ2S:
		return bookIQ2S()
	case LayoutIQ3XXS:
		return bookIQ3XXS()
	case LayoutIQ3S:
		return bookIQ3S()
	}
	return nil
}

// The codebooks as the device has them, made when the first tensor needs them.
var (
	bookIQ1    = sync.OnceValue(func() []uint32 { return eights(hexIQ1S) })
	bookIQ2XXS = sync.OnceValue(func() []uint32 { return eights(hexIQ2XXS) })
	bookIQ2XS  = sync.OnceValue(func() []uint32 { return eights(hexIQ2XS) })
	bookIQ2S   = sync.OnceValue(func() []uint32 { return eights(hexIQ2S) })
	bookIQ3XXS = sync.OnceValue(func() []uint32 { return fours(hexIQ3XXS, [8]uint32{4, 12, 20, 28, 36, 44, 52, 62}) })
	bookIQ3S   = sync.OnceValue(func() []uint32 { return fours(hexIQ3S, [8]uint32{1, 3, 5, 7, 9, 11, 13, 15}) })
)

// iq2Values are what the codes of IQ2 types mean.
var iq2Values = [3]float32{8, 25, 43}

// entry reads entry i of a generated codebook: 16 bits, low byte first.
func entry(hex string, i int) uint32 {
	e, err := strconv.ParseUint(hex[4*i:4*i+4], 16, 16)
	if err != nil {
		panic("BUG: quant: codebook: " + err.Error())
	}
	return uint32(e>>8 | e&255<<8)
}

// eights widens entries of 8 places from 2 to 4 bits.
func eights(hex string) []uint32 {
	book := make([]uint32, len(hex)/4)
	for i := range book {
		packed := entry(hex, i)
		for e := range 8 {
			book[i] |= packed >> (2 * e) & 3 << (8*(e%4) + 4*(e/4))
		}
	}
	return book
}

// fours writes entries of 4 places as the values that the places stand for.
func fours(hex string, values [8]uint32) []uint32 {
	book := make([]uint32, len(hex)/4)
	for i := range book {
		packed := entry(hex, i)
		for e := range 4 {
			book[i] |= values[packed>>(4*e)&7] << (8 * e)
		}
	}
	return book
}

// evenSigns completes 7 signs by an eighth that makes the number of negative ones even.
func evenSigns(s uint32) uint32 {
	s &= 127
	p := s ^ s>>4
	p ^= p >> 2
	p ^= p >> 1
	return s | p&1<<7
}
