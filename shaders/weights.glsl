// Weight matrices W[Rows, K] as planes in bindings 0 to 3. One macro WEIGHTS_<TYPE> says which type they are of; the
// include of its family holds the layout, which package quant draws in full:
//
//   weights_dense.glsl    F32, F16, BF16: plain numbers
//   weights_grouped.glsl  Q8, Q4: groups with a scale and perhaps a zero point
//   weights_legacy.glsl   Q4_1, Q5_0, Q5_1: blocks of 32 with a scale and a minimum or a bias
//   weights_iq.glsl       IQ1S, IQ1M, IQ2XXS, IQ2XS, IQ2S, IQ3XXS, IQ3S: groups in a codebook
//   weights_tq.glsl       TQ1, TQ2: ternary
//   weights_k.glsl        Q2K, Q3K, Q4K, Q5K, Q6K: blocks of 256 whose groups have small scales
//   weights_table.glsl    IQ4NL, IQ4XS, MXFP4: quants that are places in a table
//
// K is a multiple of 32 and of the type's block. Rows of plane 0 are whole elements of its buffer, which a family declares
// as uvec4, uvec2 or uint; rows of other planes are packed.
//
// A unit is what one invocation loads at once: UNIT consecutive elements. Its values come as quads of 4 raw numbers q.
// SUBS parts of a unit have scales of their own. A family defines
//
//   UNIT, SUBS                       elements of a unit (at most 32), parts of it
//   QUANTISED                        0: a quad holds the weights themselves, and what follows is absent
//   HAS_ZERO, HAS_MINIMUM            which of the two corrections there are; constant expressions
//   struct Packed                    a unit as loaded
//   Packed fetch(row, unit, k)       loads unit `unit` of a row of k elements
//   vec4 quad(p, i)                  raw numbers 4i to 4i+3 of the unit
//   uint word(p, i)                  the same as signed bytes, where they are that small: what integer dots read
//   float scale(p, sub)              w = scale·(q - zero) - minimum
//   float zero(p)                    if HAS_ZERO; else 0
//   float minimum(p, sub)            if HAS_MINIMUM; else 0
//
// so that a sum of products needs one multiplication per weight: Σ w·x = scale·(Σ q·x - zero·Σ x) - minimum·Σ x.

#if defined(WEIGHTS_F32) || defined(WEIGHTS_F16) || defined(WEIGHTS_BF16)
#define QUANTISED 0
#else
#define QUANTISED 1

layout(std430, binding = 1) readonly buffer Plane1 { uint plane1[]; };
layout(std430, binding = 2) readonly buffer Plane2 { uint plane2[]; };

uint halfword(uint word, uint i) { return word >> 16 * (i & 1u); }
int signed_byte(uint word, uint i) { return bitfieldExtract(int(word), int(8 * (i & 3u)), 8); }

#ifndef MANTISSAS
#define MANTISSAS false
#endif

// Nibble n of each of the words' four bytes as 1 + its value / 16, from a shift and the bits of 1.
vec4 nibbles_as_mantissas(uint word, uint n) {
    // bits 19 to 22 are the highest of a mantissa
    uvec4 q = n == 0 ? uvec4(word << 19, word << 11, word << 3, word >> 5) : uvec4(word << 15, word << 7, word >> 1, word >> 9);
    return uintBitsToFloat(q & 0x00780000u | 0x3f800000u);
}

// The four bytes of a word as numbers 0 to 255.
vec4 bytes(uint word) {
    return vec4(word & 255u, word >> 8 & 255u, word >> 16 & 255u, word >> 24);
}

#endif

#if !QUANTISED
#include "weights_dense.glsl"
#elif defined(WEIGHTS_Q8) || defined(WEIGHTS_Q4)
#include "weights_grouped.glsl"
#elif defined(WEIGHTS_Q4_1) || defined(WEIGHTS_Q5_0) || defined(WEIGHTS_Q5_1)
#include "weights_legacy.glsl"
#elif defined(WEIGHTS_IQ4NL) || defined(WEIGHTS_IQ4XS) || defined(WEIGHTS_MXFP4)
#include "weights_table.glsl"
#elif defined(WEIGHTS_TQ1) || defined(WEIGHTS_TQ2)
#include "weights_tq.glsl"
#elif defined(WEIGHTS_IQ1S) || defined(WEIGHTS_IQ1M) || defined(WEIGHTS_IQ2XXS) || defined(WEIGHTS_IQ2XS) || \
    defined(WEIGHTS_IQ2S) || defined(WEIGHTS_IQ3XXS) || defined(WEIGHTS_IQ3S)
#include "weights_iq.glsl"
#else
#include "weights_k.glsl"
#endif

// A quad as weights.
vec4 weights(Packed p, uint i) {
#if QUANTISED
    uint sub = i * 4 * SUBS / UNIT;
    vec4 raw = HAS_ZERO ? quad(p, i) - zero(p) : quad(p, i);
    precise vec4 w = raw * scale(p, sub); // rounded before the minimum is taken off, as the formats say
    return HAS_MINIMUM ? w - minimum(p, sub) : w;
#else
    return quad(p, i);
#endif
}

#ifdef INT8

// Whether zero points remain in centred words: 8-bit quants less a zero point need 9 bits.
#ifdef WEIGHTS_Q8
#define HAS_ZERO_LEFT HAS_ZERO
#else
#define HAS_ZERO_LEFT false
#endif

// word(p, i) less the zero point in each byte. Quants and zero points are at most 63 there: 128 keeps bytes from borrowing.
uint centred(Packed p, uint i) {
    if (!HAS_ZERO || HAS_ZERO_LEFT) {
        return word(p, i);
    }
    return (word(p, i) | 0x80808080u) - uint(zero(p)) * 0x01010101u ^ 0x80808080u;
}

#endif
