// Blocks of 256 elements whose groups have small scales (and minima), and the block f16 scales of those. Low 4 bits lie
// as in q4 of weights_grouped.glsl. 2-bit planes have one word per 16 elements, element 4i+b in byte b at bit 2i; 1-bit
// planes one per 32 elements, element 4i+b in byte b at bit i.
//
//   q2k  plane 0: q, 2 bits; plane 1: per 16 elements 4-bit scale, 4-bit m; plane 2: f16 d, f16 dmin
//   q3k  plane 0: the low 2 bits; plane 1: the third; plane 2: int8 scale per 16 elements; plane 3: f16 d
//   q4k  plane 0: q, 4 bits; plane 1: per 32 elements uint8 scale, uint8 m; plane 2: f16 d, f16 dmin
//   q5k  plane 0: the low 4 bits; plane 1: the fifth; planes 2 and 3 as 1 and 2 of q4k
//   q6k  plane 0: the low 4 bits; plane 1: the high 2; planes 2 and 3 as q3k
//
// w = d·scale·q - dmin·m for q2k, q4k and q5k, d·scale·(q-4) for q3k, d·scale·(q-32) for q6k.

#if defined(WEIGHTS_Q2K) || defined(WEIGHTS_Q3K)
layout(std430, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#else
layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };
#endif
#if defined(WEIGHTS_Q3K) || defined(WEIGHTS_Q5K) || defined(WEIGHTS_Q6K)
layout(std430, binding = 3) readonly buffer Plane3 { uint plane3[]; };
#endif

#define UNIT 32

#if defined(WEIGHTS_Q3K) || defined(WEIGHTS_Q6K)

#define SUBS 2
#define HAS_ZERO true
#define HAS_MINIMUM false
struct Packed {
#ifdef WEIGHTS_Q3K
    uvec2 q;
    uint high;
#else
    uvec4 q;
    uvec2 high;
#endif
    vec2 scales;
};

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
#ifdef WEIGHTS_Q3K
    p.high = plane1[at];
#else
    p.high = uvec2(plane1[2 * at], plane1[2 * at + 1]);
#endif
    uint block = at / 8;
    float d = f16_to_f32(halfword(plane3[block / 2], block));
    uint scales = plane2[at / 2];
    p.scales = d * vec2(signed_byte(scales, 2 * at), signed_byte(scales, 2 * at + 1));
    return p;
}

uint word(Packed p, uint i) {
#ifdef WEIGHTS_Q3K
    uint low = p.q[i / 4] >> 2 * (i & 3u) & 0x03030303u;
    return low | (p.high >> i & 0x01010101u) << 2;
#else
    uint low = p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu;
    return low | (p.high[i / 4] >> 2 * (i & 3u) & 0x03030303u) << 4;
#endif
}
vec4 quad(Packed p, uint i) { return bytes(word(p, i)); }

float scale(Packed p, uint sub) { return p.scales[sub]; }
#ifdef WEIGHTS_Q3K
float zero(Packed p) { return 4.0; }
#else
float zero(Packed p) { return 32.0; }
#endif
float minimum(Packed p, uint sub) { return 0.0; }

#elif defined(WEIGHTS_Q2K)

#define SUBS 2
#define HAS_ZERO false
#define HAS_MINIMUM true
struct Packed {
    uvec2 q;
    vec2 scales, minima;
};

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
    uint pairs = halfword(plane1[at / 2], at);
    uint block = plane2[at / 8];
    p.scales = f16_to_f32(block) * vec2(pairs & 15u, pairs >> 8 & 15u);
    p.minima = f16_to_f32(block >> 16) * vec2(pairs >> 4 & 15u, pairs >> 12 & 15u);
    return p;
}

uint word(Packed p, uint i) { return p.q[i / 4] >> 2 * (i & 3u) & 0x03030303u; }
vec4 quad(Packed p, uint i) { return bytes(word(p, i)); }
float scale(Packed p, uint sub) { return p.scales[sub]; }
float zero(Packed p) { return 0.0; }
float minimum(Packed p, uint sub) { return p.minima[sub]; }

#else // Q4K, Q5K

#define SUBS 1
#ifdef WEIGHTS_Q4K
#define HAS_ZERO MANTISSAS
#else
#define HAS_ZERO false
#endif
#define HAS_MINIMUM true
struct Packed {
    uvec4 q;
    uint fifth;
    float scale, minimum;
};

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
#ifdef WEIGHTS_Q4K
    p.fifth = 0;
    uint pair = halfword(plane1[at / 2], at);
    uint block = plane2[at / 8];
#else
    p.fifth = plane1[at];
    uint pair = halfword(plane2[at / 2], at);
    uint block = plane3[at / 8];
#endif
    p.scale = f16_to_f32(block) * float(pair & 255u);
#ifdef WEIGHTS_Q4K
    if (MANTISSAS) {
        p.scale *= 16.0;
    }
#endif
    p.minimum = f16_to_f32(block >> 16) * float(pair >> 8 & 255u);
    return p;
}

uint word(Packed p, uint i) {
    uint q = p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu;
#ifdef WEIGHTS_Q5K
    q |= (p.fifth >> i & 0x01010101u) << 4;
#endif
    return q;
}
vec4 quad(Packed p, uint i) {
#ifdef WEIGHTS_Q4K
    if (MANTISSAS) {
        return nibbles_as_mantissas(p.q[i / 2], i & 1u);
    }
#endif
    return bytes(word(p, i));
}

float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return 1.0; } // that of mantissas
float minimum(Packed p, uint sub) { return p.minimum; }

#endif
