// The order of logits: greater first, of equal ones the lower id. NaN comes before everything, so that it cannot hide.

const uint NO_ID = 0xffffffffu;

// order_key maps a float to a number of the same order; ±0 are equal, NaN is the greatest.
uint order_key(float value) {
    uint bits = floatBitsToUint(value);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return 0xffffffffu;
    }
    if ((bits & 0x7fffffffu) == 0) {
        bits = 0;
    }
    return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

bool is_nan(float value) { return (floatBitsToUint(value) & 0x7fffffffu) > 0x7f800000u; }
