#version 450
// mul_mat: y[n, row] = Σ_k W[row, k]·x[n, k] for any number of columns n (the tokens of a prompt), then the epilogue.
//
// Work: a workgroup computes a tile of BM rows by BN columns, an invocation TM by TN of it, so that
// LOCAL_SIZE = BM/TM · BN/TN. Grid (ceil(Rows/BM), ceil(N/BN)). Accumulators are f32, and so are the tiles: activations
// of real models leave the range of f16.
//
//   tiled  (BN > TN): 32 steps of K at a time, weights and activations go dequantised through shared memory.
//   skinny (BN = TN): each invocation has all columns of the tile for its own rows, so no weight is needed twice: weights
//                     go straight to registers, and x is read at one address by all. Made for few columns.
//
// LOCAL_SIZE is a power of two; TM is even with the SwiGLU epilogue. Shared memory: 128·(BM+BN) bytes when tiled.
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

#include "weights.glsl"
#include "mul_mat.glsl"

const uint BK = 32;
const bool SKINNY = BN == TN;

shared float wt[SKINNY ? 1 : BK * BM]; // [k][row]
shared float xt[SKINNY ? 1 : BK * BN]; // [k][column]

// load_tiles fills the shared tiles with steps k to k+31. Neighbouring invocations take neighbouring rows, which keeps
// their stores to shared memory in different banks.
void load_tiles(uint first_row, uint first_n, uint k) {
    for (uint i = gl_LocalInvocationIndex; i < BM * (BK / UNIT); i += LOCAL_SIZE) {
        uint row = i % BM;
        uint unit = i / BM;
        Packed packed = fetch(min(first_row + row, push.Rows - 1), k / UNIT + unit, push.K);
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
        vec4 v = x[min(first_n + n, push.N - 1) * (push.XStride / 4) + k / 4 + j];
        [[unroll]] for (uint l = 0; l < 4; l++) {
            xt[(4 * j + l) * BN + n] = v[l];
        }
    }
}

void main() {
    uint first_row = gl_WorkGroupID.x * BM;
    uint first_n = gl_WorkGroupID.y * BN;
    uint row0 = gl_LocalInvocationIndex % (BM / TM) * TM; // within the tile
    uint n0 = SKINNY ? 0 : gl_LocalInvocationIndex / (BM / TM) * TN;

    float acc[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++) {
        [[unroll]] for (uint j = 0; j < TN; j++) {
            acc[i][j] = 0.0;
        }
    }

    if (SKINNY) {
        for (uint unit = 0; unit < push.K / UNIT; unit++) {
            Packed packed[TM];
            [[unroll]] for (uint i = 0; i < TM; i++) {
                packed[i] = fetch(min(first_row + row0 + i, push.Rows - 1), unit, push.K);
            }
            [[unroll]] for (uint l = 0; l < UNIT / 4; l++) {
                vec4 w[TM];
                [[unroll]] for (uint i = 0; i < TM; i++) {
                    w[i] = weights(packed[i], l);
                }
                [[unroll]] for (uint j = 0; j < TN; j++) {
                    vec4 v = x[min(first_n + j, push.N - 1) * (push.XStride / 4) + unit * (UNIT / 4) + l];
                    [[unroll]] for (uint i = 0; i < TM; i++) {
                        acc[i][j] = fma(w[i].w, v.w, fma(w[i].z, v.z, fma(w[i].y, v.y, fma(w[i].x, v.x, acc[i][j]))));
                    }
                }
            }
        }
    } else {
        for (uint k = 0; k < push.K; k += BK) {
            load_tiles(first_row, first_n, k);
            barrier();
            for (uint step = 0; step < BK; step++) {
                float w[TM];
                float v[TN];
                [[unroll]] for (uint i = 0; i < TM; i++) {
                    w[i] = wt[step * BM + row0 + i];
                }
                [[unroll]] for (uint j = 0; j < TN; j++) {
                    v[j] = xt[step * BN + n0 + j];
                }
                [[unroll]] for (uint i = 0; i < TM; i++) {
                    [[unroll]] for (uint j = 0; j < TN; j++) {
                        acc[i][j] = fma(w[i], v[j], acc[i][j]);
                    }
                }
            }
            barrier();
        }
    }

    [[unroll]] for (uint j = 0; j < TN; j++) {
        uint n = first_n + n0 + j;
        if (n < push.N) {
            [[unroll]] for (uint i = 0; i < TM; i++) {
                uint row = first_row + row0 + i;
                if (EPILOGUE == SWIGLU) {
                    if (i % 2 == 0 && row < push.Rows) {
                        store_swiglu(n, row, acc[i][j], acc[i + 1 < TM ? i + 1 : i][j]);
                    }
                } else if (row < push.Rows) {
                    store(n, row, acc[i][j]);
                }
            }
        }
    }
}
