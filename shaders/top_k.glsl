// The selection that "top_k" and "top_k_final" share: the TOP_K first of `count` candidates in the order of select.glsl.
//
// A radix select finds the key of the last one that belongs: 8 bits at a time, a histogram of the candidates that share
// the bits found so far says where it lies. Keys are unique, since the id is their lower part, so exactly TOP_K (or all)
// candidates reach it; they are gathered and sorted by counting how many stand before each.
//
// The includer defines candidate_value(i) and candidate_id(i) for i < count; an id of NO_ID is no candidate.

const uint TOP_K = 64; // Go: TopK
const uint GROUP_WORDS = 2 + 2 * TOP_K;
const uint RESULT_WORDS = 4 + 2 * TOP_K;

shared uint histogram[256];
shared uint chunks[16];
shared uint chosen_bin, chosen_above, chosen_count;
shared uint found;
shared uvec3 picked[TOP_K]; // key, bits of the value, id

// A candidate's place in the order: greater is earlier.
uvec2 place(float value, uint id) { return uvec2(order_key(value), ~id); }

bool reaches(uvec2 a, uvec2 bound) { return a.x > bound.x || a.x == bound.x && a.y >= bound.y; }

// select_top leaves the selection in picked[0...found-1], in order.
void select_top(uint count) {
    uint t = gl_LocalInvocationIndex;
    uvec2 bound = uvec2(0); // the bits found so far
    uint need = TOP_K;
    for (uint pass = 0; pass < 8; pass++) {
        uint part = pass / 4; // the key first, then the id
        uint shift = 24 - pass % 4 * 8;
        barrier();
        for (uint i = t; i < 256; i += LOCAL_SIZE) {
            histogram[i] = 0;
        }
        barrier();
        for (uint i = t; i < count; i += LOCAL_SIZE) {
            uint id = candidate_id(i);
            uvec2 p = place(candidate_value(i), id);
            bool same = part == 0 ? shift == 24 || p.x >> (shift + 8) == bound.x >> (shift + 8)
                                  : p.x == bound.x && (shift == 24 || p.y >> (shift + 8) == bound.y >> (shift + 8));
            if (id != NO_ID && same) {
                atomicAdd(histogram[p[part] >> shift & 255u], 1u);
            }
        }
        barrier();
        for (uint i = t; i < 16; i += LOCAL_SIZE) {
            uint sum = 0;
            for (uint j = 0; j < 16; j++) {
                sum += histogram[16 * i + j];
            }
            chunks[i] = sum;
        }
        barrier();
        if (t == 0) {
            // The bin where the count from above reaches need; bin 0 when there are fewer candidates.
            uint above = 0;
            uint chunk = 15;
            while (chunk > 0 && above + chunks[chunk] < need) {
                above += chunks[chunk--];
            }
            uint bin = 16 * chunk + 15;
            while (bin > 16 * chunk && above + histogram[bin] < need) {
                above += histogram[bin--];
            }
            chosen_bin = bin;
            chosen_above = above;
            chosen_count = histogram[bin];
        }
        barrier();
        bound[part] |= chosen_bin << shift;
        need -= min(chosen_above, need);
        if (chosen_count <= need) {
            break; // the whole bin belongs
        }
    }

    if (t == 0) {
        found = 0;
    }
    barrier();
    for (uint i = t; i < count; i += LOCAL_SIZE) {
        float value = candidate_value(i);
        uint id = candidate_id(i);
        if (id != NO_ID && reaches(place(value, id), bound)) {
            picked[atomicAdd(found, 1u)] = uvec3(order_key(value), floatBitsToUint(value), id);
        }
    }
    barrier();
    const uint TURNS = (TOP_K + LOCAL_SIZE - 1) / LOCAL_SIZE;
    uvec3 own[TURNS];
    uint rank[TURNS];
    for (uint turn = 0; turn < TURNS; turn++) {
        uint i = turn * LOCAL_SIZE + t;
        rank[turn] = NO_ID;
        if (i < found) {
            own[turn] = picked[i];
            uint before = 0;
            for (uint j = 0; j < found; j++) {
                uvec3 other = picked[j];
                before += uint(other.x > own[turn].x || other.x == own[turn].x && other.z < own[turn].z);
            }
            rank[turn] = before;
        }
    }
    barrier();
    for (uint turn = 0; turn < TURNS; turn++) {
        if (rank[turn] != NO_ID) {
            picked[rank[turn]] = own[turn];
        }
    }
    barrier();
}

// The pair at place i of the result: {bits of the value, id}, {-Inf, NO_ID} beyond the last.
uvec2 top_pair(uint i) { return i < found ? picked[i].yz : uvec2(0xff800000u, NO_ID); }

layout(push_constant) uniform Push {
    uint Vocab, Groups;
} push;
