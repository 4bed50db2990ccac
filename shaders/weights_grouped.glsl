// Groups of GROUP elements with a scale, and with ZERO a zero point each; w = (q-z)·s.
//
//   q8  plane 0: int8 q; plane 1: f16 s per group; with ZERO plane 2: int8 z per group
//   q4  plane 0: one word per 8 elements, byte b holds element b (low nibble) and element 4+b (high nibble);
//       plane 1: f16 s per group; with ZERO plane 2: uint8 z per group, else z = 8

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#if defined(WEIGHTS_Q8)

#define UNIT 16
#define SUBS 1
#define HAS_ZERO (ZERO != 0 || MANTISSAS)
#define HAS_MINIMUM false
struct Packed { uvec4 q; float scale, zero; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    p.q = plane0[row * (k / UNIT) + unit];
    uint group = row * (k / GROUP) + unit * UNIT / GROUP;
    p.scale = f16_to_f32(halfword(plane1[group / 2], group));
    p.zero = ZERO != 0 ? float(signed_byte(plane2[group / 4], group)) : 0.0;
    if (MANTISSAS) { // q is 1 + (q+128)/256, which changes no bit of a weight
        p.q ^= 0x80808080u;
        p.scale *= 256.0;
        p.zero = fma(p.zero, 1.0 / 256.0, 1.5);
    }
    return p;
}
uint word(Packed p, uint i) { return p.q[i]; }
vec4 quad(Packed p, uint i) {
    if (MANTISSAS) {
        uint q = p.q[i];
        return uintBitsToFloat(uvec4(q << 15, q << 7, q >> 1, q >> 9) & 0x007f8000u | 0x3f800000u);
    }
    int word = int(p.q[i]);
    return vec4(bitfieldExtract(word, 0, 8), bitfieldExtract(word, 8, 8), bitfieldExtract(word, 16, 8), word >> 24);
}
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return p.zero; }
float minimum(Packed p, uint sub) { return 0.0; }

#else // Q4

#define UNIT 32
#define SUBS 1
#define HAS_ZERO true
#define HAS_MINIMUM false
struct Packed { uvec4 q; float scale, zero; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    p.q = plane0[row * (k / UNIT) + unit];
    uint group = row * (k / GROUP) + unit * UNIT / GROUP;
    p.scale = f16_to_f32(halfword(plane1[group / 2], group));
    p.zero = ZERO != 0 ? float(plane2[group / 4] >> 8 * (group & 3u) & 255u) : 8.0;
    if (MANTISSAS) { // q is 1 + q/16, which changes no bit of a weight
        p.scale *= 16.0;
        p.zero = fma(p.zero, 1.0 / 16.0, 1.0);
    }
    return p;
}
uint word(Packed p, uint i) { return p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu; }
vec4 quad(Packed p, uint i) { return MANTISSAS ? nibbles_as_mantissas(p.q[i / 2], i & 1u) : bytes(word(p, i)); }
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return p.zero; }
float minimum(Packed p, uint sub) { return 0.0; }

#endif
