#version 450
// rope_kv: the heads of fused q|k|v rows are normed (QK_NORM), rotated and stored: q to its buffer, k and v to the cache.
//
// Rotation is NEOX style, element i with element i+D/2, after the norm; v is stored as it is. The angle of a position is
// the complex product of a fine and a coarse row of the slot's table; a scale of the rotation (YaRN) is in the fine rows.
// Behind the tables may lie factors of the rotated queries by position.
// Work: one workgroup per head of a row, grid (Heads + 2·KVHeads, Rows). An invocation stores whole words of an f16
// cache and of one of blocks, and reads whole blocks, so the head passes through shared memory.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "half.glsl"
#include "step.glsl"
#include "reduce.glsl"

layout(constant_id = 1) const uint HEAD_DIM = 128; // even, at most 256
layout(constant_id = 2) const uint QK_NORM = 0;

const uint ROPE_LOW = 64; // Go: RoPELow

#include "cache.glsl"

layout(std430, binding = 0) readonly buffer QKV { float qkv[]; };        // [Rows][(Heads+2·KVHeads)·D]
layout(std430, binding = 1) readonly buffer QNorm { float q_norm[]; };   // [D]
layout(std430, binding = 2) readonly buffer KNorm { float k_norm[]; };   // [D]
layout(std430, binding = 3) readonly buffer RoPE { vec2 rope[]; };       // [tables][64 + coarse rows][D/2] (cos, sin); factors
layout(std430, binding = 4) readonly buffer StepBuffer { uint step_words[]; };
layout(std430, binding = 5) writeonly buffer Q { float q[]; };           // [Rows][Heads·D]
#if defined(KV_BLOCKS)
layout(std430, binding = 6) writeonly buffer K { uint k_cache[]; };      // [Pages][KVHeads][HEAD_WORDS]
layout(std430, binding = 7) writeonly buffer V { uint v_cache[]; };
#elif defined(KV_F16)
layout(std430, binding = 6) writeonly buffer K { uint k_cache[]; };      // [Pages][KVHeads][PAGE_TOKENS][D/2]
layout(std430, binding = 7) writeonly buffer V { uint v_cache[]; };
#else
layout(std430, binding = 6) writeonly buffer K { float k_cache[]; };     // [Pages][KVHeads][PAGE_TOKENS][D]
layout(std430, binding = 7) writeonly buffer V { float v_cache[]; };
#endif

layout(push_constant) uniform Push {
    uint Rows, Heads, KVHeads;
    uint RowsAt, BlocksAt, MaxBlocks;
    uint FirstPage, Pages;
    uint WriteQ;
    float Eps;
    uint RopesAt;
    uint LogNAt; // pair of the rope buffer where the queries' factors begin, one number per position; 0: all are 1
} push;

shared float turned[HEAD_DIM];

#ifdef KV_BLOCKS

// What block b of the head is divided by.
float block_scale(uint b) {
    uint most = 0;
    float extreme = 0.0;
    for (uint i = b * CACHE_BLOCK; i < min((b + 1) * CACHE_BLOCK, HEAD_DIM); i++) {
        uint magnitude = floatBitsToUint(turned[i]) & 0x7fffffffu; // in the order of the magnitudes, NaN above all
        if (magnitude > most) {
            most = magnitude;
            extreme = turned[i];
        }
    }
#ifdef KV_Q8_0
    return abs(extreme) / 127.0;
#else
    return extreme / -8.0;
#endif
}

uint quant(float x) {
#ifdef KV_Q8_0
    return uint(int(x < 0.0 ? ceil(x - 0.5) : floor(x + 0.5))) & 0xffu;
#else
    return min(uint(x + 8.5), 15u);
#endif
}

// Word i of the head's quants.
uint quant_word(uint i) {
    uint first = i * (HEAD_DIM / QUANT_WORDS);
    float scale = block_scale(first / CACHE_BLOCK);
    float inverse = abs(scale) >= 2.98023223876953125e-8 ? 1.0 / scale : 0.0; // 2^-25: what is below rounds to zero in f16
    uint word = 0;
    [[unroll]] for (uint j = 0; j < 4; j++) {
        word |= quant(turned[first + j] * inverse) << 8 * j;
#ifdef KV_Q4_0
        word |= quant(turned[first + 4 + j] * inverse) << 8 * j + 4;
#endif
    }
    return word;
}

// Word i of the head's scales.
uint scale_word(uint i) {
    float second = 2 * i + 1 < BLOCKS ? block_scale(2 * i + 1) : 0.0;
    return f32_to_f16x2(vec2(block_scale(2 * i), second));
}

