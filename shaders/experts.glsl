// The list that "expert_tiles" makes of a routing, in words: three {groups x, y, z} for indirect dispatches, each padded
// to four; tiles {expert, first, columns, 0}, the columns being those of the list of pairs from first on; from a place that
// is pushed, the pairs token·Used + rank in the order of their experts.

const uint TILES_AT = 16; // Go: ExpertTilesAt
const uint TILE_WORDS = 4; // Go: ExpertTileWords
