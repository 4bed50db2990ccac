#version 450
// measure_fma: how fast float32 can be multiplied and added. Eight chains of four elements hide the latency of one.
//
// Work: an invocation makes 64*Rounds multiply-adds; grid (any).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) writeonly buffer Y { float y[]; }; // [1]

layout(push_constant) uniform Push {
    uint Rounds;
    float Factor, Addend; // of each multiply-add; the factor is below 1, so that no sum grows
} push;

void main() {
    float start = float(gl_GlobalInvocationID.x);
    vec4 a[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
        a[i] = vec4(start + i, start + 8 + i, start + 16 + i, start + 24 + i);
    }
    vec4 factor = vec4(push.Factor);
    vec4 addend = vec4(push.Addend);
    for (uint r = 0; r < push.Rounds; r++) {
        [[unroll]] for (uint twice = 0; twice < 2; twice++) {
            [[unroll]] for (uint i = 0; i < 8; i++) {
                a[i] = fma(a[i], factor, addend);
            }
        }
    }
    vec4 sum = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
    float all = sum.x + sum.y + sum.z + sum.w;
    if (all == 1e30) { // sums stay far below
        y[0] = all;
    }
}
