#version 450
// argmax_final: the best of a row's partial results becomes the sequence's result and its id in the step buffer, whose
// position and startPosition move on by one: the same commands then compute the next token. With Keep the step buffer is
// left alone, and rows need not be sequences.
//
// Work: one workgroup per sequence, grid (1, sequences). Row s of the step belongs to sequence s, as in a decode plan.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "argmax.glsl"

layout(std430, binding = 0) readonly buffer Partial { uvec2 partial[]; };  // [sequences][Groups]{f32 value, id}
layout(std430, binding = 1) buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 2) writeonly buffer Results { uint results[]; };  // [sequences]

void main() {
    uint s = gl_WorkGroupID.y;
    uvec3 best = NO_CANDIDATE;
    for (uint i = gl_LocalInvocationIndex; i < push.Groups; i += LOCAL_SIZE) {
        uvec2 entry = partial[s * push.Groups + i];
        uvec3 next = candidate(uintBitsToFloat(entry.x), entry.y);
        if (entry.x == NO_CANDIDATE.y && entry.y == NO_ID) {
            continue; // an empty slice
        }
        if (before(next, best)) {
            best = next;
        }
    }
    best = winner(best);
    if (gl_LocalInvocationIndex == 0) {
        results[s] = best.z;
        if (push.Keep == 0) {
            step_words[push.IDsAt + s] = best.z;
            step_words[push.RowsAt + 2 * s]++;
            step_words[push.SeqsAt + 4 * s + 3]++;
        }
    }
}
