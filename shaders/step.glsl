// The step buffer (Go: Step): ids[rows] · rows[rows]{position, slot} · seqs[seqs]{slot, firstRow, rows, startPosition} ·
// blocks[slots][maxBlocks] · ropes[slots] · listed[8] · owners[8]{0, slot}. Push constants named …At are offsets in words.

const uint PAGE_TOKENS = 32; // Go: PageTokens

struct Sequence { uint slot, first_row, rows, start; };

#define SEQUENCE(words, seqs_at, s) Sequence( \
    words[(seqs_at) + 4 * (s)], words[(seqs_at) + 4 * (s) + 1], words[(seqs_at) + 4 * (s) + 2], words[(seqs_at) + 4 * (s) + 3])
