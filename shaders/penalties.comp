#version 450
// penalties: repetition on every id that its slot has seen (a logit above 0 is divided by it, any other multiplied),
// then frequency·count + presence off the ids that were generated. In place.
//
// With PerRow there is a row of logits for each row of the step, and a row has seen, beside what its slot has, the rows of
// its sequence up to itself; the first of them is in the counts already. So the rows of a guess are judged as if the guess
// were right.
//
// Work: one invocation per logit, grid (ceil(Vocab/LOCAL_SIZE), Seqs).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "step.glsl"

layout(std430, binding = 0) buffer Logits { float logits[]; };          // [Seqs or rows][Vocab]
layout(std430, binding = 1) readonly buffer Counts { uint counts[]; };  // [slots][Vocab], see count_tokens
layout(std430, binding = 2) readonly buffer Params { vec4 params[]; };  // [slots]{repetition, presence, frequency, 0}
layout(std430, binding = 3) readonly buffer StepBuffer { uint step_words[]; };

layout(push_constant) uniform Push {
    uint Seqs, Vocab, SeqsAt;
    uint PerRow, IDsAt, RowsAt;
} push;

void main() {
    uint id = gl_GlobalInvocationID.x;
    uint s = gl_WorkGroupID.y;
    if (id >= push.Vocab) {
        return;
    }
    uint slot = push.PerRow != 0 ? step_words[push.RowsAt + 2 * s + 1] : SEQUENCE(step_words, push.SeqsAt, s).slot;
    uint seen = counts[slot * push.Vocab + id];
    if (push.PerRow != 0) {
        for (uint r = s; r > 0 && step_words[push.RowsAt + 2 * r - 1] == slot; r--) {
            seen += uint(step_words[push.IDsAt + r] == id);
        }
    }
    if (seen == 0) {
        return;
    }
    vec4 param = params[slot];
    float logit = logits[s * push.Vocab + id];
    logit = logit > 0.0 ? logit / param.x : logit * param.x;
    uint generated = seen & 0x7fffffffu;
    if (generated > 0) {
        logit -= param.z * float(generated) + param.y;
    }
    logits[s * push.Vocab + id] = logit;
}
