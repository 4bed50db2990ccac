// Blocks of 256 elements whose groups of 8 or 4 are places in a codebook, which is plane 3, one for all tensors of a
// type. A unit has 32 elements; signs have a bit per element, set for negative ones; "sevens" are 4 times 7 of 8 signs,
// the eighth makes the number of negative ones even.
//
//   iq1s    plane 0: per unit 4 low bytes of places; plane 1: per unit 4 times the high 3 bits of a place, 3 bits of
//           scale, sign of delta; plane 2: f16 d; w = d·(2·scale+1)·(code-1 ± 1/8)
//   iq1m    plane 0: as iq1s; plane 1: per unit 4 times the high 3 bits of a place, sign of delta; plane 2: four
//           half-words of 4 scales of 16 elements, 3 bits each, and 4 bits of d; w as iq1s
//   iq2xxs  plane 0: per unit 4 bytes of places; sevens, 4 bits of scale; plane 1: f16 d; w = ±d·(scale+1/2)/4·value
//   iq2xs   plane 0: per unit 4 times 9 bits of place, 7 signs; plane 1: per unit 2 scales of 4 bits; plane 2: f16 d
//   iq2s    plane 0: per unit 4 low bytes of places; signs; plane 1: per unit 4 times the high 2 bits of a place, 2 scales
//           of 4 bits; plane 2: f16 d
//   iq3xxs  plane 0: per unit 8 bytes of places; plane 1: sevens, 4 bits of scale; plane 2: f16 d;
//           w = ±d·(scale+1/2)/2·value
//   iq3s    plane 0: per unit 8 low bytes of places; plane 1: signs; plane 2: the high bits of 64 places, 8 scales of 4
//           bits, f16 d; w = ±d·(2·scale+1)·value
//
// An entry of a book is a word: 8 codes of 4 bits in the order of q4 (IQ1 and IQ2), or the 4 values (IQ3).

#if defined(WEIGHTS_IQ1S) || defined(WEIGHTS_IQ1M)
layout(std430, binding = 0) readonly buffer Plane0 { uint plane0[]; };
#else
layout(std430, binding = 0) readonly buffer Plane0 { uvec2 plane0[]; };
#endif
layout(std430, binding = 3) readonly buffer Book { uint book[]; };

#define UNIT 32
#define HAS_MINIMUM false

// Four signed bytes of a word.
vec4 signed_bytes(uint word) {
    int w = int(word);
    return vec4(bitfieldExtract(w, 0, 8), bitfieldExtract(w, 8, 8), bitfieldExtract(w, 16, 8), w >> 24);
}

// Negates those bytes of a word whose bit of the lowest 4 of signs is set. No byte is 0: none carries into the next.
uint negate(uint word, uint signs) {
    uint ones = (signs & 15u) * 0x00204081u & 0x01010101u;
    return (word ^ ones * 255u) + ones;
}

// The signs of a unit from its sevens.
uint even_signs(uint sevens) {
    uint s = sevens & 0x7fu | sevens << 1 & 0x7f00u | sevens << 2 & 0x7f0000u | sevens << 3 & 0x7f000000u;
    uint parity = s ^ s >> 4; // in bit 0 of each byte; what comes from the next byte stays in higher bits
    parity ^= parity >> 2;
    parity ^= parity >> 1;
    return s | (parity & 0x01010101u) << 7;
}

#if defined(WEIGHTS_IQ1S) || defined(WEIGHTS_IQ1M)

// The entries of a unit: low holds the low bytes of their places; the high 3 bits are in high, each so many bits further.
uvec4 entries(uint low, uint high, uint step) {
    return uvec4(book[low & 255u | (high & 7u) << 8], book[low >> 8 & 255u | (high >> step & 7u) << 8],
        book[low >> 16 & 255u | (high >> 2 * step & 7u) << 8], book[low >> 24 | (high >> 3 * step & 7u) << 8]);
}

// The codes of quad i of a unit.
uint codes(uvec4 words, uint i) { return words[i / 2] >> 4 * (i & 1u) & 0x03030303u; }

#define HAS_ZERO true

#if defined(WEIGHTS_IQ1S)

#define SUBS 1
struct Packed { uvec4 words; float scale, zero; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    uint high = halfword(plane1[at / 2], at);
    p.words = entries(plane0[at], high, 3);
    uint block = row * (k / 256) + unit / 8;
    p.scale = f16_to_f32(halfword(plane2[block / 2], block)) * float((high >> 12 & 7u) * 2 + 1);
    p.zero = (high & 0x8000u) != 0 ? 1.125 : 0.875;
    return p;
}
vec4 quad(Packed p, uint i) { return bytes(codes(p.words, i)); }
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return p.zero; }

#else // IQ1M

