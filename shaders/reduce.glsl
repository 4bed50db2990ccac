// Reductions over a workgroup of LOCAL_SIZE invocations (a power of two). Every invocation gets the result, and all must
// take part. Any subgroup size will do, and none: without SUBGROUPS the sums go through shared memory.
//
// The order of a sum depends on LOCAL_SIZE and the subgroup size alone.

#ifdef SUBGROUPS

shared float reduce_scratch[64]; // one per subgroup: at most 256 invocations in subgroups of 4

float reduce_add(float value) {
    float sum = subgroupAdd(value);
    if (gl_NumSubgroups == 1u) {
        return sum;
    }
    barrier(); // the scratch may still be read from the reduction before
    if (subgroupElect()) {
        reduce_scratch[gl_SubgroupID] = sum;
    }
    barrier();
    sum = reduce_scratch[0];
    for (uint i = 1; i < gl_NumSubgroups; i++) {
        sum += reduce_scratch[i];
    }
    return sum;
}

float reduce_max(float value) {
    float best = subgroupMax(value);
    if (gl_NumSubgroups == 1u) {
        return best;
    }
    barrier();
    if (subgroupElect()) {
        reduce_scratch[gl_SubgroupID] = best;
    }
    barrier();
    best = reduce_scratch[0];
    for (uint i = 1; i < gl_NumSubgroups; i++) {
        best = max(best, reduce_scratch[i]);
    }
    return best;
}

#else

shared float reduce_scratch[LOCAL_SIZE];

float reduce_add(float value) {
    uint t = gl_LocalInvocationIndex;
    barrier();
    reduce_scratch[t] = value;
    barrier();
    for (uint half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        if (t < half_size) {
            reduce_scratch[t] += reduce_scratch[t + half_size];
        }
        barrier();
    }
    return reduce_scratch[0];
}

float reduce_max(float value) {
    uint t = gl_LocalInvocationIndex;
    barrier();
    reduce_scratch[t] = value;
    barrier();
    for (uint half_size = LOCAL_SIZE / 2; half_size > 0; half_size /= 2) {
        if (t < half_size) {
            reduce_scratch[t] = max(reduce_scratch[t], reduce_scratch[t + half_size]);
        }
        barrier();
    }
    return reduce_scratch[0];
}

#endif
