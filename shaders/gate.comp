#version 450
// gate: y = sigmoid(g)·x, plus the addend where Add is 1; g is one number per row.
//
// Work: one invocation per element, grid (ceil(Cols/LOCAL_SIZE), Rows). y may be the buffer of x or of the addend.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer X { float x[]; };           // [Rows][Cols]
layout(std430, binding = 1) readonly buffer G { float g[]; };           // [Rows]
layout(std430, binding = 2) readonly buffer Addend { float addend[]; }; // [Rows][Cols]
layout(std430, binding = 3) writeonly buffer Y { float y[]; };          // [Rows][Cols]

layout(push_constant) uniform Push {
    uint Rows, Cols, Add;
} push;

void main() {
    uint i = gl_GlobalInvocationID.x;
    uint row = gl_WorkGroupID.y;
    if (i >= push.Cols) {
        return;
    }
    uint at = row * push.Cols + i;
    float value = x[at] / (1.0 + exp(-g[row])); // exp overflows to Inf for very negative g: 0, as it should be
    if (push.Add != 0) {
        value += addend[at];
    }
    y[at] = value;
}
