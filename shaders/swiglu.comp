#version 450
// swiglu: y = silu(a)·b, silu(v) = v·sigmoid(v), element by element.
//
// Work: one invocation per element, grid (ceil(Cols/LOCAL_SIZE), Rows). y may be the buffer of a or b.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer A { float a[]; };  // [Rows][AStride]
layout(std430, binding = 1) readonly buffer B { float b[]; };  // [Rows][BStride]
layout(std430, binding = 2) writeonly buffer Y { float y[]; }; // [Rows][YStride]

layout(push_constant) uniform Push {
    uint Rows, Cols;
    uint AStride, BStride, YStride;
} push;

// exp overflows to Inf for very negative v, and v/Inf is the -0 that it should be.
float compute(float a, float b) { return a / (1.0 + exp(-a)) * b; }

void main() {
    uint i = gl_GlobalInvocationID.x;
    uint row = gl_WorkGroupID.y;
    if (i < push.Cols) {
        y[row * push.YStride + i] = compute(a[row * push.AStride + i], b[row * push.BStride + i]);
    }
}
