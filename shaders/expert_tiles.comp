#version 450
// expert_tiles: sorts the (token, rank) pairs of a routing by expert and cuts each expert's into tiles of Width columns,
// for the tiled product; the order is always the same. See experts.glsl for the list.
//
// Work: one workgroup.
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "experts.glsl"

layout(std430, binding = 0) readonly buffer Route { uint route[]; }; // [Rows]{ids[Used], weights[Used]}
layout(std430, binding = 1) writeonly buffer List { uint list[]; };

layout(push_constant) uniform Push {
    uint Rows, Used, Experts;
    uint Width, PairsAt;
    uint Groups0, Groups1, Groups2; // x of the indirect dispatches
} push;

const uint MAX_EXPERTS = 512; // Go: MaxExperts

shared uint counts[MAX_EXPERTS]; // pairs of each expert
shared uint next[MAX_EXPERTS];   // where the next of them goes
shared uint turn[LOCAL_SIZE];    // experts of the pairs at hand

uint expert_of(uint pair) { return min(route[pair / push.Used * 2 * push.Used + pair % push.Used], push.Experts - 1); }

uint tiles_of(uint count) { return (count + push.Width - 1) / push.Width; }

void main() {
    uint t = gl_LocalInvocationIndex;
    uint pairs = push.Rows * push.Used;
    for (uint e = t; e < push.Experts; e += LOCAL_SIZE) {
        counts[e] = 0;
    }
    barrier();
    for (uint pair = t; pair < pairs; pair += LOCAL_SIZE) {
        atomicAdd(counts[expert_of(pair)], 1u);
    }
    barrier();
    for (uint e = t; e < push.Experts; e += LOCAL_SIZE) {
        uint first = 0, tile = 0;
        for (uint other = 0; other < e; other++) {
            first += counts[other];
            tile += tiles_of(counts[other]);
        }
        next[e] = first;
        for (uint done = 0; done < counts[e]; done += push.Width) {
            uint at = TILES_AT + tile++ * TILE_WORDS;
            list[at] = e;
            list[at + 1] = first + done;
            list[at + 2] = min(counts[e] - done, push.Width);
            list[at + 3] = 0;
        }
        if (e == push.Experts - 1) {
            const uint groups[3] = {push.Groups0, push.Groups1, push.Groups2};
            for (uint i = 0; i < 3; i++) {
                list[4 * i] = groups[i];
                list[4 * i + 1] = tile;
                list[4 * i + 2] = 1;
            }
        }
    }
    for (uint first = 0; first < pairs; first += LOCAL_SIZE) {
        uint pair = first + t;
        uint expert = pair < pairs ? expert_of(pair) : push.Experts;
        barrier(); // all have counted, or have placed the pairs before
        turn[t] = expert;
        barrier();
        if (pair < pairs) {
            uint place = next[expert];
            for (uint other = 0; other < t; other++) {
                place += uint(turn[other] == expert);
            }
            list[push.PairsAt + place] = pair;
        }
        barrier();
        if (pair < pairs) {
            atomicAdd(next[expert], 1u);
        }
    }
}
