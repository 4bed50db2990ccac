#version 450
// attention_cm: what "attention" computes for the tokens of a prompt, with cooperative matrices.
//
// Work: as "attention": one workgroup per BR packed rows, key head and split, page after page. Per page:
//
//   scores   Q·Kᵀ by products of UM by UN, dealt out to the subgroups
//   softmax  TEAM invocations share a row: new maximum, probabilities as f16
//   values   P·V: a subgroup owns every SUBGROUPS-th column of products, for all rows, and keeps their sums
//
// Sums cannot be scaled row by row where they are, so a row's reference stays as its maximum grows, up to a factor of
// e^SLACK; only then they take the way through shared memory.
//
// Queries are narrowed to f16 after a power of two for each row has brought them into its range; keys and values are f16 or
// come as near as their blocks do, and have its range. Scores, softmax and sums are f32.
//
// LOCAL_SIZE is a multiple of BR and of SUBGROUP, at most 32·BR; HEAD_DIM one of UN and of UK; BR one of UM. Shared memory,
// bytes: (2·HEAD_DIM + 16)·(BR + 32) + 224·BR + 4·LOCAL_SIZE + 20·BR.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"
#include "power.glsl"
#include "step.glsl"

layout(constant_id = 1) const uint HEAD_DIM = 128;
layout(constant_id = 2) const uint BR = 32;
layout(constant_id = 3) const uint GQA = 1;
layout(constant_id = 4) const uint PARTIAL = 0;
layout(constant_id = 5) const uint UM = 16;
layout(constant_id = 6) const uint UN = 16;
layout(constant_id = 7) const uint UK = 16;
layout(constant_id = 8) const uint SUBGROUP = 32;

#include "cache.glsl"
#include "matrix_unit.glsl"

layout(std430, binding = 0) readonly buffer Q { vec4 q[]; };       // [Rows][Heads·D/4]
#if defined(KV_BLOCKS)
layout(std430, binding = 1) readonly buffer K { uint k_cache[]; };  // [Pages][KVHeads][HEAD_WORDS]
layout(std430, binding = 2) readonly buffer V { uint v_cache[]; };
#else
layout(std430, binding = 1) readonly buffer K { uvec2 k_cache[]; }; // [Pages][KVHeads][PAGE_TOKENS][D/4]
layout(std430, binding = 2) readonly buffer V { uvec2 v_cache[]; };
#endif
layout(std430, binding = 3) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 4) writeonly buffer Out { float result[]; }; // [Rows][Heads·D], PARTIAL: [parts][Rows][Heads][D]
layout(std430, binding = 5) writeonly buffer ML { vec2 ml[]; };       // PARTIAL: [parts][Rows][Heads]{maximum, sum}

layout(push_constant) uniform Push {
    uint Rows, Heads, KVHeads;
    uint SeqsAt, BlocksAt, MaxBlocks;
    uint FirstPage, Pages;
    uint Splits;
    uint Part;
    float Scale;
    uint Window;
} push;

const uint QUADS = HEAD_DIM / 4;
const uint STRIDE = QUADS + 2;                // quads of a row of q or of the page
const uint SCORE_STRIDE = PAGE_TOKENS + 4;    // scores of a row
const uint P_STRIDE = PAGE_TOKENS / 4 + 2;    // quads of a row of probabilities
const uint SUBGROUP_COUNT = LOCAL_SIZE / SUBGROUP;
const uint TEAM = LOCAL_SIZE / BR;            // invocations of a row
const uint OWN = PAGE_TOKENS / TEAM;          // keys of one of them
const uint ROW_TILES = BR / UM;
const uint COLUMN_TILES = HEAD_DIM / UN;
const uint OWN_TILES = (COLUMN_TILES + SUBGROUP_COUNT - 1) / SUBGROUP_COUNT; // columns of products of a subgroup
const uint STAGE = SUBGROUP_COUNT * UM * UN;
const uint SCORES = BR * SCORE_STRIDE;
const float SLACK = 8.0; // e^8 is far below f16's end
#define NONE uintBitsToFloat(0xff800000u) // -Inf

