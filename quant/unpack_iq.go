package quant

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/internal/half"
)

// unpackSuper is Unpack for the IQ and TQ layouts, a unit of 32 elements at a time.
func unpackSuper(dst []float32, k LayoutKind, planes [][]byte) {
	for u := range len(dst) / 32 {
		unit := dst[32*u:][:32]
		switch k {
		case LayoutIQ1S:
			unpackIQ1S(unit, planes, u)
		case LayoutIQ1M:
			unpackIQ1M(unit, planes, u)
		case LayoutIQ2XXS:
			unpackIQ2XXS(unit, planes, u)
		case LayoutIQ2XS:
			unpackIQ2XS(unit, planes, u)
		case LayoutIQ2S:
			unpackIQ2S(unit, planes, u)
		case LayoutIQ3XXS:
			unpackIQ3XXS(unit, planes, u)
		case LayoutIQ3S:
			unpackIQ3S(unit, planes, u)
		case LayoutTQ1:
			unpackTQ1(unit, planes, u)
		case LayoutTQ2:
			for e := range unit {
				unit[e] = scaleAt(planes[1], u/8) * float32(int(pairAt(planes[0], 32*u+e))-1)
			}
		}
	}
}

func unpackIQ1S(unit []float32, planes [][]byte, u int) {
	high := halfAt(planes[1], u)
	scale := scaleAt(planes[2], u/8) * float32(2*(high>>12&7)+1)
	for g := range 4 {
		groupIQ1(unit[8*g:], scale, uint32(planes[0][4*u+g])|high>>(3*g)&7<<8, high>>15 != 0)
	}
}

func unpackIQ1M(unit []float32, planes [][]byte, u int) {
	s := binary.LittleEndian.Uint64(planes[2][u/8*8:])
	d := half.F16ToF32(uint16(s>>12&0xf | s>>24&0xf0 | s>>36&0xf00 | s>>48&0xf000))
	for g := range 4 {
		scale := uint32(s>>(16*(u%8/2)+6*(u%2)+3*(g/2))) & 7
		high := halfAt(planes[1], u) >> (4 * g)
		groupIQ1(unit[8*g:], d*float32(2*scale+1), uint32(planes[0][4*u+g])|high&7<<8, high>>3&1 != 0)
	}
}

func unpackIQ2XXS(unit []float32, planes [][]byte, u int) {
	places, signs := wordAt(planes[0], 2*u), wordAt(planes[0], 2*u+1)
	scale := quarterScale(scaleAt(planes[1], u/8), signs>>28)
	for g := range 4 {
		groupIQ2(unit[8*g:], scale, bookIQ2XXS()[places>>(8*g)&255], evenSigns(signs>>(7*g)))
	}
}

func unpackIQ2XS(unit []float32, planes [][]byte, u int) {
	for g := range 4 {
		scale := quarterScale(scaleAt(planes[2], u/8), uint32(planes[1][u])>>(4*(g/2))&15)
		q := halfAt(planes[0], 4*u+g)
		groupIQ2(unit[8*g:], scale, bookIQ2XS()[q&511], evenSigns(q>>9))
	}
}

func unpackIQ2S(unit []float32, planes [][]byte, u int) {
	places, signs, rest := wordAt(planes[0], 2*u), wordAt(planes[0], 2*u+1), halfAt(planes[1], u)
	for g := range 4 {
		scale := quarterScale(scaleAt(planes[2], u/8), rest>>(8+4*(g/2))&15)
		groupIQ2(unit[8*g:], scale, bookIQ2S()[places>>(8*g)&255|rest>>(2*g)&3<<8], signs>>(8*g))
	}
}

func unpackIQ3XXS(unit []float32, planes [][]byte, u int) {
	signs := wordAt(planes[1], u)
	scale := scaleAt(planes[2], u/8) * (0.5 + float32(signs>>28)) * 0.5
	for g := range 8 {
		groupIQ3(unit[4*g:], scale, bookIQ3XXS()[planes[0][8*u+g]], evenSigns(signs>>(7*(g/2)))>>(4*(g&1)))
	}
}

func unpackIQ3S(unit []float32, planes [][]byte, u int) {
	last, signs := planes[2][u/8*14:][:14], wordAt(planes[1], u)
	high, s := uint32(last[u%8]), uint32(last[8+u%8/2])>>(4*(u&1))&15
	scale := scaleAt(last, 6) * float32(2*s+1)
	for g := range 8 {
		groupIQ3(unit[4*g:], scale, bookIQ3S()[uint32(planes[0][8*u+g])|high>>g&1<<8], signs>>(4*g))
	}
}

func unpackTQ1(unit []float32, planes [][]byte, u int) {
	d := scaleAt(planes[1], u/8)
	for e := range unit {
		q := u%8*8 + e/4 // the quad within its block
		unit[e] = d * float32(int(digit(planes[0][u/8*52+q/5*4+e%4], q%5))-1)
	}
}

// wordAt reads 32-bit word i.
func wordAt(plane []byte, i int) uint32 { return binary.LittleEndian.Uint32(plane[4*i:]) }

// halfAt reads 16-bit word i.
func halfAt(plane []byte, i int) uint32 { return uint32(binary.LittleEndian.Uint16(plane[2*i:])) }
