#version 450
// rms_norm: y = x·rsqrt(mean(x²)+Eps)·w per row; with ADD, h = x + r is stored and normed instead of x.
//
// Work: one workgroup per row, grid (Rows). r and h have x's stride; h may be the buffer of x or r. Cols and the strides
// are multiples of 4.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"

layout(constant_id = 1) const uint ADD = 0;

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };  // [Rows][XStride/4]
layout(std430, binding = 1) readonly buffer W { vec4 w[]; };  // [Cols/4]
layout(std430, binding = 2) writeonly buffer Y { vec4 y[]; }; // [Rows][YStride/4]
layout(std430, binding = 3) readonly buffer R { vec4 r[]; };  // [Rows][XStride/4]
layout(std430, binding = 4) buffer H { vec4 h[]; };           // [Rows][XStride/4]

layout(push_constant) uniform Push {
    uint Rows, Cols;
    uint XStride, YStride;
    float Eps;
} push;

void main() {
    uint from = gl_WorkGroupID.x * (push.XStride / 4);
    uint to = gl_WorkGroupID.x * (push.YStride / 4);
    float squares = 0.0;
    for (uint i = gl_LocalInvocationIndex; i < push.Cols / 4; i += LOCAL_SIZE) {
        vec4 v = x[from + i];
        if (ADD != 0) {
            v += r[from + i];
            h[from + i] = v;
        }
        squares += dot(v, v);
    }
    float factor = inversesqrt(reduce_add(squares) / float(push.Cols) + push.Eps);
    for (uint i = gl_LocalInvocationIndex; i < push.Cols / 4; i += LOCAL_SIZE) {
        vec4 v = ADD != 0 ? h[from + i] : x[from + i]; // each invocation reads back only what it wrote itself
        y[to + i] = v * factor * w[i];
    }
}
