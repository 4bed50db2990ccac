#version 450
// measure_read: how fast memory can be read. Every word is read once and added up; the sums are written so that no
// compiler leaves the loads out.
//
// Work: an invocation reads STRIP times 16 bytes, neighbours side by side; grid (Quads/(STRIP*LOCAL_SIZE), folded over y).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(constant_id = 1) const uint STRIP = 16;

layout(std430, binding = 0) readonly buffer X { uvec4 x[]; };   // [Quads]
layout(std430, binding = 1) writeonly buffer Y { uint sums[]; }; // [1]

layout(push_constant) uniform Push {
    uint Quads;
} push;

void main() {
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint first = group * (STRIP * LOCAL_SIZE) + gl_LocalInvocationID.x;
    uvec4 sum = uvec4(0);
    for (uint i = 0; i < STRIP; i++) {
        uint at = first + i * LOCAL_SIZE;
        if (at < push.Quads) {
            sum += x[at];
        }
    }
    uint all = sum.x + sum.y + sum.z + sum.w;
    if (all == 0x9e3779b9u) { // of what the buffer is filled with, no sum is that
        sums[0] = all;
    }
}
