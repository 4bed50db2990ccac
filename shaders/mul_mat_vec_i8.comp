#version 450
// mul_mat_vec_i8: "mul_mat_vec" for x in signed bytes (int8.glsl) and quantised weights: products of four bytes at a time
// are summed as integers, without any rounding, and scaled once for each scale of the weights.
//
// The work is cut in the same way, EXPERTS and the epilogues mean the same, and again a column's result does not depend on
// COLS. XRows is the number of rows in the buffer of x, behind whose quants the scales lie.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#include "prelude.glsl"
#include "half.glsl"
#include "mul_mat_vec.glsl"

void accumulate(inout float acc[COLS][SUMS], uint base, uint first, uint column, float weight) {
    for (uint unit = gl_LocalInvocationIndex % LANES; unit < push.K / UNIT; unit += LANES) {
        Packed packed[OWN];
        [[unroll]] for (uint r = 0; r < OWN; r++) {
            packed[r] = fetch(base + min(first + r, push.Rows - 1), unit, push.K);
        }
        uint block = unit * UNIT / 32;
        [[unroll]] for (uint c = 0; c < COLS; c++) {
            uint row = EXPERTS != 0 ? column : min(c, push.N - 1);
            uint at = row * (push.K / 16) + unit * (UNIT / 16);
            uvec4 v[UNIT / 16];
            [[unroll]] for (uint i = 0; i < UNIT / 16; i++) {
                v[i] = quants[at + i];
            }
            uvec2 behind = scales[push.XRows * (push.K / 8) + row * (push.K / 32) + block];
            float d = uintBitsToFloat(behind.x);
            if (EXPERTS == SUMMED) {
                d *= weight;
            }
            ivec2 halves = ivec2(bitfieldExtract(int(behind.y), 0, 16), int(behind.y) >> 16);
            [[unroll]] for (uint sub = 0; sub < SUBS; sub++) {
                // Σ q of what the sub multiplies: a half of the block, or the whole.
                int xs = UNIT == 16 ? halves[unit & 1u] : SUBS == 2 ? halves[sub] : halves.x + halves.y;
                [[unroll]] for (uint r = 0; r < OWN; r++) {
                    int product = 0;
                    [[unroll]] for (uint j = 0; j < QUADS; j++) {
                        uint i = sub * QUADS + j;
                        product += dotPacked4x8EXT(int(word(packed[r], i)), int(v[i / 4][i % 4]));
                    }
                    if (HAS_ZERO) {
                        product -= int(zero(packed[r])) * xs;
                    }
                    acc[c][r] = fma(scale(packed[r], sub) * d, float(product), acc[c][r]);
                    if (HAS_MINIMUM) {
                        acc[c][r] = fma(-minimum(packed[r], sub) * d, float(xs), acc[c][r]);
                    }
                }
            }
        }
    }
}
