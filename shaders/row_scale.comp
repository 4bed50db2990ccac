#version 450
// row_scale: for each row of x a power of two by which its greatest magnitude comes to lie in [2^14, 2^15): then f16
// holds it, and with all of its 11 bits whatever is not below 2^-28 of it. A row of zeros, or with an Inf or NaN, gets 1.
//
// Work: one workgroup per row, grid (Rows). Cols and XStride are multiples of 4.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"
#include "power.glsl"

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };            // [Rows][XStride/4]
layout(std430, binding = 1) writeonly buffer Factors { float factors[]; }; // [Rows]

layout(push_constant) uniform Push {
    uint Rows, Cols, XStride;
} push;

void main() {
    uint from = gl_WorkGroupID.x * (push.XStride / 4);
    float greatest = 0.0;
    for (uint i = gl_LocalInvocationIndex; i < push.Cols / 4; i += LOCAL_SIZE) {
        vec4 v = abs(x[from + i]);
        greatest = max(greatest, max(max(v.x, v.y), max(v.z, v.w)));
    }
    greatest = reduce_max(greatest);
    if (gl_LocalInvocationIndex == 0) {
        factors[gl_WorkGroupID.x] = power_to(greatest, 14);
    }
}
