// 4-bit quants that are places in a table of 16 numbers. They lie as in q4 of weights_grouped.glsl.
//
//   iq4nl  plane 0: q; plane 1: f16 d per 32 elements; w = d·table[q]
//   iq4xs  plane 0: q; plane 1: int8 scale per 32 elements; plane 2: f16 d per 256; w = d·scale·table[q]
//   mxfp4  plane 0: q; plane 1: uint8 e per 32 elements; w = 2^(e-128)·table[q]
//
// The tables are computed, not looked up: an index that differs between neighbours is a load from memory for each weight
// on a card and eight on a CPU, where four multiply-adds on vectors do.

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#define UNIT 32
#define SUBS 1
#define HAS_MINIMUM false
struct Packed { uvec4 q; float scale; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
#if defined(WEIGHTS_IQ4NL)
    p.scale = f16_to_f32(halfword(plane1[at / 2], at));
#elif defined(WEIGHTS_IQ4XS)
    uint block = at / 8;
    p.scale = f16_to_f32(halfword(plane2[block / 2], block)) * float(signed_byte(plane1[at / 4], at));
#else
    uint e = plane1[at / 4] >> 8 * (at & 3u) & 255u;
    p.scale = uintBitsToFloat(e < 2 ? 0x200000u << e : e - 1 << 23);
#endif
    return p;
}

#ifdef WEIGHTS_MXFP4

#define HAS_ZERO true

// 4-bit floats times 2, plus 12: sign s, then the table 0 1 2 3 4 6 8 12, which is m for m < 4, else m plus 0, 1, 2 or 5.
uint word(Packed p, uint i) {
    uint q = p.q[i / 2] >> 4 * (i & 1u);
    uint low = q & 0x03030303u;
    uint big = q >> 2 & 0x01010101u;
    uint size = (q & 0x07070707u) + (low & big * 3) + ((q & q >> 1 & big) << 1);
    uint negative = (q >> 3 & 0x01010101u) * 255;
    return 0x0c0c0c0cu + size - 2 * (size & negative);
}
vec4 quad(Packed p, uint i) { return bytes(word(p, i)); }
float zero(Packed p) { return 12.0; }

#else

#define HAS_ZERO false

// table[q] = -127 -104 -83 -65 -49 -35 -22 -10 1 13 25 38 53 69 89 113: the polynomial of degree 4 that is nearest
// everywhere is off by 0.433, so rounding gives the table. (That of degree 3 is off by 0.69.)
vec4 quad(Packed p, uint i) {
    vec4 q = bytes(p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu);
    vec4 v = fma(q, vec4(0.001586042823), vec4(0.03108643933));
    v = fma(q, v, vec4(-1.371927042));
    v = fma(q, v, vec4(24.17383029));
    return roundEven(fma(q, v, vec4(-126.5670103)));
}
float zero(Packed p) { return 0.0; }

#endif

float scale(Packed p, uint sub) { return p.scale; }
float minimum(Packed p, uint sub) { return 0.0; }
