#version 450
// count_tokens: the ids of the rows are counted in their slot's history: bit 31 says "seen in a prompt", the lower bits
// count what was generated.
//
// Work: one invocation per row, grid (ceil(Rows/LOCAL_SIZE)). Atomic, since rows of one slot may hold the same id.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 1) buffer Counts { uint counts[]; }; // [slots][Vocab]

layout(push_constant) uniform Push {
    uint Rows, Vocab, IDsAt, RowsAt;
    uint Prompt;
} push;

void main() {
    uint row = gl_GlobalInvocationID.x;
    if (row >= push.Rows) {
        return;
    }
    uint id = step_words[push.IDsAt + row];
    uint slot = step_words[push.RowsAt + 2 * row + 1];
    if (id >= push.Vocab) {
        return;
    }
    if (push.Prompt != 0) {
        atomicOr(counts[slot * push.Vocab + id], 0x80000000u);
    } else {
        atomicAdd(counts[slot * push.Vocab + id], 1u);
    }
}
