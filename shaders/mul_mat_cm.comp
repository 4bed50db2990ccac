#version 450
// mul_mat_cm: what "mul_mat" computes, with cooperative matrices.
//
// Work: a workgroup computes a tile of BM rows by BN columns, each of its subgroups WM by WN of it in products of UM by UN,
// so that LOCAL_SIZE = SUBGROUP · BM/WM · BN/WN. Grid (ceil(Rows/BM), ceil(N/BN)); EXPERTS as in "mul_mat".
// 32 steps of K at a time, dequantised weights and activations go through shared memory as f16; sums stay f32.
//
// f16 ends at 65504, loses precision below 2^-14, and real activations and weights leave that range. So the weights are
// multiplied by WScale and the activations by XScale and, with SCALED, a factor for each row of x that "row_scale" made
// of its greatest element; all are powers of two, and the sums are multiplied by their inverses: only the rounding to 11
// bits is left. Shared memory, bytes: 80·(BM+BN) + 8·BN + 4·UM·UN for each subgroup.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"

layout(constant_id = 1) const uint BM = 64;
layout(constant_id = 2) const uint BN = 64;
layout(constant_id = 3) const uint GROUP = 32;
layout(constant_id = 4) const uint ZERO = 0;
layout(constant_id = 5) const uint EPILOGUE = 0;
layout(constant_id = 6) const uint WM = 32;
layout(constant_id = 7) const uint WN = 32;
layout(constant_id = 8) const uint EXPERTS = 0;
layout(constant_id = 9) const uint SCALED = 0;
layout(constant_id = 10) const uint UM = 16;
layout(constant_id = 11) const uint UN = 16;
layout(constant_id = 12) const uint UK = 16;
layout(constant_id = 13) const uint SUBGROUP = 32;

#include "matrix_unit.glsl"
#include "weights.glsl"
#include "mul_mat.glsl"
#include "experts.glsl"

layout(std430, binding = 7) readonly buffer Factors { float factors[]; }; // of the rows of x

const uint BK = 32;
const uint STRIDE = BK / 4 + 2; // quads of a row; the two in excess put neighbouring rows in different banks

shared f16vec4 wt[BM * STRIDE]; // [row][k]
shared f16vec4 xt[BN * STRIDE]; // [column][k]
shared uint x_rows[BN];         // of the tile's columns
shared float x_factors[BN];
shared float sums[LOCAL_SIZE / SUBGROUP * UM * UN]; // [subgroup][column][row]

// load_tiles fills the shared tiles with steps k to k+31; base is the first row of the matrix.
void load_tiles(uint base, uint first_row, uint k) {
    for (uint i = gl_LocalInvocationIndex; i < BM * (BK / UNIT); i += LOCAL_SIZE) {
        uint row = i % BM;
        uint unit = i / BM;
        Packed packed = fetch(base + min(first_row + row, push.Rows - 1), k / UNIT + unit, push.K);
        [[unroll]] for (uint j = 0; j < UNIT / 4; j++) {
            wt[row * STRIDE + unit * (UNIT / 4) + j] = f16vec4(weights(packed, j) * push.WScale);
        }
    }
    for (uint i = gl_LocalInvocationIndex; i < BN * (BK / 4); i += LOCAL_SIZE) {
        uint n = i / (BK / 4);
        uint j = i % (BK / 4);
        xt[n * STRIDE + j] = f16vec4(x[x_rows[n] * (push.XStride / 4) + k / 4 + j] * x_factors[n]);
    }
}

void main() {
    uint first_row = gl_WorkGroupID.x * BM;
    uint first_n = gl_WorkGroupID.y * BN;
    uint end = push.N; // of the columns
    uint base = 0;
    if (EXPERTS != 0) {
        uint at = TILES_AT + gl_WorkGroupID.y * TILE_WORDS;
        uint expert = choice[at] - push.FirstExpert;
        if (expert >= push.Experts) {
            return;
        }
        base = expert * push.Rows;
        first_n = choice[at + 1];
        end = first_n + choice[at + 2];
    }
    for (uint n = gl_LocalInvocationIndex; n < BN; n += LOCAL_SIZE) {
        uint row = min(first_n + n, end - 1);
        if (EXPERTS != 0) {
            row = choice[push.PairsAt + row] / push.Sharing;
        }
        x_rows[n] = row;
        x_factors[n] = SCALED != 0 ? push.XScale * factors[row] : push.XScale;
    }
    barrier();

    uint row0 = gl_SubgroupID % (BM / WM) * WM; // of the subgroup's part, within the tile
    uint n0 = gl_SubgroupID / (BM / WM) * WN;
    MATRIX_SUM acc[WM / UM * (WN / UN)];
    [[unroll]] for (uint i = 0; i < WM / UM * (WN / UN); i++) {
        acc[i] = MATRIX_SUM(0.0);
    }

    for (uint k = 0; k < push.K; k += BK) {
        load_tiles(base, first_row, k);
        barrier();
        [[unroll]] for (uint step = 0; step < BK; step += UK) {
            MATRIX_A a[WM / UM];
            [[unroll]] for (uint i = 0; i < WM / UM; i++) {
                coopMatLoad(a[i], wt, (row0 + i * UM) * STRIDE + step / 4, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint j = 0; j < WN / UN; j++) {
                MATRIX_B b;
                coopMatLoad(b, xt, (n0 + j * UN) * STRIDE + step / 4, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                [[unroll]] for (uint i = 0; i < WM / UM; i++) {
                    acc[j * (WM / UM) + i] = coopMatMulAdd(a[i], b, acc[j * (WM / UM) + i]);
                }
            }
        }
        barrier();
    }

    float w_inverse = inverse(push.WScale);
    uint stage = gl_SubgroupID * UM * UN;
    [[unroll]] for (uint j = 0; j < WN / UN; j++) {
        [[unroll]] for (uint i = 0; i < WM / UM; i++) {
            coopMatStore(acc[j * (WM / UM) + i], sums, stage, UM, gl_CooperativeMatrixLayoutColumnMajor);
            subgroupBarrier();
            for (uint e = gl_SubgroupInvocationID * (PAIRED ? 2 : 1); e < UM * UN; e += SUBGROUP * (PAIRED ? 2 : 1)) {
                uint row = first_row + row0 + i * UM + e % UM;
                uint column = n0 + j * UN + e / UM;
                uint n = first_n + column;
                if (row < push.Rows && n < end) {
                    if (EXPERTS != 0) {
                        n = choice[push.PairsAt + n];
                    }
                    float x_inverse = inverse(x_factors[column]);
                    float sum = sums[stage + e] * x_inverse * w_inverse;
                    if (!PAIRED) {
                        store(n, row, sum);
                    } else {
                        store_swiglu(n, row, sum, sums[stage + e + 1] * x_inverse * w_inverse);
                    }
                }
            }
            subgroupBarrier(); // read before the next are stored
        }
    }
}
