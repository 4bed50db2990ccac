package shaders

// PageTokens is the number of tokens of one KV page. A page of a layer's K (or V) cache lies as
// [kvHeads, PageTokens, headDim], so that the keys of one head are contiguous.
const PageTokens = 32

// RoPELow is the number of fine rows of the rope table: position p is turned by row p%RoPELow and by row
// RoPELow + p/RoPELow, one complex product. Two short tables hold the angles of a million positions
// with float64 accuracy before rounding, where one full table would not fit a small binding.
const RoPELow = 64

// MaxColumns is the largest number of columns that one "mul_mat_vec" dispatch serves from one read of the weights.
const MaxColumns = 8

// TopK is the number of candidates that the device returns per sequence.
const TopK = 64

// Step is the layout of the step buffer: everything that changes from token to token, in 32-bit words.
//
//	ids    [rows]                          token id of each row
//	rows   [rows] {position, slot}
//	seqs   [seqs] {slot, firstRow, rows, startPosition}
//	blocks [slots][maxBlocks]              physical page of each logical page
//	ropes  [slots]                         first row of the slot's rope table in the buffer of all of them
//	listed [MaxColumns]                    ids for "count_tokens" that are not the rows'; beyond the vocabulary: none
//	owners [MaxColumns] {0, slot}          whose they are
//
// A plan of one decode step has one row per sequence, in the same order; "argmax_final" then writes the next id,
// and advances position and startPosition, so that the very same commands compute the next token.
type Step struct {
	Rows, Seqs, Slots, MaxBlocks int
}

// IDsAt to OwnersAt are offsets in words; Words is the size of the whole buffer.
func (s Step) IDsAt() int    { return 0 }
func (s Step) RowsAt() int   { return s.Rows }
func (s Step) SeqsAt() int   { return 3 * s.Rows }
func (s Step) BlocksAt() int { return s.SeqsAt() + 4*s.Seqs }
func (s Step) RopesAt() int  { return s.BlocksAt() + s.Slots*s.MaxBlocks }
func (s Step) ListedAt() int { return s.RopesAt() + s.Slots }
func (s Step) OwnersAt() int { return s.ListedAt() + MaxColumns }
func (s Step) Words() int    { return s.OwnersAt() + 2*MaxColumns }
