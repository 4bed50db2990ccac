// The tile of "mul_mat" and "mul_mat_i8": how it is cut, which part of the product it is, and how it is stored.

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

// Where the i-th row and the j-th column of an invocation lie in the tile, from its first.
uint row_of(uint i) { return i / 4 * (BM / TM * 4) + i % 4; }
uint column_of(uint j) { return j / 4 * (BN / TN * 4) + j % 4; }

// Where the tile of a workgroup begins.
struct Tile {
    uint base;    // first row of its matrix in the planes
    uint row, n;  // its own first row and column
    uint end;     // of the columns
    uint column;  // with EXPERTS: the row of x that an invocation loads
    bool foreign; // its expert lies in other planes
};

Tile tile_here() {
    Tile t = Tile(0, gl_WorkGroupID.x * BM, gl_WorkGroupID.y * BN, push.N, 0, false);
    if (EXPERTS != 0) {
        uint at = TILES_AT + gl_WorkGroupID.y * TILE_WORDS;
        uint expert = choice[at] - push.FirstExpert;
        t.foreign = expert >= push.Experts;
        t.base = expert * push.Rows;
        t.n = choice[at + 1];
        t.end = t.n + choice[at + 2];
        t.column = choice[push.PairsAt + min(t.n + gl_LocalInvocationIndex % BN, t.end - 1)] / push.Sharing;
    }
    return t;
}

// store_tile ends the product: the invocation's sums, whose first row and column in the tile are row0 and n0.
void store_tile(Tile t, uint row0, uint n0, float acc[TM][TN]) {
    [[unroll]] for (uint j = 0; j < TN; j++) {
        uint n = t.n + n0 + column_of(j);
        if (n < t.end) {
            if (EXPERTS != 0) {
                n = choice[push.PairsAt + n];
            }
            [[unroll]] for (uint i = 0; i < TM; i++) {
                uint row = t.row + row0 + row_of(i);
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
