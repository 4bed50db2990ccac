// Blocks of 256 elements whose groups have small scales, and the block f16 scales of those. Low 4 bits lie as in q4.
//
//   q6k  plane 0: the low 4 bits; plane 1: the high 2 bits, one word per 16 elements, element 4i+b in byte b at bit 2i;
//        plane 2: int8 scale per 16 elements; plane 3: f16 d per 256; w = d·scale·(q-32)
//   q4k  plane 0: q; plane 1: per 32 elements uint8 scale, uint8 m; plane 2: per 256 f16 d, f16 dmin;
//        w = d·scale·q - dmin·m

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#define UNIT 32

#if defined(WEIGHTS_Q6K)

layout(std430, binding = 3) readonly buffer Plane3 { uint plane3[]; };

#define SUBS 2
#define HAS_ZERO true
#define HAS_MINIMUM false
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
float minimum(Packed p, uint sub) { return 0.0; }

#else // Q4K

#define SUBS 1
#define HAS_ZERO false
#define HAS_MINIMUM true
struct Packed { uvec4 q; float scale, minimum; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.q = plane0[at];
    uint pair = halfword(plane1[at / 2], at);
    uint block = plane2[row * (k / 256) + unit / 8];
    p.scale = f16_to_f32(block) * float(pair & 255u);
    p.minimum = f16_to_f32(block >> 16) * float(pair >> 8 & 255u);
    return p;
}
vec4 quad(Packed p, uint i) { return bytes(p.q[i / 2] >> 4 * (i & 1u) & 0x0f0f0f0fu); }
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return 0.0; }
float minimum(Packed p, uint sub) { return p.minimum; }

#endif