// Delta changes with every 8 elements, so quads count eighths: 8·code, and 2 where delta is positive, is 9 too much.
#define SUBS 2
struct Packed { uvec4 words; uint high; vec2 scales; };

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    p.high = halfword(plane1[at / 2], at);
    p.words = entries(plane0[at], p.high, 4);
    uint block = row * (k / 256) + unit / 8;
    uvec2 s = uvec2(plane2[2 * block], plane2[2 * block + 1]);
    float d = 0.125 * f16_to_f32(s.x >> 12 & 0xfu | s.x >> 24 & 0xf0u | s.y >> 4 & 0xf00u | s.y >> 16 & 0xf000u);
    uint scales = s[unit / 4 & 1u] >> 16 * (unit / 2 & 1u) + 6 * (unit & 1u);
    p.scales = d * vec2((scales & 7u) * 2 + 1, (scales >> 3 & 7u) * 2 + 1);
    return p;
}
vec4 quad(Packed p, uint i) {
    uint positive = (p.high >> i / 2 * 4 + 3 & 1u) ^ 1u;
    return bytes((codes(p.words, i) << 3) + positive * 0x02020202u);
}
float scale(Packed p, uint sub) { return p.scales[sub]; }
float zero(Packed p) { return 9.0; }

#endif

#elif defined(WEIGHTS_IQ2XXS) || defined(WEIGHTS_IQ2XS) || defined(WEIGHTS_IQ2S)

#define HAS_ZERO false
struct Packed { uvec4 words; uint signs; vec2 scales; };

// Codes 0, 1, 2 are the values 8, 25, 43.
vec4 quad(Packed p, uint i) {
    uint codes = p.words[i / 2] >> 4 * (i & 1u) & 0x03030303u;
    uint values = codes * 17u + (codes >> 1 & 0x01010101u) + 0x08080808u;
    return signed_bytes(negate(values, p.signs >> 4 * i));
}
float scale(Packed p, uint sub) { return p.scales[sub]; }
float zero(Packed p) { return 0.0; }

#if defined(WEIGHTS_IQ2XXS)

#define SUBS 1

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uvec2 q = plane0[row * (k / UNIT) + unit];
    p.words = uvec4(book[q.x & 255u], book[q.x >> 8 & 255u], book[q.x >> 16 & 255u], book[q.x >> 24]);
    p.signs = even_signs(q.y);
    uint block = row * (k / 256) + unit / 8;
    p.scales = vec2(f16_to_f32(halfword(plane1[block / 2], block)) * (0.125 + 0.25 * float(q.y >> 28)));
    return p;
}

#elif defined(WEIGHTS_IQ2XS)

#define SUBS 2

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    uvec2 q = plane0[at];
    p.words = uvec4(book[q.x & 511u], book[q.x >> 16 & 511u], book[q.y & 511u], book[q.y >> 16 & 511u]);
    p.signs = even_signs(q.x >> 9 & 0x7fu | q.x >> 25 << 7 | (q.y >> 9 & 0x7fu) << 14 | q.y >> 25 << 21);
    uint block = row * (k / 256) + unit / 8;
    uint scales = plane1[at / 4] >> 8 * (at & 3u);
    p.scales = f16_to_f32(halfword(plane2[block / 2], block)) * (0.125 + 0.25 * vec2(scales & 15u, scales >> 4 & 15u));
    return p;
}

#else // IQ2S

#define SUBS 2

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    uvec2 q = plane0[at];
    uint rest = halfword(plane1[at / 2], at);
    p.words = uvec4(book[q.x & 255u | (rest & 3u) << 8], book[q.x >> 8 & 255u | (rest >> 2 & 3u) << 8],
        book[q.x >> 16 & 255u | (rest >> 4 & 3u) << 8], book[q.x >> 24 | (rest >> 6 & 3u) << 8]);
    p.signs = q.y;
    uint block = row * (k / 256) + unit / 8;
    p.scales = f16_to_f32(halfword(plane2[block / 2], block)) * (0.125 + 0.25 * vec2(rest >> 8 & 15u, rest >> 12 & 15u));
    return p;
}

#endif

#else // IQ3XXS, IQ3S

#define SUBS 1
#define HAS_ZERO false
struct Packed { uvec2 low; uint high, signs; float scale; };

vec4 quad(Packed p, uint i) {
    uint place = p.low[i / 4] >> 8 * (i & 3u) & 255u;
#ifdef WEIGHTS_IQ3S
    place |= (p.high >> i & 1u) << 8;
#endif
    return signed_bytes(negate(book[place], p.signs >> 4 * i));
}
float scale(Packed p, uint sub) { return p.scale; }
float zero(Packed p) { return 0.0; }

Packed fetch(uint row, uint unit, uint k) {
    Packed p;
    uint at = row * (k / UNIT) + unit;
    uint block = row * (k / 256) + unit / 8;
    p.low = plane0[at];
    uint signs = plane1[at];
#ifdef WEIGHTS_IQ3XXS
    p.high = 0;
    p.signs = even_signs(signs);
    p.scale = f16_to_f32(halfword(plane2[block / 2], block)) * (0.25 + 0.5 * float(signs >> 28));
#else
    uint first = block * 14; // in bytes
    uint high = first + unit % 8;
    uint scales = first + 8 + unit % 8 / 2;
    p.high = plane2[high / 4] >> 8 * (high & 3u);
    p.signs = signs;
    uint s = plane2[scales / 4] >> 8 * (scales & 3u) + 4 * (unit & 1u) & 15u;
    p.scale = f16_to_f32(halfword(plane2[first / 4 + 3], block * 7)) * float(s * 2 + 1);
#endif
    return p;
}

#endif

float minimum(Packed p, uint sub) { return 0.0; }
