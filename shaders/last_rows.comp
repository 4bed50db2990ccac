#version 450
// last_rows: row s of y becomes the last row of sequence s of x; a sequence without rows leaves its row alone.
//
// Work: one invocation per element, grid (ceil(Cols/LOCAL_SIZE), Seqs).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "step.glsl"

layout(std430, binding = 0) readonly buffer X { float x[]; };  // [rows][Cols]
layout(std430, binding = 1) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 2) writeonly buffer Y { float y[]; }; // [Seqs][Cols]

layout(push_constant) uniform Push {
    uint Seqs, Cols, SeqsAt;
} push;

void main() {
    uint i = gl_GlobalInvocationID.x;
    Sequence seq = SEQUENCE(step_words, push.SeqsAt, gl_WorkGroupID.y);
    if (i < push.Cols && seq.rows > 0) {
        y[gl_WorkGroupID.y * push.Cols + i] = x[(seq.first_row + seq.rows - 1) * push.Cols + i];
    }
}
