// Ternary blocks of 256 elements; w = d·(q-1).
//
//   tq1  plane 0: 13 words per block, each 5 quads: a byte holds the digits of one element of each; plane 1: f16 d
//   tq2  plane 0: 2 bits, one word per 16 elements, element 4i+b in byte b at bit 2i; plane 1: f16 d

#define UNIT 32
#define SUBS 1
#define HAS_ZERO true
#define HAS_MINIMUM false

#if defined(WEIGHTS_TQ1)

layout(std430, binding = 0) readonly buffer Plane0 { uint plane0[]; };

struct Packed { uvec3 q; uint first; float scale; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint block = row * (k / 256) + unit / 8;
    uint quad = unit % 8 * 8;
    uint word = quad / 5;
    p.first = quad % 5;
    p.q = uvec3(plane0[block * 13 + word], plane0[block * 13 + word + 1], plane0[block * 13 + min(word + 2, 12)]);
    p.scale = f16_to_f32(halfword(plane1[block / 2], block));
    return p;
}

// A byte b is the fraction b/256: multiplied by 3 it carries its next digit out, and what went before is dropped. Two
// bytes at a time, in the halves of a word.
vec4 quad(Packed p, uint i) {
    uint n = p.first + i;
    uint word = p.q[n / 5];
    uint digit = n % 5;
    uint power = digit == 4 ? 81u : 0x1b090301u >> 8 * digit & 255u;
    uint even = (word & 0x00ff00ffu) * power & 0x00ff00ffu;
    uint odd = (word >> 8 & 0x00ff00ffu) * power & 0x00ff00ffu;
    return bytes(even * 3 >> 8 & 0x00030003u | odd * 3 & 0x03000300u);
}

#else // TQ2

layout(std430, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };

struct Packed { uvec2 q; float scale; };

Packed fetch(uint row, uint unit, uint k) {
    uint block = row * (k / 256) + unit / 8;
    return Packed(plane0[row * (k / UNIT) + unit], f16_to_f32(halfword(plane1[block / 2], block)));
}
vec4 quad(Packed p, uint i) { return bytes(p.q[i / 4] >> 2 * (i & 3u) & 0x03030303u); }

#endif

float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return 1.0; }
float minimum(Packed p, uint sub) { return 0.0; }
