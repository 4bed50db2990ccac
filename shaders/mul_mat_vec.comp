#version 450
// mul_mat_vec: y[n, row] = Σ_k W[row, k]·x[n, k] for 1 to 8 columns n, then the epilogue.
//
// Work: a workgroup computes ROWS rows for all columns. LANES invocations form a team that shares the units of K; the
// LOCAL_SIZE/LANES teams share the rows. Each weight is loaded once for all columns. Cards take one team, whose loads
// are neighbours; short rows take several, so that no lane idles; with LANES 1 all read x at one address, which is what
// a CPU broadcasts best. Grid: ceil(Rows/ROWS) groups folded into x and y (neither may exceed 65535).
// With NORM, x is RMS-normed on the way: every workgroup sums x² beside its products and scales its results, which costs
// less than the dispatch and the barrier of a norm of its own.
//
// With EXPERTS the matrix is that of an expert: the planes hold Rows rows of each of the experts from FirstExpert on, and
// a routing [tokens]{ids[Used], weights[Used]} tells which are chosen. EACH: z of the grid is a (token, rank) pair, which
// has a row of y, and of x one for all ranks of its token or one of its own; an expert that other planes hold is left to
// them. SUMMED: z is a token; y gets the weighted sum over its ranks, in their order. The routing takes the place of
// the addend, which the one never has, or of the norm's weight, which the other never has. COLS is 1.
//
// A column's result does not depend on COLS: each is summed in the same order, so that verifying 8 tokens at once gives
// the bits of 8 steps. All sums are explicit fma for that reason.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"

// With lanes that share nothing, as a CPU computes, bits become the mantissas of numbers of one size: an "or" in place of the
// conversion, which the compiler cannot make part of taking the bits out there, as cards do.
#define MANTISSAS (LANES == 1)

#include "mul_mat_vec.glsl"

void accumulate(inout float acc[COLS][SUMS], uint base, uint first, uint column, float weight) {
    for (uint unit = gl_LocalInvocationIndex % LANES; unit < push.K / UNIT; unit += LANES) {
        Packed packed[OWN];
        [[unroll]] for (uint r = 0; r < OWN; r++) {
            packed[r] = fetch(base + min(first + r, push.Rows - 1), unit, push.K);
        }
        [[unroll]] for (uint sub = 0; sub < SUBS; sub++) {
            float products[COLS][OWN]; // Σ q·x
            float xs[COLS];             // Σ x, for zero points and minima
            [[unroll]] for (uint c = 0; c < COLS; c++) {
                xs[c] = 0.0;
                [[unroll]] for (uint r = 0; r < OWN; r++) {
                    products[c][r] = 0.0;
                }
            }
            for (uint first_quad = 0; first_quad < QUADS; first_quad += UNROLLED) {
                [[unroll]] for (uint j = 0; j < UNROLLED; j++) {
                    uint i = sub * QUADS + first_quad + j;
                    uint at = unit * (UNIT / 4) + i;
                    vec4 w[OWN];
                    [[unroll]] for (uint r = 0; r < OWN; r++) {
                        w[r] = quad(packed[r], i);
                    }
                    [[unroll]] for (uint c = 0; c < COLS; c++) {
                        vec4 v = x[(EXPERTS != 0 ? column : min(c, push.N - 1)) * (push.XStride / 4) + at];
                        if (NORM != 0) {
                            acc[c][SUMS - 1] = dot4(v, v, acc[c][SUMS - 1]);
                            v *= norm_weight[at];
                        }
                        if (HAS_ZERO || HAS_MINIMUM) {
                            xs[c] += (v.x + v.y) + (v.z + v.w);
                        }
                        [[unroll]] for (uint r = 0; r < OWN; r++) {
                            products[c][r] = dot4(w[r], v, products[c][r]);
                        }
                    }
                }
            }
            [[unroll]] for (uint c = 0; c < COLS; c++) {
                [[unroll]] for (uint r = 0; r < OWN; r++) {
                    float product = products[c][r];
#if QUANTISED
                    if (HAS_ZERO) {
                        product = fma(-zero(packed[r]), xs[c], product);
                    }
                    float factor = scale(packed[r], sub);
                    if (EXPERTS == SUMMED) {
                        factor *= weight;
                    }
                    acc[c][r] = fma(factor, product, acc[c][r]);
                    if (HAS_MINIMUM) {
                        float least = minimum(packed[r], sub);
                        if (EXPERTS == SUMMED) {
                            least *= weight;
                        }
                        acc[c][r] = fma(-least, xs[c], acc[c][r]);
                    }
#else
                    if (EXPERTS == SUMMED) {
                        acc[c][r] = fma(weight, product, acc[c][r]);
                    } else {
                        acc[c][r] += product;
                    }
#endif
                }
            }
        }
    }
}
