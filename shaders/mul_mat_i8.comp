#version 450
// mul_mat_i8: "mul_mat" for x in signed bytes (int8.glsl) and quantised weights: four bytes of a row and a column are
// multiplied and summed by one instruction, as integers and without any rounding.
//
// The tile, the grid, the order of an invocation's rows and columns, and EXPERTS are those of "mul_mat". BLOCKS blocks of 32
// steps of K go through shared memory at a time, as bytes: BLOCKS·(BM+BN)·32 bytes of quants, and for each scale of the
// weights and each block of x the numbers that belong to it.
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_integer_dot_product : require
#include "prelude.glsl"
#include "half.glsl"
#include "mul_mat_tile.glsl"

layout(constant_id = 9) const uint BLOCKS = 2;

const uint WORDS = 8;                          // of a block's quants
const uint PARTS = UNIT == 16 ? 1 : SUBS;      // of a block that have scales of their own
const bool SUMMED_X = HAS_ZERO_LEFT || HAS_MINIMUM; // what Σ q of x is needed for

shared uint wt[BLOCKS * WORDS * BM];           // [block][word][row]
shared float scale_of[BLOCKS * PARTS * BM];    // [block][part][row]
shared float zero_of[HAS_ZERO_LEFT ? BLOCKS * PARTS * BM : 1];
shared float minimum_of[HAS_MINIMUM ? BLOCKS * PARTS * BM : 1];
shared uint xt[BLOCKS * WORDS * BN];           // [block][word][column]
shared float d_of[BLOCKS * BN];                // [block][column]
shared float sum_of[SUMMED_X ? BLOCKS * PARTS * BN : 1]; // Σ q: [block][part][column]

// load_tiles fills the shared tiles with BLOCKS blocks from block first on; where K ends earlier, with zeros.
void load_tiles(Tile t, uint first) {
    const uint units = 32 / UNIT; // of a block
    for (uint i = gl_LocalInvocationIndex; i < BM * BLOCKS * units; i += LOCAL_SIZE) {
        uint row = i % BM;
        uint unit = i / BM;
        uint block = unit / units;
        bool inside = first + block < push.K / 32;
        Packed packed = fetch(t.base + min(t.row + row, push.Rows - 1), inside ? first * units + unit : 0, push.K);
        [[unroll]] for (uint j = 0; j < UNIT / 4; j++) {
            wt[(unit * (UNIT / 4) + j) * BM + row] = centred(packed, j);
        }
        if (unit % units == 0) { // both units of a block of q8 have the same
            [[unroll]] for (uint part = 0; part < PARTS; part++) {
                uint to = (block * PARTS + part) * BM + row;
                scale_of[to] = inside ? scale(packed, part) : 0.0;
                if (HAS_ZERO_LEFT) {
                    zero_of[to] = zero(packed);
                }
                if (HAS_MINIMUM) {
                    minimum_of[to] = inside ? minimum(packed, part) : 0.0;
                }
            }
        }
    }
    for (uint i = gl_LocalInvocationIndex; i < BN * BLOCKS; i += LOCAL_SIZE) {
        uint n = i % BN;
        uint block = i / BN;
        bool inside = first + block < push.K / 32;
        uint at = (EXPERTS != 0 ? t.column : min(t.n + n, push.N - 1)) * (push.K / 32) + (inside ? first + block : 0);
        [[unroll]] for (uint j = 0; j < 2; j++) {
            uvec4 v = quants[at * 2 + j];
            [[unroll]] for (uint l = 0; l < 4; l++) {
                xt[(block * WORDS + 4 * j + l) * BN + n] = v[l];
            }
        }
        uvec2 behind = scales[push.XRows * (push.K / 8) + at];
        d_of[i] = inside ? uintBitsToFloat(behind.x) : 0.0;
        if (SUMMED_X) {
            vec2 halves = vec2(bitfieldExtract(int(behind.y), 0, 16), int(behind.y) >> 16);
            [[unroll]] for (uint part = 0; part < PARTS; part++) {
                sum_of[(block * PARTS + part) * BN + n] = PARTS == 2 ? halves[part] : halves.x + halves.y;
            }
        }
    }
}

// accumulate adds a part of a block, from the shared tiles, to the sums of an invocation.
void accumulate(inout float acc[TM][TN], uint block, uint part, uint row0, uint n0) {
    int dots[TM][TN];
    [[unroll]] for (uint i = 0; i < TM; i++) {
        [[unroll]] for (uint j = 0; j < TN; j++) {
            dots[i][j] = 0;
        }
    }
    for (uint word = 0; word < WORDS / PARTS; word++) {
        uint at = block * WORDS + part * (WORDS / PARTS) + word;
        int w[TM];
        int v[TN];
        [[unroll]] for (uint i = 0; i < TM; i++) {
            w[i] = int(wt[at * BM + row0 + row_of(i)]);
        }
        [[unroll]] for (uint j = 0; j < TN; j++) {
            v[j] = int(xt[at * BN + n0 + column_of(j)]);
        }
        [[unroll]] for (uint i = 0; i < TM; i++) {
            [[unroll]] for (uint j = 0; j < TN; j++) {
                dots[i][j] += dotPacked4x8EXT(w[i], v[j]);
            }
        }
    }
    uint p = block * PARTS + part;
    [[unroll]] for (uint j = 0; j < TN; j++) {
        uint n = n0 + column_of(j);
        float d = d_of[block * BN + n];
        float sum = SUMMED_X ? sum_of[p * BN + n] : 0.0;
        [[unroll]] for (uint i = 0; i < TM; i++) {
            uint row = p * BM + row0 + row_of(i);
            float product = float(dots[i][j]);
            if (HAS_ZERO_LEFT) {
                product = fma(-zero_of[row], sum, product); // exact: below 2^24
            }
            acc[i][j] = fma(scale_of[row] * d, product, acc[i][j]);
            if (HAS_MINIMUM) {
                acc[i][j] = fma(-minimum_of[row] * d, sum, acc[i][j]);
            }
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
    for (uint first = 0; first < push.K / 32; first += BLOCKS) {
        load_tiles(t, first);
        barrier();
        for (uint p = 0; p < BLOCKS * PARTS; p++) {
            accumulate(acc, p / PARTS, p % PARTS, row0, n0);
        }
        barrier();
    }
    store_tile(t, row0, n0, acc);
}
