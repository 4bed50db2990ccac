#version 450
// top_k_final: the slices' candidates become the row's 64 greatest logits, sorted, ties by lower id, beside the maximum
// and the log of Σ exp(logit) over the whole row.
//
// Work: one workgroup per sequence, grid (1, sequences).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"
#include "select.glsl"

layout(std430, binding = 0) readonly buffer Partial { uint partial[]; };  // [sequences][Groups]{maximum, sum, 64 pairs}
layout(std430, binding = 1) writeonly buffer Results { uint results[]; }; // [sequences]{maximum, log-sum-exp, 0, 0, 64 pairs}

uint row_from;

// Candidate i is pair i%64 of group i/64.
float candidate_value(uint i) { return uintBitsToFloat(partial[row_from + i / 64 * 130 + 2 + i % 64 * 2]); }
uint candidate_id(uint i) { return partial[row_from + i / 64 * 130 + 3 + i % 64 * 2]; }

#include "top_k.glsl"

void main() {
    row_from = gl_WorkGroupID.y * push.Groups * GROUP_WORDS;
    select_top(push.Groups * TOP_K);

    uint to = gl_WorkGroupID.y * RESULT_WORDS;
    float maximum = uintBitsToFloat(top_pair(0).x);
    float sum = 0.0;
    for (uint g = gl_LocalInvocationIndex; g < push.Groups; g += LOCAL_SIZE) {
        float slice_sum = uintBitsToFloat(partial[row_from + g * GROUP_WORDS + 1]);
        if (slice_sum != 0.0) { // else the slice is empty or all -Inf
            sum += slice_sum * exp(uintBitsToFloat(partial[row_from + g * GROUP_WORDS]) - maximum);
        }
    }
    sum = reduce_add(sum);
    for (uint i = gl_LocalInvocationIndex; i < TOP_K; i += LOCAL_SIZE) {
        uvec2 pair = top_pair(i);
        results[to + 4 + 2 * i] = pair.x;
        results[to + 5 + 2 * i] = pair.y;
    }
    if (gl_LocalInvocationIndex == 0) {
        results[to] = floatBitsToUint(maximum);
        results[to + 1] = floatBitsToUint(maximum + log(sum));
        results[to + 2] = 0;
        results[to + 3] = 0;
    }
}
