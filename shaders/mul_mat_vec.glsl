// What "mul_mat_vec" and "mul_mat_vec_i8" share: all but the sums of products, which each defines as accumulate.

layout(constant_id = 1) const uint ROWS = 2;
layout(constant_id = 2) const uint COLS = 1;
layout(constant_id = 3) const uint GROUP = 32;
layout(constant_id = 4) const uint ZERO = 0;
layout(constant_id = 5) const uint EPILOGUE = 0;
#ifdef INT8
const uint NORM = 0; // x is normed already
#else
layout(constant_id = 6) const uint NORM = 0;
#endif
layout(constant_id = 7) const uint LANES = 64; // a power of two, a divisor of LOCAL_SIZE
layout(constant_id = 8) const uint STRIP = 0;  // quads unrolled at once, 1, 2 or 4; 0: all of a unit
layout(constant_id = 9) const uint EXPERTS = 0;

#include "weights.glsl"
#include "mul_mat.glsl"

layout(std430, binding = 7) readonly buffer NormWeight { vec4 norm_weight[]; }; // [K/4]
layout(std430, binding = 7) readonly buffer Routing { uint routing[]; };       // in its place with EXPERTS 2

const uint TEAMS = LOCAL_SIZE / LANES;
const uint OWN = ROWS / TEAMS;   // rows of a team
const uint QUADS = UNIT / 4 / SUBS; // of a part with a scale of its own
const uint UNROLLED = STRIP == 0 || STRIP > QUADS ? QUADS : STRIP;
const uint SUMS = OWN + NORM;    // what a team sums per column; the last is Σx² when NORM is 1

shared float sums[TEAMS * SUMS * COLS]; // [column][team][sum]
#ifdef SUBGROUPS
const bool BY_SUBGROUPS = TEAMS == 1;
#else
const bool BY_SUBGROUPS = false;
#endif
shared float partial[SUMS * (BY_SUBGROUPS ? 64 : LOCAL_SIZE)]; // [sum][subgroup], or [sum][invocation]

float dot4(vec4 a, vec4 b, float sum) {
    return fma(a.w, b.w, fma(a.z, b.z, fma(a.y, b.y, fma(a.x, b.x, sum))));
}

// reduce leaves the sums of one column over each team in sums.
void reduce(uint c, float value[SUMS]) {
    uint t = gl_LocalInvocationIndex;
    uint to = (c * TEAMS + t / LANES) * SUMS;
    if (LANES == 1) {
        [[unroll]] for (uint i = 0; i < SUMS; i++) {
            sums[to + i] = value[i];
        }
        return;
    }
#ifdef SUBGROUPS
    if (BY_SUBGROUPS) {
        [[unroll]] for (uint i = 0; i < SUMS; i++) {
            float sum = subgroupAdd(value[i]);
            if (subgroupElect()) {
                partial[i * 64 + gl_SubgroupID] = sum;
            }
        }
        barrier();
        for (uint i = t; i < SUMS; i += LOCAL_SIZE) {
            float sum = partial[i * 64];
            for (uint s = 1; s < gl_NumSubgroups; s++) {
                sum += partial[i * 64 + s];
            }
            sums[to + i] = sum;
        }
        barrier();
        return;
    }
#endif
    uint lane = t % LANES;
    [[unroll]] for (uint i = 0; i < SUMS; i++) {
        partial[i * LOCAL_SIZE + t] = value[i];
    }
    for (uint half_size = LANES / 2; half_size > 0; half_size /= 2) {
        barrier();
        if (lane < half_size) {
            [[unroll]] for (uint i = 0; i < SUMS; i++) {
                partial[i * LOCAL_SIZE + t] += partial[i * LOCAL_SIZE + t + half_size];
            }
        }
    }
    barrier();
    for (uint i = lane; i < SUMS; i += LANES) {
        sums[to + i] = partial[i * LOCAL_SIZE + t - lane];
    }
    barrier();
}

// accumulate adds to acc the products of the rows from first on, of the matrix whose rows begin at base, with x. column
// is the first row of x, and weight scales the products.
void accumulate(inout float acc[COLS][SUMS], uint base, uint first, uint column, float weight);

void main() {
    uint tile = (gl_WorkGroupID.y * gl_NumWorkGroups.x + gl_WorkGroupID.x) * ROWS;
    if (tile >= push.Rows) {
        return;
    }
    uint first = tile + gl_LocalInvocationIndex / LANES * OWN;

    float acc[COLS][SUMS];
    [[unroll]] for (uint c = 0; c < COLS; c++) {
        [[unroll]] for (uint i = 0; i < SUMS; i++) {
            acc[c][i] = 0.0;
        }
    }

    uint z = gl_WorkGroupID.z;
    uint rank = 0;
    do {
        uint base = 0, column = 0;
        float weight = 1.0;
        if (EXPERTS == SUMMED) {
            uint at = z * 2 * push.Used + rank;
            base = routing[at] - push.FirstExpert;
            column = z * push.Used + rank;
            weight = uintBitsToFloat(routing[at + push.Used]);
        } else if (EXPERTS == EACH) {
            base = choice[z / push.Used * 2 * push.Used + z % push.Used] - push.FirstExpert;
            column = z / push.Sharing;
        }
        if (EXPERTS != 0) {
            if (base >= push.Experts) {
                return;
            }
            base *= push.Rows;
        }
        accumulate(acc, base, first, column, weight);
    } while (EXPERTS == SUMMED && ++rank < push.Used); // no loop at all where the constant says so

    [[unroll]] for (uint c = 0; c < COLS; c++) {
        reduce(c, acc[c]);
    }
    barrier();

    const uint outputs = PAIRED ? ROWS / 2 : ROWS;
    for (uint i = gl_LocalInvocationIndex; i < outputs * COLS; i += LOCAL_SIZE) {
        uint n = i / outputs;
        uint to = EXPERTS != 0 ? z : n;
        uint r = PAIRED ? i % outputs * 2 : i % outputs;
        uint from = (n * TEAMS + r / OWN) * SUMS;
        if (n >= push.N || tile + r >= push.Rows) {
            continue;
        }
        float factor = 1.0;
        if (NORM != 0) {
            factor = inversesqrt(sums[from + OWN] / float(push.K) + push.Eps);
        }
        float sum = factor * sums[from + r % OWN];
        if (PAIRED) {
            store_swiglu(to, tile + r, sum, factor * sums[from + r % OWN + 1]);
        } else {
            store(to, tile + r, sum);
        }
    }
}
