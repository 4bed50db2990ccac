// A key-value cache in blocks, KV_Q8_0 and KV_Q4_0 (quant/cache.go defines the numbers): CACHE_BLOCK neighbouring elements of a
// head share an f16 scale; a head that 32 does not divide ends with a shorter block.
//
// Quants lie apart from scales. The page of one key head is HEAD_WORDS words:
//
//   quants  [PAGE_TOKENS][QUANT_WORDS]   q8_0: four elements a word, the first lowest; q4_0: eight, byte b holds e_b in its
//                                        low half and e_(4+b) in its high one
//   scales  [PAGE_TOKENS][SCALE_WORDS]   two blocks a word, the first lower
//
// so a token's words are its own: whoever writes a token writes whole words. Needs HEAD_DIM, step.glsl and half.glsl.

#if defined(KV_Q8_0) || defined(KV_Q4_0)
#define KV_BLOCKS

#ifdef KV_Q8_0
const uint QUANT_WORDS = HEAD_DIM / 4;
#else
const uint QUANT_WORDS = HEAD_DIM / 8;
#endif
const uint CACHE_BLOCK = 32;
const uint BLOCKS = (HEAD_DIM + CACHE_BLOCK - 1) / CACHE_BLOCK;
const uint SCALE_WORDS = (BLOCKS + 1) / 2;
const uint SCALES_AT = PAGE_TOKENS * QUANT_WORDS; // within the page of a head
const uint HEAD_WORDS = SCALES_AT + PAGE_TOKENS * SCALE_WORDS;

// Elements 4i to 4i+3 of a head, still to be scaled, from the word that holds them.
#ifdef KV_Q8_0
#define QUAD_WORD(i) (i)
vec4 quants_of(uint word, uint i) {
    return vec4(ivec4(int(word) << 24, int(word) << 16, int(word) << 8, int(word)) >> 24);
}
#else
#define QUAD_WORD(i) ((i) / 2)
vec4 quants_of(uint word, uint i) {
    uint half_bytes = word >> 4 * (i & 1u);
    return vec4(uvec4(half_bytes, half_bytes >> 8, half_bytes >> 16, half_bytes >> 24) & 15u) - 8.0;
}
#endif

// The scale of block b from the word that holds it, b/2 of its token.
float scale_of(uint word, uint b) { return f16_to_f32(word >> 16 * (b & 1u) & 0xffffu); }

#endif
