#version 450
// top_k: each workgroup finds the 64 greatest logits of its slice of a row, sorted, ties by lower id, and the sum of
// exp(logit - maximum) over the slice. A NaN comes first, with its own id.
//
// Work: grid (Groups, sequences); group g takes the g-th of Groups equal slices. "top_k_final" merges them.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"
#include "select.glsl"

layout(std430, binding = 0) readonly buffer Logits { float logits[]; };   // [sequences][Vocab]
layout(std430, binding = 1) writeonly buffer Partial { uint partial[]; }; // [sequences][Groups]{maximum, sum, 64 pairs}

uint slice_from, slice_id;

float candidate_value(uint i) { return logits[slice_from + i]; }
uint candidate_id(uint i) { return slice_id + i; }

#include "top_k.glsl"

void main() {
    uint slice = (push.Vocab + push.Groups - 1) / push.Groups;
    slice_id = min(gl_WorkGroupID.x * slice, push.Vocab);
    slice_from = gl_WorkGroupID.y * push.Vocab + slice_id;
    uint count = min(slice, push.Vocab - slice_id);
    select_top(count);

    uint to = (gl_WorkGroupID.y * push.Groups + gl_WorkGroupID.x) * GROUP_WORDS;
    float maximum = uintBitsToFloat(top_pair(0).x);
    float sum = 0.0;
    if (order_key(maximum) > order_key(uintBitsToFloat(0xff800000u))) { // else all are -Inf
        for (uint i = gl_LocalInvocationIndex; i < count; i += LOCAL_SIZE) {
            sum += exp(candidate_value(i) - maximum);
        }
    }
    sum = reduce_add(sum);
    for (uint i = gl_LocalInvocationIndex; i < TOP_K; i += LOCAL_SIZE) {
        uvec2 pair = top_pair(i);
        partial[to + 2 + 2 * i] = pair.x;
        partial[to + 3 + 2 * i] = pair.y;
    }
    if (gl_LocalInvocationIndex == 0) {
        partial[to] = floatBitsToUint(maximum);
        partial[to + 1] = floatBitsToUint(sum);
    }
}
