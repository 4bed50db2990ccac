// Weight matrices W[Rows, K] as planes in bindings 0 to 3. One of WEIGHTS_F32, F16, BF16, Q8, Q4, Q6K is defined.
//
//   f32   plane 0: f32[Rows][K]
//   f16   plane 0: f16[Rows][K]
//   bf16  plane 0: bf16[Rows][K]
//   q8    plane 0: int8 q[Rows][K]; plane 1: f16 s[Rows][K/GROUP]; with ZERO plane 2: int8 z[Rows][K/GROUP]; w = (q-z)·s
//   q4    plane 0: one word per 8 elements, byte b holds element b (low nibble) and element 4+b (high nibble);
//         plane 1: f16 s; with ZERO plane 2: uint8 z, else z = 8; w = (q-z)·s
//   q6k   plane 0: the low 4 bits as in q4; plane 1: the high 2 bits, one word per 16 elements, element 4i+b in byte b
//         at bit 2i; plane 2: int8 scale per 16 elements; plane 3: f16 d per 256 elements; w = d·scale·(q-32)
//
// K is a multiple of 32, of GROUP and (q6k) of 256. Rows of plane 0 begin at multiples of 16 bytes; the others are packed.
//
// A unit is what one invocation loads at once: UNIT consecutive elements, one uvec4 of plane 0. Its values come as quads
// of 4 raw numbers, to be corrected by the zero point and the scale of their part (SUBS parts of a unit have their own).

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#if defined(WEIGHTS_F32)

#define UNIT 4
#define SUBS 1
#define QUANTISED 0
#define HAS_ZERO false
struct Packed { uvec4 q; };

Packed fetch(uint row, uint unit, uint k) { return Packed(plane0[row * (k / UNIT) + unit]); }
vec4 quad(Packed p, uint i) { return uintBitsToFloat(p.q); }

#elif defined(WEIGHTS_F16) || defined(WEIGHTS_BF16)

#define UNIT 8
#define SUBS 1
#define QUANTISED 0
#define HAS_ZERO false
#ifdef WEIGHTS_F16
#define WIDEN f16x2_to_f32
#else
#define WIDEN bf16x2_to_f32
#endif
struct Packed { uvec4 q; };

Packed fetch(uint row, uint unit, uint k) { return Packed(plane0[row * (k / UNIT) + unit]); }
vec4 quad(Packed p, uint i) { return vec4(WIDEN(p.q[2 * i]), WIDEN(p.q[2 * i + 1])); }

#else // quantised

layout(std430, binding = 1) readonly buffer Plane1 { uint plane1[]; };
layout(std430, binding = 2) readonly buffer Plane2 { uint plane2[]; };

#define QUANTISED 1

uint halfword(uint word, uint i) { return word >> 16 * (i & 1u); }
int signed_byte(uint word, uint i) { return bitfieldExtract(int(word), int(8 * (i & 3u)), 8); }

// The four bytes of a word as numbers 0 to 255.
vec4 bytes(uint word) {
    return vec4(word & 255u, word >> 8 & 255u, word >> 16 & 255u, word >> 24);
}

#if defined(WEIGHTS_Q8)

#define UNIT 16
#define SUBS 1
#define HAS_ZERO (ZERO != 0)
struct Packed { uvec4 q; float scale, zero; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    p.q = plane0[row * (k / UNIT) + unit];
    uint group = row * (k / GROUP) + unit * UNIT / GROUP;
    p.scale = f16_to_f32(halfword(plane1[group / 2], group));
    p.zero = HAS_ZERO ? float(signed_byte(plane2[group / 4], group)) : 0.0;
    return p;
}
vec4 quad(Packed p, uint i) {
    int word = int(p.q[i]);
    return vec4(bitfieldExtract(word, 0, 8), bitfieldExtract(word, 8, 8), bitfieldExtract(word, 16, 8), word >> 24);
}
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return p.zero; }

#elif defined(WEIGHTS_Q4)

#define UNIT 32
#define SUBS 1
#define HAS_ZERO true
struct Packed { uvec4 q; float scale, zero; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    p.q = plane0[row * (k / UNIT) + unit];
    uint group = row * (k / GROUP) + unit * UNIT / GROUP;
    p.scale = f16_to_f32(halfword(plane1[group / 2], group));
    p.zero = ZERO != 0 ? float(plane2[group / 4] >> 8 * (group & 3u) & 255u) : 8.0;
    return p;
}
vec4 quad(Packed p, uint i) { return bytes(p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu); }
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return p.zero; }

#elif defined(WEIGHTS_Q6K)

layout(std430, binding = 3) readonly buffer Plane3 { uint plane3[]; };

#define UNIT 32
#define SUBS 2
#define HAS_ZERO true
struct Packed { uvec4 q; uvec2 high; vec2 scales; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
    p.high = uvec2(plane1[2 * at], plane1[2 * at + 1]);
    uint block = row * (k / 256) + unit / 8;
    float d = f16_to_f32(halfword(plane3[block / 2], block));
    uint scales = plane2[at / 2];
    p.scales = d * vec2(signed_byte(scales, 2 * at), signed_byte(scales, 2 * at + 1));
    return p;
}
vec4 quad(Packed p, uint i) {
    uint low = p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu;
    uint high = p.high[i / 4] >> 2 * (i & 3u) & 0x03030303u;
    return bytes(low | high << 4);
}
float scale(Packed p, uint sub) { return p.scales[sub]; }
float zero(Packed p) { return 32.0; }

#endif
#endif

// A quad as weights.
vec4 weights(Packed p, uint i) {
#if QUANTISED
    vec4 raw = HAS_ZERO ? quad(p, i) - zero(p) : quad(p, i);
    return raw * scale(p, i * 4 * SUBS / UNIT);
#else
    return quad(p, i);
#endif
}
