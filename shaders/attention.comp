#version 450
// attention: causal grouped-query attention over the paged cache, one pass with a running softmax (FlashAttention,
// Dao et al. 2022): no [tokens, context] matrix exists.
//
// The GQA query heads of a key head and the tokens of a sequence are packed: packed row r is head r%GQA of the group and
// token r/GQA of the sequence, so that each key and value is read once for all rows of a workgroup.
// Work: one workgroup per BR packed rows, key head and split: grid (ceil(max rows·GQA/BR), KVHeads·Splits, sequences).
// It walks over the pages p ≡ split (mod Splits) that the bound cache holds, from where the first row's window begins up
// to its last visible position. Per page:
//
//   scores   LANES invocations share a key, each sums q·k over its slices of D for all rows
//   softmax  8 invocations share a row, 4 keys each: new maximum, probabilities, correction of what was summed before
//   values   the invocations cover D in pieces of 4, GROUPS times over; each group sums its keys for all rows
//
// A row's result depends on LOCAL_SIZE and HEAD_DIM, never on BR or on the rows beside it. Cached positions that no row
// sees are never used: they may hold anything, NaN included.
//
// With MERGED there are at most LOCAL_SIZE/2 splits.
// LOCAL_SIZE is 32, 64, 128 or 256. Shared memory, bytes: 4·BR·(HEAD_DIM + LOCAL_SIZE + 32 + 11), and with a cache of
// blocks 4·HEAD_DIM more.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"
#include "step.glsl"

layout(constant_id = 1) const uint HEAD_DIM = 128; // a multiple of 4, at most 256
layout(constant_id = 2) const uint BR = 4;
layout(constant_id = 3) const uint GQA = 1;
layout(constant_id = 4) const uint PARTIAL = 0; // 0: the rows are whole

const uint PARTS = 1;  // the rows of this split are left to "attention_merge"
const uint MERGED = 2; // the last split of a tile of rows to arrive puts all of them together

#include "cache.glsl"

layout(std430, binding = 0) readonly buffer Q { vec4 q[]; };       // [Rows][Heads·D/4]
#if defined(KV_BLOCKS)
layout(std430, binding = 1) readonly buffer K { uint k_cache[]; };  // [Pages][KVHeads][HEAD_WORDS]
layout(std430, binding = 2) readonly buffer V { uint v_cache[]; };
#elif defined(KV_F16)
layout(std430, binding = 1) readonly buffer K { uvec2 k_cache[]; }; // [Pages][KVHeads][PAGE_TOKENS][D/4]
layout(std430, binding = 2) readonly buffer V { uvec2 v_cache[]; };
#else
layout(std430, binding = 1) readonly buffer K { vec4 k_cache[]; };
layout(std430, binding = 2) readonly buffer V { vec4 v_cache[]; };
#endif
layout(std430, binding = 3) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 4) coherent buffer Out { vec4 result[]; }; // [Rows][Heads·D/4], PARTIAL: [parts][Rows][Heads][D/4]
layout(std430, binding = 5) coherent buffer ML { vec2 ml[]; };      // PARTIAL: [parts][Rows][Heads]{maximum, sum}
layout(std430, binding = 6) writeonly buffer Merged { vec4 merged[]; };  // MERGED: [Rows][Heads·D/4]
layout(std430, binding = 7) coherent buffer Arrived { uint arrived[]; }; // MERGED: splits of a tile that are done; 0 in between

layout(push_constant) uniform Push {
    uint Rows, Heads, KVHeads;
    uint SeqsAt, BlocksAt, MaxBlocks;
    uint FirstPage, Pages;
    uint Splits;
    uint Part;
    float Scale;
    uint Window; // positions that a query sees, its own included; 0: all
} push;

const uint QUADS = HEAD_DIM / 4;
const uint LANES = LOCAL_SIZE / PAGE_TOKENS;          // per key
const uint SPAN = QUADS < LOCAL_SIZE ? QUADS : LOCAL_SIZE; // invocations of a group
const uint GROUPS = LOCAL_SIZE / SPAN;                // of invocations that cover D
const uint PIECES = (QUADS + SPAN - 1) / SPAN;        // quads of D per invocation
const uint GROUP_KEYS = (PAGE_TOKENS + GROUPS - 1) / GROUPS;
const uint ROW_THREADS = 8;
const uint ROW_KEYS = PAGE_TOKENS / ROW_THREADS;
const uint ROW_STEP = LOCAL_SIZE / ROW_THREADS;       // rows that the softmax treats at once
const uint ROW_TURNS = (BR + ROW_STEP - 1) / ROW_STEP;
#define NONE uintBitsToFloat(0xff800000u) // -Inf

