#version 450
// combine: y = Σ over ranks of weight·x, plus the addend where Add is 1: what the chosen experts of each token computed,
// in the order of their ranks.
//
// Work: one invocation per element, grid (ceil(Cols/LOCAL_SIZE), Rows). y may be the buffer of the addend.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer X { float x[]; };           // [Rows][Used][Cols]
layout(std430, binding = 1) readonly buffer Route { uint route[]; };    // [Rows]{ids[Used], f32 weights[Used]}
layout(std430, binding = 2) readonly buffer Addend { float addend[]; }; // [Rows][Cols]
layout(std430, binding = 3) writeonly buffer Y { float y[]; };          // [Rows][Cols]

layout(push_constant) uniform Push {
    uint Rows, Cols, Used, Add;
} push;

void main() {
    uint i = gl_GlobalInvocationID.x;
    uint row = gl_WorkGroupID.y;
    if (i >= push.Cols) {
        return;
    }
    float sum = 0.0;
    for (uint rank = 0; rank < push.Used; rank++) {
        float weight = uintBitsToFloat(route[(2 * row + 1) * push.Used + rank]);
        sum = fma(weight, x[(row * push.Used + rank) * push.Cols + i], sum);
    }
    if (push.Add != 0) {
        sum += addend[row * push.Cols + i];
    }
    y[row * push.Cols + i] = sum;
}
