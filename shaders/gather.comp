#version 450
// gather: y[row, j] = x[row, order[j]], columns brought into the order in which a weight keeps its own.
//
// Work: one invocation per element, grid (ceil(Cols/LOCAL_SIZE), Rows).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer X { float x[]; };      // [Rows][Cols]
layout(std430, binding = 1) readonly buffer Order { uint order[]; }; // [Cols], a permutation
layout(std430, binding = 2) writeonly buffer Y { float y[]; };     // [Rows][Cols]

layout(push_constant) uniform Push {
    uint Rows, Cols;
} push;

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < push.Cols) {
        uint row = gl_WorkGroupID.y * push.Cols;
        y[row + i] = x[row + order[i]];
    }
}