shared vec4 rows[BR * QUADS];             // q·Scale; at the end the sums over the groups
shared float scores[BR * LOCAL_SIZE];     // [row][key][lane]
shared float probability[PAGE_TOKENS * BR]; // [key][row]
shared float correction[BR];
shared float row_max[BR];
shared float row_sum[BR];
shared float row_parts[BR * ROW_THREADS]; // per invocation of a row: maxima, at the end sums

// Elements 4i to 4i+3 of a key or value of the page that begins at base; a key in blocks is still to be scaled.
#if defined(KV_BLOCKS)
const uint HEAD_PAGE = HEAD_WORDS;
shared float value_scales[PAGE_TOKENS * BLOCKS]; // of the page

float key_scale(uint base, uint token, uint b) {
    return scale_of(k_cache[base + SCALES_AT + token * SCALE_WORDS + b / 2], b);
}
vec4 key_quad(uint base, uint token, uint i) {
    return quants_of(k_cache[base + token * QUANT_WORDS + QUAD_WORD(i)], i);
}
vec4 value_quad(uint base, uint token, uint i) {
    return quants_of(v_cache[base + token * QUANT_WORDS + QUAD_WORD(i)], i) * value_scales[token * BLOCKS + i / 8];
}
#elif defined(KV_F16)
const uint HEAD_PAGE = PAGE_TOKENS * QUADS;
vec4 key_quad(uint base, uint token, uint i) {
    uvec2 k = k_cache[base + token * QUADS + i];
    return vec4(f16x2_to_f32(k.x), f16x2_to_f32(k.y));
}
vec4 value_quad(uint base, uint token, uint i) {
    uvec2 v = v_cache[base + token * QUADS + i];
    return vec4(f16x2_to_f32(v.x), f16x2_to_f32(v.y));
}
#else
const uint HEAD_PAGE = PAGE_TOKENS * QUADS;
vec4 key_quad(uint base, uint token, uint i) { return k_cache[base + token * QUADS + i]; }
vec4 value_quad(uint base, uint token, uint i) { return v_cache[base + token * QUADS + i]; }
#endif

// How many of the first `positions` positions the window hides from the last of them.
uint hidden_by_window(uint positions) {
    return push.Window != 0 && positions > push.Window ? positions - push.Window : 0;
}

// Where a packed row has its place among the rows of all heads.
uint place(Sequence seq, uint kv_head, uint packed) {
    return (seq.first_row + packed / GQA) * push.Heads + kv_head * GQA + packed % GQA;
}

shared uint last;

