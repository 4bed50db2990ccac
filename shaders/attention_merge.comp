#version 450
// attention_merge: the partial softmaxes of a row and head become one: with M the greatest maximum,
// out = Σ exp(m-M)·acc / Σ exp(m-M)·l. Parts that saw no page (m = -Inf) count for nothing.
//
// Work: one workgroup per head of a row, grid (Heads, Rows).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(constant_id = 1) const uint HEAD_DIM = 128;

layout(std430, binding = 0) readonly buffer Acc { float acc[]; };      // [Parts][Rows][Heads][D]
layout(std430, binding = 1) readonly buffer ML { vec2 ml[]; };         // [Parts][Rows][Heads]{maximum, sum}
layout(std430, binding = 2) writeonly buffer Out { float result[]; };  // [Rows][Heads·D]

layout(push_constant) uniform Push {
    uint Rows, Heads, Parts;
} push;

#define NONE uintBitsToFloat(0xff800000u) // -Inf

void main() {
    uint at = gl_WorkGroupID.y * push.Heads + gl_WorkGroupID.x;
    uint stride = push.Rows * push.Heads;
    float best = NONE;
    for (uint part = 0; part < push.Parts; part++) {
        best = max(best, ml[part * stride + at].x);
    }
    for (uint d = gl_LocalInvocationIndex; d < HEAD_DIM; d += LOCAL_SIZE) {
        float value = 0.0;
        float total = 0.0;
        for (uint part = 0; part < push.Parts; part++) {
            uint from = part * stride + at;
            vec2 m = ml[from];
            if (m.x != NONE) {
                float weight = exp(m.x - best);
                value = fma(weight, acc[from * HEAD_DIM + d], value);
                total = fma(weight, m.y, total);
            }
        }
        result[at * HEAD_DIM + d] = total > 0.0 ? value / total : value;
    }
}