#endif

void main() {
    uint head = gl_WorkGroupID.x;
    uint row = gl_WorkGroupID.y;
    bool is_q = head < push.Heads;
    bool is_k = !is_q && head < push.Heads + push.KVHeads;
    uint position = step_words[push.RowsAt + 2 * row];
    uint slot = step_words[push.RowsAt + 2 * row + 1];
    uint page = 0;
    if (is_q) {
        if (push.WriteQ == 0) {
            return;
        }
    } else {
        page = step_words[push.BlocksAt + slot * push.MaxBlocks + position / PAGE_TOKENS];
        if (page < push.FirstPage || page - push.FirstPage >= push.Pages) {
            return; // another shard of the cache holds it
        }
    }
    uint from = (row * (push.Heads + 2 * push.KVHeads) + head) * HEAD_DIM;

    float factor = 1.0;
    if (QK_NORM != 0 && (is_q || is_k)) {
        float squares = 0.0;
        for (uint i = gl_LocalInvocationIndex; i < HEAD_DIM; i += LOCAL_SIZE) {
            squares += qkv[from + i] * qkv[from + i];
        }
        factor = inversesqrt(reduce_add(squares) / float(HEAD_DIM) + push.Eps);
    }
    uint table = step_words[push.RopesAt + slot];
    float stretch = 1.0;
    if (is_q && push.LogNAt != 0) {
        stretch = rope[push.LogNAt + position / 2][position % 2];
    }
    for (uint i = gl_LocalInvocationIndex; i < HEAD_DIM / 2; i += LOCAL_SIZE) {
        uint j = i + HEAD_DIM / 2;
        float a = qkv[from + i];
        float b = qkv[from + j];
        if (is_q || is_k) {
            if (QK_NORM != 0) {
                a *= factor * (is_q ? q_norm[i] : k_norm[i]);
                b *= factor * (is_q ? q_norm[j] : k_norm[j]);
            }
            vec2 fine = rope[(table + position % ROPE_LOW) * (HEAD_DIM / 2) + i];
            vec2 coarse = rope[(table + ROPE_LOW + position / ROPE_LOW) * (HEAD_DIM / 2) + i];
            float c = fine.x * coarse.x - fine.y * coarse.y;
            float s = fine.x * coarse.y + fine.y * coarse.x;
            float turned_a = a * c - b * s;
            b = stretch * (b * c + a * s);
            a = stretch * turned_a;
        }
        turned[i] = a;
        turned[j] = b;
    }
    barrier();

    if (is_q) {
        for (uint i = gl_LocalInvocationIndex; i < HEAD_DIM; i += LOCAL_SIZE) {
            q[(row * push.Heads + head) * HEAD_DIM + i] = turned[i];
        }
        return;
    }
    uint kv_head = (head - push.Heads) % push.KVHeads;
    uint head_page = (page - push.FirstPage) * push.KVHeads + kv_head;
    uint token = head_page * PAGE_TOKENS + position % PAGE_TOKENS;
#if defined(KV_BLOCKS)
    for (uint i = gl_LocalInvocationIndex; i < QUANT_WORDS + SCALE_WORDS; i += LOCAL_SIZE) {
        uint at = head_page * HEAD_WORDS + position % PAGE_TOKENS * QUANT_WORDS + i;
        uint word;
        if (i < QUANT_WORDS) {
            word = quant_word(i);
        } else {
            at = head_page * HEAD_WORDS + SCALES_AT + position % PAGE_TOKENS * SCALE_WORDS + i - QUANT_WORDS;
            word = scale_word(i - QUANT_WORDS);
        }
        if (is_k) {
            k_cache[at] = word;
        } else {
            v_cache[at] = word;
        }
    }
#elif defined(KV_F16)
    for (uint i = gl_LocalInvocationIndex; i < HEAD_DIM / 2; i += LOCAL_SIZE) {
        uint word = f32_to_f16x2(vec2(turned[2 * i], turned[2 * i + 1]));
        if (is_k) {
            k_cache[token * (HEAD_DIM / 2) + i] = word;
        } else {
            v_cache[token * (HEAD_DIM / 2) + i] = word;
        }
    }
#else
    for (uint i = gl_LocalInvocationIndex; i < HEAD_DIM; i += LOCAL_SIZE) {
        if (is_k) {
            k_cache[token * HEAD_DIM + i] = turned[i];
        } else {
            v_cache[token * HEAD_DIM + i] = turned[i];
        }
    }
#endif
}