// merge counts the splits of a tile of rows that are done. The last one to arrive puts their partial softmaxes together, as
// "attention_merge" does and in the same order, and leaves the count at 0 for the next dispatch. Nobody waits for anybody, so
// that it does not matter which workgroups run at the same time, or in which order.
//
// What the others wrote is there to be read: each of their invocations makes its writes available to the device before the
// barrier of its workgroup, behind which the first invocation counts; who has seen the last count then makes all of
// them visible to itself.
void merge(Sequence seq, uint kv_head, uint first, uint count) {
    uint t = gl_LocalInvocationIndex;
    memoryBarrierBuffer();
    barrier();
    uint tile = (gl_WorkGroupID.z * push.KVHeads + kv_head) * gl_NumWorkGroups.x + gl_WorkGroupID.x;
    if (t == 0) {
        memoryBarrierBuffer();
        last = atomicAdd(arrived[tile], 1);
        memoryBarrierBuffer();
    }
    barrier();
    if (last + 1 < push.Splits) {
        return;
    }
    memoryBarrierBuffer();
    if (t == 0) {
        arrived[tile] = 0;
    }

    // The scores are no longer needed: their place takes weight and weighted sum of each row and split.
    uint stride = push.Rows * push.Heads;
    for (uint r = t; r < count; r += LOCAL_SIZE) {
        uint at = place(seq, kv_head, first + r);
        float best = NONE;
        for (uint part = 0; part < push.Splits; part++) {
            best = max(best, ml[part * stride + at].x);
        }
        row_max[r] = best;
    }
    barrier();
    for (uint i = t; i < count * push.Splits; i += LOCAL_SIZE) {
        uint r = i / push.Splits;
        vec2 m = ml[i % push.Splits * stride + place(seq, kv_head, first + r)];
        scores[2 * i] = m.x == NONE ? 0.0 : exp(m.x - row_max[r]);
        scores[2 * i + 1] = m.y;
    }
    barrier();
    for (uint i = t; i < count * QUADS; i += LOCAL_SIZE) {
        uint r = i / QUADS;
        uint at = place(seq, kv_head, first + r) * QUADS + i % QUADS;
        vec4 value = vec4(0.0);
        float total = 0.0;
        for (uint part = 0; part < push.Splits; part += 4) {
            vec4 v[4]; // loads that do not wait for each other
            [[unroll]] for (uint j = 0; j < 4; j++) {
                v[j] = result[min(part + j, push.Splits - 1) * stride * QUADS + at];
            }
            [[unroll]] for (uint j = 0; j < 4; j++) {
                float weight = part + j < push.Splits ? scores[2 * (r * push.Splits + part + j)] : 0.0;
                if (weight != 0.0) { // a split that saw no page counts for nothing, whatever it left
                    value = fma(vec4(weight), v[j], value);
                    total = fma(weight, scores[2 * (r * push.Splits + part + j) + 1], total);
                }
            }
        }
        merged[at] = total > 0.0 ? value / total : value;
    }
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

    for (uint i = t; i < BR * QUADS; i += LOCAL_SIZE) {
        uint r = first + min(i / QUADS, count - 1); // rows beyond the last repeat it
        rows[i] = push.Scale * q[((seq.first_row + r / GQA) * push.Heads + kv_head * GQA + r % GQA) * QUADS + i % QUADS];
    }

    float maximum[ROW_TURNS];
    float sum[ROW_TURNS];
    [[unroll]] for (uint turn = 0; turn < ROW_TURNS; turn++) {
        maximum[turn] = NONE;
        sum[turn] = 0.0;
    }
    vec4 acc[BR][PIECES];
    [[unroll]] for (uint r = 0; r < BR; r++) {
        [[unroll]] for (uint i = 0; i < PIECES; i++) {
            acc[r][i] = vec4(0.0);
        }
    }

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
        barrier(); // rows are there; the last page's scores and probabilities are used up

        {
            uint key = t / LANES;
            uint lane = t % LANES;
            float s[BR];
            [[unroll]] for (uint r = 0; r < BR; r++) {
                s[r] = 0.0;
            }
#ifdef KV_BLOCKS
            for (uint i = t; i < PAGE_TOKENS * BLOCKS; i += LOCAL_SIZE) { // read behind the next barrier
                uint b = i % BLOCKS;
                value_scales[i] = scale_of(v_cache[base + SCALES_AT + i / BLOCKS * SCALE_WORDS + b / 2], b);
            }
            float scale = 0.0;
#endif
            for (uint i = lane; i < QUADS; i += LANES) {
                vec4 k = key_quad(base, key, i);
#ifdef KV_BLOCKS
                if (i % 8 < LANES) { // the first of a block: LANES divides 8
                    scale = key_scale(base, key, i / 8);
                }
                k *= scale;
#endif
                [[unroll]] for (uint r = 0; r < BR; r++) {
                    vec4 v = rows[r * QUADS + i];
                    s[r] = fma(v.w, k.w, fma(v.z, k.z, fma(v.y, k.y, fma(v.x, k.x, s[r]))));
                }
            }
            [[unroll]] for (uint r = 0; r < BR; r++) {
                scores[r * LOCAL_SIZE + t] = s[r];
            }
        }
        barrier();

        float own[ROW_TURNS][ROW_KEYS]; // scores, then probabilities, of this invocation's keys
        [[unroll]] for (uint turn = 0; turn < ROW_TURNS; turn++) {
            uint r = turn * ROW_STEP + t / ROW_THREADS;
            if (r < BR) {
                // The keys of the page below `visible` come no later than the row's token, those from `hidden` on are
                // in its window.
                uint positions = seq.start + (first + min(r, count - 1)) / GQA + 1;
                uint visible = positions > page * PAGE_TOKENS ? positions - page * PAGE_TOKENS : 0;
                uint before = hidden_by_window(positions);
                uint hidden = before > page * PAGE_TOKENS ? before - page * PAGE_TOKENS : 0;
                float best = NONE;
                [[unroll]] for (uint i = 0; i < ROW_KEYS; i++) {
                    uint k = t % ROW_THREADS * ROW_KEYS + i;
                    float s = 0.0;
                    [[unroll]] for (uint lane = 0; lane < LANES; lane++) {
                        s += scores[r * LOCAL_SIZE + k * LANES + lane];
                    }
                    own[turn][i] = k < visible && k >= hidden ? s : NONE;
                    best = max(best, own[turn][i]);
                }
                row_parts[r * ROW_THREADS + t % ROW_THREADS] = best;
            }
        }
        barrier();

        [[unroll]] for (uint turn = 0; turn < ROW_TURNS; turn++) {
            uint r = turn * ROW_STEP + t / ROW_THREADS;
            if (r < BR) {
                float best = maximum[turn];
                [[unroll]] for (uint i = 0; i < ROW_THREADS; i++) {
                    best = max(best, row_parts[r * ROW_THREADS + i]);
                }
                // A page that the row does not see changes nothing, to the bit.
                float scale = best == maximum[turn] ? 1.0 : exp(maximum[turn] - best);
                float added = 0.0;
                [[unroll]] for (uint i = 0; i < ROW_KEYS; i++) {
                    float p = own[turn][i] == NONE ? 0.0 : exp(own[turn][i] - best);
                    probability[(t % ROW_THREADS * ROW_KEYS + i) * BR + r] = p;
                    added += p;
                }
                sum[turn] = fma(sum[turn], scale, added);
                maximum[turn] = best;
                if (t % ROW_THREADS == 0) {
                    correction[r] = scale;
                }
            }
        }
        barrier();

        {
            uint group = t / SPAN;
            uint begin = first_seen > page * PAGE_TOKENS ? first_seen - page * PAGE_TOKENS : 0;
            uint end = min(last_position - page * PAGE_TOKENS + 1, PAGE_TOKENS); // what any row sees
            [[unroll]] for (uint r = 0; r < BR; r++) {
                float scale = correction[r];
                [[unroll]] for (uint i = 0; i < PIECES; i++) {
                    acc[r][i] *= scale;
                }
            }
            if (group < GROUPS) {
                for (uint k = max(group * GROUP_KEYS, begin); k < min((group + 1) * GROUP_KEYS, end); k++) {
                    [[unroll]] for (uint i = 0; i < PIECES; i++) {
                        uint at = i * SPAN + t % SPAN;
                        if (PIECES == 1 || at < QUADS) {
                            vec4 v = value_quad(base, k, at);
                            [[unroll]] for (uint r = 0; r < BR; r++) {
                                acc[r][i] = fma(vec4(probability[k * BR + r]), v, acc[r][i]);
                            }
                        }
                    }
                }
            }
        }
    }

    // The sums of the softmax over the 8 invocations of a row, then of the values over the groups, in a fixed order.
    barrier();
    [[unroll]] for (uint turn = 0; turn < ROW_TURNS; turn++) {
        uint r = turn * ROW_STEP + t / ROW_THREADS;
        if (r < BR) {
            row_parts[r * ROW_THREADS + t % ROW_THREADS] = sum[turn];
            if (t % ROW_THREADS == 0) {
                row_max[r] = maximum[turn];
            }
        }
    }
    for (uint group = 0; group < GROUPS; group++) {
        if (t / SPAN == group) {
            [[unroll]] for (uint r = 0; r < BR; r++) {
                [[unroll]] for (uint i = 0; i < PIECES; i++) {
                    uint at = i * SPAN + t % SPAN;
                    if (PIECES == 1 || at < QUADS) {
                        rows[r * QUADS + at] = (group == 0 ? vec4(0.0) : rows[r * QUADS + at]) + acc[r][i];
                    }
                }
            }
        }
        barrier();
    }
    for (uint r = t; r < BR; r += LOCAL_SIZE) {
        float total = 0.0;
        [[unroll]] for (uint i = 0; i < ROW_THREADS; i++) {
            total += row_parts[r * ROW_THREADS + i];
        }
        row_sum[r] = total;
    }
    barrier();

    for (uint i = t; i < count * QUADS; i += LOCAL_SIZE) {
        uint r = i / QUADS;
        uint at = place(seq, kv_head, first + r);
        vec4 value = rows[i];
        if (PARTIAL != 0) {
            at += (push.Part + split) * push.Rows * push.Heads;
            result[at * QUADS + i % QUADS] = value;
            if (i % QUADS == 0) {
                ml[at] = vec2(row_max[r], row_sum[r]);
            }
        } else {
            result[at * QUADS + i % QUADS] = row_sum[r] > 0.0 ? value / row_sum[r] : value;
        }
    }
    if (PARTIAL == MERGED) {
        merge(seq, kv_head, first, count);
    }
}
