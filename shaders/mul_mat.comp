#version 450
// mul_mat: y[n, row] = Σ_k W[row, k]·x[n, k] for any number of columns n (the tokens of a prompt), then the epilogue.
//
// Work: a workgroup computes a tile of BM rows by BN columns, an invocation TM by TN of it, so that
// LOCAL_SIZE = BM/TM · BN/TN; TM and TN are multiples of 4. Grid (ceil(Rows/BM), ceil(N/BN)).
// 32 steps of K at a time, dequantised weights and activations go through shared memory: 128·(BM+BN) bytes. They stay
// f32, like the accumulators: activations of real models leave the range of f16.
//
// With EXPERTS a workgroup's matrix is that of an expert: the planes hold Rows rows of each of the experts from
// FirstExpert on, and y of the grid is a tile of the list that "expert_tiles" made: up to BN columns that one expert
// has. A column is a (token, rank) pair; it has a row of y, and of x one for all ranks of its token or one of its own.
// Tiles of experts that other planes hold are left to them. LOCAL_SIZE is a multiple of BN.
//
// The rows (and columns) of an invocation come in fours spread over the tile, so that neighbours read neighbouring
// 16 bytes of shared memory.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"

layout(constant_id = 1) const uint BM = 64;
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint GROUP = 32;
layout(constant_id = 4) const uint ZERO = 0;
layout(constant_id = 5) const uint EPILOGUE = 0;
layout(constant_id = 6) const uint TM = 8;
layout(constant_id = 7) const uint TN = 4;
layout(constant_id = 8) const uint EXPERTS = 0;

#include "weights.glsl"
#include "mul_mat.glsl"
#include "experts.glsl"

const uint BK = 32;

shared float wt[BK * BM]; // [k][row]
shared float xt[BK * BN]; // [k][column]

// load_tiles fills the shared tiles with steps k to k+31; base is the first row of the matrix, and column is the row of x
// that an invocation loads with EXPERTS. Neighbouring invocations take neighbouring rows, which keeps
// their stores to shared memory in different banks.
void load_tiles(uint base, uint first_row, uint first_n, uint column, uint k) {
    for (uint i = gl_LocalInvocationIndex; i < BM * (BK / UNIT); i += LOCAL_SIZE) {
        uint row = i % BM;
        uint unit = i / BM;
        Packed packed = fetch(base + min(first_row + row, push.Rows - 1), k / UNIT + unit, push.K);
        [[unroll]] for (uint j = 0; j < UNIT / 4; j++) {
            vec4 w = weights(packed, j);
            [[unroll]] for (uint l = 0; l < 4; l++) {
                wt[(unit * UNIT + 4 * j + l) * BM + row] = w[l];
            }
        }
    }
    for (uint i = gl_LocalInvocationIndex; i < BN * (BK / 4); i += LOCAL_SIZE) {
        uint n = i % BN;
        uint j = i / BN;
        vec4 v = x[(EXPERTS != 0 ? column : min(first_n + n, push.N - 1)) * (push.XStride / 4) + k / 4 + j];
        [[unroll]] for (uint l = 0; l < 4; l++) {
            xt[(4 * j + l) * BN + n] = v[l];
        }
    }
}

// Where the i-th row and the j-th column of an invocation lie in the tile, from its first.
uint row_of(uint i) { return i / 4 * (BM / TM * 4) + i % 4; }
uint column_of(uint j) { return j / 4 * (BN / TN * 4) + j % 4; }

void main() {
    uint first_row = gl_WorkGroupID.x * BM;
    uint first_n = gl_WorkGroupID.y * BN;
    uint end = push.N; // of the columns
    uint base = 0, column = 0;
    if (EXPERTS != 0) {
        uint at = TILES_AT + gl_WorkGroupID.y * TILE_WORDS;
        uint expert = choice[at] - push.FirstExpert;
        if (expert >= push.Experts) {
            return;
        }
        base = expert * push.Rows;
        first_n = choice[at + 1];
        end = first_n + choice[at + 2];
        column = choice[push.PairsAt + min(first_n + gl_LocalInvocationIndex % BN, end - 1)] / push.Sharing;
    }
    uint row0 = gl_LocalInvocationIndex % (BM / TM) * 4; // within the tile
    uint n0 = gl_LocalInvocationIndex / (BM / TM) * 4;

    float acc[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++) {
        [[unroll]] for (uint j = 0; j < TN; j++) {
            acc[i][j] = 0.0;
        }
    }

    for (uint k = 0; k < push.K; k += BK) {
        load_tiles(base, first_row, first_n, column, k);
        barrier();
        for (uint step = 0; step < BK; step++) {
            float w[TM];
            float v[TN];
            [[unroll]] for (uint i = 0; i < TM; i++) {
                w[i] = wt[step * BM + row0 + row_of(i)];
            }
            [[unroll]] for (uint j = 0; j < TN; j++) {
                v[j] = xt[step * BN + n0 + column_of(j)];
            }
            [[unroll]] for (uint i = 0; i < TM; i++) {
                [[unroll]] for (uint j = 0; j < TN; j++) {
                    acc[i][j] = fma(w[i], v[j], acc[i][j]);
                }
            }
        }
        barrier();
    }

    [[unroll]] for (uint j = 0; j < TN; j++) {
        uint n = first_n + n0 + column_of(j);
        if (n < end) {
            if (EXPERTS != 0) {
                n = choice[push.PairsAt + n];
            }
            [[unroll]] for (uint i = 0; i < TM; i++) {
                uint row = first_row + row0 + row_of(i);
                if (row >= push.Rows) {
                    continue;
                }
                if (!PAIRED) {
                    store(n, row, acc[i][j]);
                } else if (i % 2 == 0) {
                    store_swiglu(n, row, acc[i][j], acc[i ^ 1][j]);
                }
            }
        }
    }
}
