#version 450
// weight_max: the greatest magnitude of a matrix's weights, as the bits of a float, which order as unsigned numbers. The
// caller sets the word to 0.
//
// Work: an invocation looks at 16 units, LOCAL_SIZE apart. The grid is folded: as many workgroups as cover Rows·K/UNIT.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"

layout(constant_id = 1) const uint GROUP = 32;
layout(constant_id = 2) const uint ZERO = 0;

#include "weights.glsl"

layout(std430, binding = 4) buffer Result { uint result[]; };

layout(push_constant) uniform Push {
    uint Rows, K, At;
} push;

const uint TURNS = 16;

shared uint greatest;

void main() {
    if (gl_LocalInvocationIndex == 0) {
        greatest = 0;
    }
    barrier();
    uint group = gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    uint units = push.K / UNIT;
    float most = 0.0;
    for (uint turn = 0; turn < TURNS; turn++) {
        uint at = (group * TURNS + turn) * LOCAL_SIZE + gl_LocalInvocationIndex;
        if (at < push.Rows * units) {
            Packed packed = fetch(at / units, at % units, push.K);
            [[unroll]] for (uint j = 0; j < UNIT / 4; j++) {
                vec4 w = abs(weights(packed, j));
                most = max(most, max(max(w.x, w.y), max(w.z, w.w)));
            }
        }
    }
    atomicMax(greatest, floatBitsToUint(most));
    barrier();
    if (gl_LocalInvocationIndex == 0) {
        atomicMax(result[push.At], greatest);
    }
}
