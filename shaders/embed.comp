#version 450
// embed: row r of y becomes the dequantised weight row of token id step[IDsAt + r].
//
// Work: one invocation writes 8 consecutive elements; grid (ceil(Cols/8/LOCAL_SIZE), Rows). Rows whose id lies outside
// of [FirstID, FirstID+IDs) are left alone: another shard of the table holds them.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"

layout(constant_id = 1) const uint GROUP = 32;
layout(constant_id = 2) const uint ZERO = 0;

#include "weights.glsl"

layout(std430, binding = 4) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 5) writeonly buffer Y { vec4 y[]; }; // [Rows][Stride/4]

layout(push_constant) uniform Push {
    uint Rows, Cols;
    uint FirstID, IDs;
    uint IDsAt, Stride;
} push;

void main() {
    uint first = gl_GlobalInvocationID.x * 8;
    uint row = gl_WorkGroupID.y;
    if (first >= push.Cols) {
        return;
    }
    uint id = step_words[push.IDsAt + row];
    if (id < push.FirstID || id - push.FirstID >= push.IDs) {
        return;
    }
    [[unroll]] for (uint i = 0; i < 2; i++) {
        uint k = first + 4 * i;
        Packed p = fetch(id - push.FirstID, k / UNIT, push.Cols);
        y[(row * push.Stride + k) / 4] = weights(p, k % UNIT / 4);
    }
}
