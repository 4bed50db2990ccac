#version 450
// quantise: rows of numbers become rows of signed bytes as int8.glsl describes them, for products that read no norm.
//
// Work: an invocation makes a block of 32. Rows have no gaps, so that Blocks counts those of all rows. Grid
// ceil(Blocks/LOCAL_SIZE), folded into x and y.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "int8.glsl"

layout(std430, binding = 0) readonly buffer X { vec4 x[]; };            // [Blocks][8]
layout(std430, binding = 1) writeonly buffer Quants { uvec4 quants[]; }; // [Blocks][2]
layout(std430, binding = 1) writeonly buffer Scales { uvec2 scales[]; }; // from 4·Blocks on [Blocks]

layout(push_constant) uniform Push { uint Blocks; } push;

void main() {
    uint block = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * LOCAL_SIZE + gl_LocalInvocationIndex;
    if (block >= push.Blocks) {
        return;
    }
    vec4 v[8];
    [[unroll]] for (uint i = 0; i < 8; i++) {
        v[i] = x[block * 8 + i];
    }
    uvec4 q[2];
    scales[push.Blocks * 4 + block] = quantise_block(v, q);
    quants[block * 2] = q[0];
    quants[block * 2 + 1] = q[1];
}
