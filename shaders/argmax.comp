#version 450
// argmax: each workgroup finds the greatest logit of its slice of a row; of equal ones the lowest id. Any NaN gives
// the id 0xffffffff.
//
// Work: grid (Groups, sequences); group g takes the g-th of Groups equal slices. "argmax_final" ends it.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "argmax.glsl"

layout(std430, binding = 0) readonly buffer Logits { float logits[]; };    // [sequences][Vocab]
layout(std430, binding = 1) writeonly buffer Partial { uvec2 partial[]; }; // [sequences][Groups]{f32 value, id}

void main() {
    uint slice = (push.Vocab + push.Groups - 1) / push.Groups;
    uint begin = gl_WorkGroupID.x * slice;
    uint end = min(begin + slice, push.Vocab);
    uvec3 best = NO_CANDIDATE;
    for (uint id = begin + gl_LocalInvocationIndex; id < end; id += LOCAL_SIZE) {
        uvec3 next = candidate(logits[gl_WorkGroupID.y * push.Vocab + id], id);
        if (before(next, best)) {
            best = next;
        }
    }
    best = winner(best);
    if (gl_LocalInvocationIndex == 0) {
        partial[gl_WorkGroupID.y * push.Groups + gl_WorkGroupID.x] = best.yz;
    }
}
