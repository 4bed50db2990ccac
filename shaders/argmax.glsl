// The reduction that "argmax" and "argmax_final" share: the winner of a workgroup by order_key, then by id.
#include "select.glsl"

shared uvec3 candidates[LOCAL_SIZE]; // key, bits of the value, id

// before tells whether a wins over b.
bool before(uvec3 a, uvec3 b) { return a.x > b.x || a.x == b.x && a.z < b.z; }

uvec3 candidate(float value, uint id) { return uvec3(order_key(value), floatBitsToUint(value), is_nan(value) ? NO_ID : id); }

const uvec3 NO_CANDIDATE = uvec3(0, 0xff800000u, NO_ID);

uvec3 winner(uvec3 own) {
    uint t = gl_LocalInvocationIndex;
    candidates[t] = own;
    barrier();
    for (uint half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        if (t < half_size && before(candidates[t + half_size], candidates[t])) {
            candidates[t] = candidates[t + half_size];
        }
        barrier();
    }
    return candidates[0];
}

layout(push_constant) uniform Push {
    uint Vocab, Groups;
    uint IDsAt, RowsAt, SeqsAt;
    uint Keep;
} push;