shared f16vec4 rows[BR * STRIDE];          // q·Scale times the row's power of two
shared f16vec4 tile[PAGE_TOKENS * STRIDE]; // the page's keys, then its values
shared float scores[SCORES > STAGE ? SCORES : STAGE]; // [row][key]; sums on their way elsewhere
shared f16vec4 probability[BR * P_STRIDE]; // [row][key]
shared float row_parts[LOCAL_SIZE];        // maxima and sums of a row's invocations
shared float q_inverse[BR];
shared float row_max[BR];
shared float row_sum[BR];
shared float correction[BR];
shared uint corrected; // whether the sums of any row are to be scaled

#if defined(KV_BLOCKS)
const uint HEAD_PAGE = HEAD_WORDS;
f16vec4 key_quad(uint base, uint token, uint i) {
    float scale = scale_of(k_cache[base + SCALES_AT + token * SCALE_WORDS + i / 16], i / 8);
    return f16vec4(quants_of(k_cache[base + token * QUANT_WORDS + QUAD_WORD(i)], i) * scale);
}
f16vec4 value_quad(uint base, uint token, uint i) {
    float scale = scale_of(v_cache[base + SCALES_AT + token * SCALE_WORDS + i / 16], i / 8);
    return f16vec4(quants_of(v_cache[base + token * QUANT_WORDS + QUAD_WORD(i)], i) * scale);
}
#else
const uint HEAD_PAGE = PAGE_TOKENS * QUADS;
f16vec4 halves(uvec2 v) { return f16vec4(unpackFloat2x16(v.x), unpackFloat2x16(v.y)); }
f16vec4 key_quad(uint base, uint token, uint i) { return halves(k_cache[base + token * QUADS + i]); }
f16vec4 value_quad(uint base, uint token, uint i) { return halves(v_cache[base + token * QUADS + i]); }
#endif

// How many of the first `positions` positions the window hides from the last of them.
uint hidden_by_window(uint positions) {
    return push.Window != 0 && positions > push.Window ? positions - push.Window : 0;
}

// The greatest of what the invocations of this one's row have; barriers are inside.
float team_max(float value) {
    uint t = gl_LocalInvocationIndex;
    row_parts[t] = value;
    barrier();
    float best = value;
    for (uint i = 0; i < TEAM; i++) {
        best = max(best, row_parts[t / TEAM * TEAM + i]);
    }
    barrier();
    return best;
}

