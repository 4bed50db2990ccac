#version 450
// measure_dot: how fast the integer dot product of four bytes and four others is added up. Sixteen chains hide the latency
// of one.
//
// Work: an invocation makes 64*Rounds multiply-adds; grid (any).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#include "prelude.glsl"

layout(std430, binding = 0) writeonly buffer Y { int y[]; }; // [1]

layout(push_constant) uniform Push {
    uint Rounds;
    uint Factor; // four bytes; no sum reaches 2^30 with the small ones that are given
} push;

void main() {
    int a[16];
    int sums[16];
    [[unroll]] for (uint i = 0; i < 16; i++) {
        a[i] = int(gl_GlobalInvocationID.x + i);
        sums[i] = 0;
    }
    int factor = int(push.Factor);
    for (uint r = 0; r < push.Rounds; r++) {
        [[unroll]] for (uint i = 0; i < 16; i++) {
            sums[i] += dotPacked4x8EXT(a[i] ^ sums[i], factor);
        }
    }
    int all = 0;
    [[unroll]] for (uint i = 0; i < 16; i++) {
        all ^= sums[i];
    }
    if (all == 0x5bd1e995) {
        y[0] = all;
    }
}
