// Activations as signed bytes: a row of numbers, whose length is a multiple of 32, in blocks of 32 with a scale of their
// own, x = d·q with |q| ≤ 127. A buffer holds first the quants of all rows, four to a word, then two words for each block:
// d as f32, and the sums of q over the block's two halves as int16, the first half's in the lower bits. The sums serve
// weights with zero points and minima: Σ (q-z)·x and Σ m·x need Σ x.
//
// graph/cpuexec rounds alike: d = max|x|/127 and q = x·(127/max|x|) rounded to the nearest even, both in f32; a block
// below 2^-100 counts as zero. Where an x is no finite number d is none either, and with it every product of the block.

// block_largest is max|x| of a block as bits, among which infinities come behind all numbers and NaN behind these.
uint block_largest(vec4 v[8]) {
    uint most = 0;
    [[unroll]] for (uint i = 0; i < 8; i++) {
        uvec4 bits = floatBitsToUint(v[i]) & 0x7fffffffu;
        most = max(most, max(max(bits.x, bits.y), max(bits.z, bits.w)));
    }
    return most;
}

// quantise_block returns the block's two words behind the quants, and the quants in q.
uvec2 quantise_block(vec4 v[8], out uvec4 q[2]) {
    uint most = block_largest(v);
    bool finite = most < 0x7f800000u;
    bool counts = finite && most >= 0x0d800000u; // 2^-100
    float largest = uintBitsToFloat(most);
    float inverse = counts ? 127.0 / largest : 0.0;
    ivec2 sums = ivec2(0);
    [[unroll]] for (uint i = 0; i < 8; i++) {
        // Bytes of a block that does not count are zero whatever it holds: 0·Inf would be NaN, which is no int.
        ivec4 n = counts ? ivec4(roundEven(v[i] * inverse)) : ivec4(0);
        sums[i / 4] += n.x + n.y + n.z + n.w;
        q[i / 4][i % 4] = uint(n.x & 255) | uint(n.y & 255) << 8 | uint(n.z & 255) << 16 | uint(n.w) << 24;
    }
    float d = counts ? largest / 127.0 : finite ? 0.0 : largest;
    return uvec2(floatBitsToUint(d), uint(sums.x & 0xffff) | uint(sums.y) << 16);
}
