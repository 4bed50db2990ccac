#version 450
// measure_matrix: how fast matrix units multiply f16 and add up in f32, without loading anything. Four sums hide the latency
// of one.
//
// Work: a subgroup makes 4*Rounds products of UM by UN by UK; grid (any).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(constant_id = 1) const uint SUBGROUP = 32;
layout(constant_id = 2) const uint UM = 16;
layout(constant_id = 3) const uint UN = 16;
layout(constant_id = 4) const uint UK = 16;

#include "matrix_unit.glsl"

layout(std430, binding = 0) writeonly buffer Y { float y[]; }; // [SUBGROUP]

layout(push_constant) uniform Push {
    uint Rounds;
    float Factor, Addend; // elements of the factors; their product is small
} push;

void main() {
    MATRIX_A a = MATRIX_A(float16_t(push.Factor));
    MATRIX_B b0 = MATRIX_B(float16_t(push.Addend));
    MATRIX_B b1 = MATRIX_B(float16_t(push.Addend * 2.0)); // all different: equal products would be made once
    MATRIX_B b2 = MATRIX_B(float16_t(push.Addend * 3.0));
    MATRIX_B b3 = MATRIX_B(float16_t(push.Addend * 5.0));
    MATRIX_SUM s0 = MATRIX_SUM(0.0);
    MATRIX_SUM s1 = MATRIX_SUM(1.0);
    MATRIX_SUM s2 = MATRIX_SUM(2.0);
    MATRIX_SUM s3 = MATRIX_SUM(3.0);
    for (uint r = 0; r < push.Rounds; r++) {
        s0 = coopMatMulAdd(a, b0, s0);
        s1 = coopMatMulAdd(a, b1, s1);
        s2 = coopMatMulAdd(a, b2, s2);
        s3 = coopMatMulAdd(a, b3, s3);
        a = -a; // or a compiler without matrix units would make the product once
    }
    s0 = s0 + s1 + s2 + s3;
    if (s0[0] == 1e30) { // sums stay far below
        y[gl_SubgroupInvocationID] = inverse(1.0);
    }
}
