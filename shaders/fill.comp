#version 450
// fill: random weights, made where they are read. Each 32-bit word of a plane of a tensor is a hash of its place and the
// tensor's seed, with the bits set and cleared that make it one of the plane (quant.Layout.Noise).
//
// The plane is that of a pack: rows of several tensors, one tensor after another, or with Turns > 1 row by row in turn
// among Turns of them, Block rows for each such group (the gate and up of an expert).
//
// Work: one invocation writes 16 bytes, since neighbouring rows may share a word; grid (groups, folded over y).
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

layout(std430, binding = 0) readonly buffer Parts { uvec2 parts[]; }; // [Tensors]: first row in the pack, seed
layout(std430, binding = 1) readonly buffer Masks { uvec2 masks[]; }; // [Period]: bits to keep, bits to set
layout(std430, binding = 2) writeonly buffer Y { uvec4 y[]; };        // [ceil(Halves/8)]

layout(push_constant) uniform Push {
    uint Halves, RowHalves; // 16-bit halves of the bound plane, of one of its rows
    uint FirstRow;          // of the bound plane, in the pack
    uint Tensors, Turns, Block;
    uint Period, Salt;
} push;

uint hash(uint x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

// The tensor that a row of the pack belongs to, and the row's number there.
uvec2 place(uint row) {
    if (push.Turns > 1) {
        uint within = row % push.Block;
        return uvec2(row / push.Block * push.Turns + within % push.Turns, within / push.Turns);
    }
    uint low = 0, high = push.Tensors;
    while (high - low > 1) { // parts[low] begins at or before the row, parts[high] behind it
        uint middle = (low + high) / 2;
        if (parts[middle].x <= row) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return uvec2(low, row - parts[low].x);
}

void main() {
    uint at = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * LOCAL_SIZE + gl_LocalInvocationID.x;
    if (at >= (push.Halves + 7) / 8) {
        return;
    }
    uint first = at * 8;
    uint row = first / push.RowHalves;
    uint column = first % push.RowHalves;
    uvec2 tensor = place(push.FirstRow + row);
    uint seed = hash(parts[tensor.x].y + push.Salt);
    uint words[4] = uint[4](0u, 0u, 0u, 0u);
    for (uint i = 0; i < 8 && first + i < push.Halves; i++) {
        if (column == push.RowHalves) {
            column = 0;
            row++;
            tensor = place(push.FirstRow + row);
            seed = hash(parts[tensor.x].y + push.Salt);
        }
        uint half_index = tensor.y * push.RowHalves + column;
        uint word = half_index / 2;
        uvec2 mask = masks[word % push.Period];
        uint bits = hash(word ^ seed) & mask.x | mask.y;
        words[i / 2] |= (bits >> (16 * (half_index % 2)) & 0xffffu) << (16 * (i % 2));
        column++;
    }
    y[at] = uvec4(words[0], words[1], words[2], words[3]);
}