void main() {
    uint t = gl_LocalInvocationIndex;
    uint kv_head = gl_WorkGroupID.y / push.Splits;
    uint split = gl_WorkGroupID.y % push.Splits;
    Sequence seq = SEQUENCE(step_words, push.SeqsAt, gl_WorkGroupID.z);
    uint first = gl_WorkGroupID.x * BR;
    uint packed_rows = seq.rows * GQA;
    if (first >= packed_rows) {
        return;
    }
    uint count = min(BR, packed_rows - first);
    uint last_position = seq.start + (first + count - 1) / GQA;

    uint row = t / TEAM; // of this invocation; rows beyond the last repeat it
    uint member = t % TEAM;
    {
        uint r = first + min(row, count - 1);
        uint from = ((seq.first_row + r / GQA) * push.Heads + kv_head * GQA + r % GQA) * QUADS;
        float greatest = 0.0;
        for (uint i = member; i < QUADS; i += TEAM) {
            vec4 v = abs(push.Scale * q[from + i]);
            greatest = max(greatest, max(max(v.x, v.y), max(v.z, v.w)));
        }
        float factor = power_to(team_max(greatest), 10);
        for (uint i = member; i < QUADS; i += TEAM) {
            rows[row * STRIDE + i] = f16vec4(push.Scale * q[from + i] * factor);
        }
        if (member == 0) {
            q_inverse[row] = inverse(factor);
        }
    }

    MATRIX_SUM acc[OWN_TILES * ROW_TILES];
    [[unroll]] for (uint i = 0; i < OWN_TILES * ROW_TILES; i++) {
        acc[i] = MATRIX_SUM(0.0);
    }
    float reference = NONE; // of the row's probabilities
    float sum = 0.0;        // of this invocation's part of them
    uint positions = seq.start + (first + min(row, count - 1)) / GQA + 1; // that the row sees, but for its window
    uint before = hidden_by_window(positions);

    // No row sees a position in front of the first row's window.
    uint first_seen = hidden_by_window(seq.start + first / GQA + 1);
    uint first_page = first_seen / PAGE_TOKENS;
    first_page += (split + push.Splits - first_page % push.Splits) % push.Splits; // the first of this split

    for (uint page = first_page; page * PAGE_TOKENS <= last_position; page += push.Splits) {
        uint physical = step_words[push.BlocksAt + seq.slot * push.MaxBlocks + page] - push.FirstPage;
        if (physical >= push.Pages) { // below FirstPage wraps around
            continue;
        }
        uint base = (physical * push.KVHeads + kv_head) * HEAD_PAGE;
        uint begin = first_seen > page * PAGE_TOKENS ? first_seen - page * PAGE_TOKENS : 0;
        uint end = min(last_position - page * PAGE_TOKENS + 1, PAGE_TOKENS); // what any row sees

        barrier(); // rows are there; the last page's values are used up
        for (uint i = t; i < PAGE_TOKENS * QUADS; i += LOCAL_SIZE) {
            tile[i / QUADS * STRIDE + i % QUADS] = key_quad(base, i / QUADS, i % QUADS);
        }
        if (t == 0) {
            corrected = 0;
        }
        barrier();

        for (uint p = gl_SubgroupID; p < ROW_TILES * (PAGE_TOKENS / UN); p += SUBGROUP_COUNT) {
            uint r = p % ROW_TILES * UM;
            uint key = p / ROW_TILES * UN;
            MATRIX_SUM s = MATRIX_SUM(0.0);
            for (uint d = 0; d < HEAD_DIM; d += UK) {
                MATRIX_A a;
                MATRIX_B b;
                coopMatLoad(a, rows, r * STRIDE + d / 4, STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(b, tile, key * STRIDE + d / 4, STRIDE, gl_CooperativeMatrixLayoutColumnMajor);
                s = coopMatMulAdd(a, b, s);
            }
            coopMatStore(s, scores, r * SCORE_STRIDE + key, SCORE_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
        }
        barrier();

        // Values that no row sees may be anything, and nothing times NaN is not nothing.
        for (uint i = t; i < PAGE_TOKENS * QUADS; i += LOCAL_SIZE) {
            uint key = i / QUADS;
            tile[key * STRIDE + i % QUADS] = key >= begin && key < end ? value_quad(base, key, i % QUADS) : f16vec4(0.0);
        }
        uint visible = positions > page * PAGE_TOKENS ? positions - page * PAGE_TOKENS : 0;
        uint hidden = before > page * PAGE_TOKENS ? before - page * PAGE_TOKENS : 0;
        float own[OWN];
        float best = NONE;
        [[unroll]] for (uint i = 0; i < OWN; i++) {
            uint key = member * OWN + i;
            own[i] = key < visible && key >= hidden ? scores[row * SCORE_STRIDE + key] * q_inverse[row] : NONE;
            best = max(best, own[i]);
        }
        best = team_max(best);
        if (best > reference + SLACK || reference == NONE) {
            float scale = reference == NONE ? 1.0 : exp(reference - best); // nothing has been summed up to now
            if (member == 0) {
                correction[row] = scale;
                if (scale != 1.0) {
                    corrected = 1;
                }
            }
            sum *= scale;
            reference = best;
        } else if (member == 0) {
            correction[row] = 1.0;
        }
        [[unroll]] for (uint i = 0; i < OWN; i += 4) {
            vec4 p;
            [[unroll]] for (uint j = 0; j < 4; j++) {
                p[j] = own[i + j] == NONE ? 0.0 : exp(own[i + j] - reference);
            }
            f16vec4 narrow = f16vec4(p);
            probability[row * P_STRIDE + (member * OWN + i) / 4] = narrow;
            p = vec4(narrow); // the sum is of what the values are multiplied by
            sum += (p.x + p.y) + (p.z + p.w);
        }
        barrier();

        if (corrected != 0) {
            uint stage = gl_SubgroupID * UM * UN;
            [[unroll]] for (uint i = 0; i < OWN_TILES * ROW_TILES; i++) {
                coopMatStore(acc[i], scores, stage, UN, gl_CooperativeMatrixLayoutRowMajor);
                subgroupBarrier();
                for (uint e = gl_SubgroupInvocationID; e < UM * UN; e += SUBGROUP) {
                    scores[stage + e] *= correction[i % ROW_TILES * UM + e / UN];
                }
                subgroupBarrier();
                coopMatLoad(acc[i], scores, stage, UN, gl_CooperativeMatrixLayoutRowMajor);
                subgroupBarrier();
            }
        }
        for (uint key = 0; key < PAGE_TOKENS; key += UK) {
            MATRIX_A a[ROW_TILES];
            [[unroll]] for (uint r = 0; r < ROW_TILES; r++) {
                coopMatLoad(a[r], probability, r * UM * P_STRIDE + key / 4, P_STRIDE, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (uint c = 0; c < OWN_TILES; c++) {
                uint column = c * SUBGROUP_COUNT + gl_SubgroupID;
                if (column < COLUMN_TILES) {
                    MATRIX_B b;
                    coopMatLoad(b, tile, key * STRIDE + column * (UN / 4), STRIDE, gl_CooperativeMatrixLayoutRowMajor);
                    [[unroll]] for (uint r = 0; r < ROW_TILES; r++) {
                        acc[c * ROW_TILES + r] = coopMatMulAdd(a[r], b, acc[c * ROW_TILES + r]);
                    }
                }
            }
        }
    }

    barrier();
    row_parts[t] = sum;
    barrier();
    if (member == 0) {
        float total = 0.0;
        for (uint i = 0; i < TEAM; i++) {
            total += row_parts[t + i];
        }
        row_sum[row] = total;
        row_max[row] = reference;
    }
    barrier();

    uint stage = gl_SubgroupID * UM * UN;
    [[unroll]] for (uint i = 0; i < OWN_TILES * ROW_TILES; i++) {
        uint column = i / ROW_TILES * SUBGROUP_COUNT + gl_SubgroupID;
        coopMatStore(acc[i], scores, stage, UN, gl_CooperativeMatrixLayoutRowMajor);
        subgroupBarrier();
        for (uint e = gl_SubgroupInvocationID; e < UM * UN; e += SUBGROUP) {
            uint r = i % ROW_TILES * UM + e / UN;
            uint d = column * UN + e % UN;
            if (r < count && column < COLUMN_TILES) {
                uint at = (seq.first_row + (first + r) / GQA) * push.Heads + kv_head * GQA + (first + r) % GQA;
                float value = scores[stage + e];
                if (PARTIAL != 0) {
                    at += (push.Part + split) * push.Rows * push.Heads;
                    if (d == 0) {
                        ml[at] = vec2(row_max[r], row_sum[r]);
                    }
                } else if (row_sum[r] > 0.0) {
                    value /= row_sum[r];
                }
                result[at * HEAD_DIM + d] = value;
            }
        }
        subgroupBarrier();
    }
}
