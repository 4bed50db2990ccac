#version 450
// measure_half: what "measure_fma" does, in float16, of which many cards compute two in the time of one float32.
//
// Work: an invocation makes 64*Rounds multiply-adds; grid (any).
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
#include "prelude.glsl"

layout(std430, binding = 0) writeonly buffer Y { float y[]; }; // [1]

layout(push_constant) uniform Push {
    uint Rounds;
    float Factor, Addend; // of each multiply-add; the factor is below 1, so that no sum grows
} push;

void main() {
    float start = float(gl_GlobalInvocationID.x % 64);
    f16vec4 a[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
        a[i] = f16vec4(start + i, start + 8 + i, start + 16 + i, start + 24 + i);
    }
    f16vec4 factor = f16vec4(push.Factor);
    f16vec4 addend = f16vec4(push.Addend);
    for (uint r = 0; r < push.Rounds; r++) {
        [[unroll]] for (uint twice = 0; twice < 2; twice++) {
            [[unroll]] for (uint i = 0; i < 8; i++) {
                a[i] = a[i] * factor + addend;
            }
        }
    }
    f16vec4 sum = a[0] + a[1] + a[2] + a[3] + a[4] + a[5] + a[6] + a[7];
    float all = float(sum.x + sum.y + sum.z + sum.w);
    if (all == 30000) { // sums stay far below
        y[0] = all;
    }
}
