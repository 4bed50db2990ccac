// Blocks of 32 elements with a scale d and a minimum m of their own, or a bias. Low 4 bits lie as in q4 of
// weights_grouped.glsl; fifth bits as one word per 32 elements, element 4i+b in byte b at bit i.
//
//   q4_1  plane 0: q; plane 1: f16 d, f16 m; w = d·q + m
//   q5_0  plane 0: the low 4 bits; plane 1: f16 d; plane 2: the fifth bits; w = d·(q-16)
//   q5_1  plane 0: the low 4 bits; plane 1: f16 d, f16 m; plane 2: the fifth bits; w = d·q + m

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#define UNIT 32
#define SUBS 1
#ifdef WEIGHTS_Q5_0
#define HAS_ZERO true
#define HAS_MINIMUM false
#else
#define HAS_ZERO false
#define HAS_MINIMUM true
#endif
struct Packed {
    uvec4 q;
    uint fifth;
    float scale, minimum;
};

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
#ifdef WEIGHTS_Q5_0
    p.scale = f16_to_f32(halfword(plane1[at / 2], at));
    p.minimum = 0.0;
#else
    uint pair = plane1[at];
    p.scale = f16_to_f32(pair);
    p.minimum = -f16_to_f32(pair >> 16);
#endif
#ifdef WEIGHTS_Q4_1
    p.fifth = 0;
#else
    p.fifth = plane2[at];
#endif
    return p;
}

uint word(Packed p, uint i) {
    uint q = p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu;
#ifndef WEIGHTS_Q4_1
    q |= (p.fifth >> i & 0x01010101u) << 4;
#endif
    return q;
}
vec4 quad(Packed p, uint i) { return bytes(word(p, i)); }

float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return 16.0; }
float minimum(Packed p, uint sub) { return p.minimum; }
