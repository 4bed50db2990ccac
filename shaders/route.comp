#version 450
// route: chooses Used of Experts by the router's logits, for each row: softmax over all, then the greatest, ties by the
// lower id. With Renormalise the chosen weights sum to one.
//
// Work: one workgroup per row, grid (Rows). The place of an expert is the number of those before it, so any row, of NaN
// too, gives Used different ids; the weights then are NaN.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "reduce.glsl"
#include "select.glsl"

layout(std430, binding = 0) readonly buffer Logits { float logits[]; }; // [Rows][Experts]
layout(std430, binding = 1) writeonly buffer Route { uint route[]; };   // [Rows]{ids[Used], f32 weights[Used]}

layout(push_constant) uniform Push {
    uint Rows, Experts, Used, Renormalise;
} push;

const uint MAX_EXPERTS = 512; // Go: MaxExperts

shared uint keys[MAX_EXPERTS];
shared float chosen[MAX_EXPERTS]; // exp(logit - max) by rank

void main() {
    uint t = gl_LocalInvocationIndex;
    uint from = gl_WorkGroupID.x * push.Experts;
    uint to = gl_WorkGroupID.x * 2 * push.Used;
    float most = uintBitsToFloat(0xff800000u); // -Inf
    for (uint e = t; e < push.Experts; e += LOCAL_SIZE) {
        float logit = logits[from + e];
        keys[e] = order_key(logit);
        most = max(most, logit);
    }
    most = reduce_max(most);
    float total = 0.0;
    for (uint e = t; e < push.Experts; e += LOCAL_SIZE) {
        float share = exp(logits[from + e] - most);
        total += share;
        uint key = keys[e];
        uint rank = 0;
        for (uint other = 0; other < push.Experts; other++) {
            rank += uint(keys[other] > key || keys[other] == key && other < e);
        }
        if (rank < push.Used) {
            route[to + rank] = e;
            chosen[rank] = share;
        }
    }
    total = reduce_add(total); // and what was chosen is there to be seen
    if (push.Renormalise != 0) {
        total = 0.0;
        for (uint rank = 0; rank < push.Used; rank++) {
            total += chosen[rank];
        }
    }
    for (uint rank = t; rank < push.Used; rank += LOCAL_SIZE) {
        route[to + push.Used + rank] = floatBitsToUint(chosen[rank] / total);
    }
}
