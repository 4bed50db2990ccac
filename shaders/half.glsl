// 16-bit floats as integer code: exact on every device, rounded to nearest even, subnormals kept.
//
// The built-in conversions may flush subnormals to zero and round as they like unless a device promises better, and
// the super-block scales of q6k are subnormal as a rule. So scales and everything that is written take this way;
// NATIVE_HALF lets the bulk of f16 weights and cached keys and values take the built-in one.

float f16_to_f32(uint h) {
    uint magnitude = (h & 0x7fffu) << 13;
    uint bits = magnitude + 0x38000000u; // exponent bias 15 to 127
    if (magnitude >= 0x0f800000u) {
        bits += 0x38000000u; // Inf and NaN
    }
    if (magnitude < 0x00800000u) {
        // Zero and subnormals: 2^-14·(1+m) - 2^-14 is exact and never subnormal in f32.
        bits = floatBitsToUint(uintBitsToFloat(magnitude + 0x38800000u) - uintBitsToFloat(0x38800000u));
    }
    return uintBitsToFloat(bits | (h & 0x8000u) << 16);
}

uint f32_to_f16(float value) {
    uint bits = floatBitsToUint(value);
    uint sign = bits >> 16 & 0x8000u;
    uint magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return sign | 0x7e00u; // NaN
    }
    if (magnitude >= 0x477ff000u) {
        return sign | 0x7c00u; // rounds to 65536 or more: Inf
    }
    if (magnitude >= 0x38800000u) {
        // Normal: drop 13 bits, half to even; a carry moves into the exponent, where it belongs.
        return sign | (magnitude - 0x38000000u + 0x0fffu + (magnitude >> 13 & 1u)) >> 13;
    }
    if (magnitude < 0x33000000u) {
        return sign; // below half of the smallest subnormal
    }
    uint shift = 126u - (magnitude >> 23); // 14 to 24 bits to drop
    uint mantissa = magnitude & 0x7fffffu | 0x800000u;
    uint half_ulp = 1u << (shift - 1u);
    return sign | (mantissa + half_ulp - 1u + (mantissa >> shift & 1u)) >> shift;
}

// The two f16 of a word, the lower half first.
vec2 f16x2_to_f32(uint word) {
#ifdef NATIVE_HALF
    return unpackHalf2x16(word);
#else
    return vec2(f16_to_f32(word), f16_to_f32(word >> 16));
#endif
}

uint f32_to_f16x2(vec2 pair) {
    return f32_to_f16(pair.x) | f32_to_f16(pair.y) << 16;
}

// The two bf16 of a word: the upper halves of two f32.
vec2 bf16x2_to_f32(uint word) {
    return vec2(uintBitsToFloat(word << 16), uintBitsToFloat(word & 0xffff0000u));
}
