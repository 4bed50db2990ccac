#version 450
// rms_norm_i8: x·rsqrt(mean(x²)+Eps)·w per row, as "rms_norm", stored as signed bytes (int8.glsl): what products with
// integer dots read, without a pass of its own over the row.
//
// Work: one workgroup per row, grid (Rows); an invocation makes a block of 32. Cols is a multiple of 32, rows have no gaps.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"
#include "int8.glsl"

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };            // [Rows][Cols/4]
layout(std430, binding = 1) readonly buffer W { vec4 w[]; };            // [Cols/4]
layout(std430, binding = 2) writeonly buffer Quants { uvec4 quants[]; }; // [Rows][Cols/16]
layout(std430, binding = 2) writeonly buffer Scales { uvec2 scales[]; }; // from Rows·Cols/8 on [Rows][Cols/32]

layout(push_constant) uniform Push {
    uint Rows, Cols;
    float Eps;
} push;

void main() {
    uint from = gl_WorkGroupID.x * (push.Cols / 4);
    float squares = 0.0;
    for (uint i = gl_LocalInvocationIndex; i < push.Cols / 4; i += LOCAL_SIZE) {
        vec4 v = x[from + i];
        squares += dot(v, v);
    }
    float factor = inversesqrt(reduce_add(squares) / float(push.Cols) + push.Eps);
    for (uint block = gl_LocalInvocationIndex; block < push.Cols / 32; block += LOCAL_SIZE) {
        vec4 v[8];
        [[unroll]] for (uint i = 0; i < 8; i++) {
            v[i] = x[from + block * 8 + i] * factor * w[block * 8 + i];
        }
        uvec4 q[2];
        uint at = gl_WorkGroupID.x * (push.Cols / 32) + block;
        scales[push.Rows * (push.Cols / 8) + at] = quantise_block(v, q);
        quants[at * 2] = q[0];
        quants[at * 2 + 1] = q[1];
    }
}
