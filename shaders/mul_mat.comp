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
#include "mul_mat_tile.glsl"

const uint BK = 32;

shared float wt[BK * BM]; // [k][row]
shared float xt[BK * BN]; // [k][column]

// load_tiles fills the shared tiles with steps k to k+31. Neighbouring invocations take neighbouring rows, which keeps their
// stores to shared memory in different banks.
void load_tiles(Tile t, uint k) {
    for (uint i = gl_LocalInvocationIndex; i < BM * (BK / UNIT); i += LOCAL_SIZE) {
        uint row = i % BM;
        uint unit = i / BM;
        Packed packed = fetch(t.base + min(t.row + row, push.Rows - 1), k / UNIT + unit, push.K);
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
        vec4 v = x[(EXPERTS != 0 ? t.column : min(t.n + n, push.N - 1)) * (push.XStride / 4) + k / 4 + j];
        [[unroll]] for (uint l = 0; l < 4; l++) {
            xt[(4 * j + l) * BN + n] = v[l];
        }
    }
}

void main() {
    Tile t = tile_here();
    if (t.foreign) {
        return;
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
        load_tiles(t, k);
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

    store_tile(t, row0, n0, acc);
}
