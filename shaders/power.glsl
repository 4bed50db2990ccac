// The power of two that brings a magnitude into [2^to, 2^(to+1)); 1 for 0 and for what is not finite. Exponents are kept
// within 60 of 0, so that the products of two such powers and their inverses are still f32's.
float power_to(float magnitude, int to) {
    uint bits = floatBitsToUint(magnitude);
    if (bits == 0u || bits >= 0x7f800000u) {
        return 1.0;
    }
    int exponent = clamp(to + 127 - int(bits >> 23), -60, 60); // a subnormal counts as 2^-127
    return uintBitsToFloat(uint(exponent + 127) << 23);
}
