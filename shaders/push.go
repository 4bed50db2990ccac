package shaders

// Push constants of every kernel, field for field as the GLSL block declares them; a test proves the two equal
// by reflection of the SPIR-V. All fields are 32 bits wide and little-endian.
//
// Words that recur:
//
//   - rows and columns count elements of a row-major float32 matrix; strides and offsets count elements as well.
//   - …At is an offset in 32-bit words inside the step buffer (see Step).
//   - Rows that are read four elements at a time begin at multiples of 4: the columns and strides of "rms_norm" and
//     "embed", the x of the matrix kernels, and the head dimension of "attention" are multiples of 4.
//   - FirstPage and Pages bound the physical KV pages that the bound cache buffer holds: the cache of one layer may
//     lie in several buffers, each dispatch touches only the pages of its own.

// EmbedPush drives "embed": row r of y becomes the dequantised weight row step[IDsAt+r].
// Only ids in [FirstID, FirstID+IDs) are held by the bound planes; rows with other ids are left alone.
type EmbedPush struct {
	Rows, Cols    uint32
	FirstID, IDs  uint32
	IDsAt, Stride uint32 // Stride: elements between rows of y
}

// RMSNormPush drives "rms_norm": y = x·rsqrt(mean(x²)+Eps)·w per row.
type RMSNormPush struct {
	Rows, Cols       uint32
	XStride, YStride uint32
	Eps              float32
}

// MatMulPush drives "mul_mat_vec" and "mul_mat": y[n, YOffset+row] = Σ_k W[row, k]·x[n, k], then the epilogue.
// With the SwiGLU epilogues weight rows 2i and 2i+1 are gate and up of output i, and Rows counts both. The scale epilogue
// multiplies row i by element AddOffset+i of the addend's buffer.
type MatMulPush struct {
	Rows, K, N           uint32
	XStride              uint32
	YStride, YOffset     uint32
	AddStride, AddOffset uint32 // the addend of the add epilogues; AddStride 0 broadcasts one row (a bias)
	Eps                  float32

	// With EXPERTS the bound planes hold Rows rows of each of Experts experts, and N is 1.
	FirstExpert, Experts uint32
	Used                 uint32 // experts per token
	Sharing              uint32 // ranks that share a row of x: Used, or 1
	PairsAt              uint32 // of the list that "mul_mat" reads, see ExpertList
}

// MatMulCMPush drives "mul_mat_cm": MatMulPush, and the powers of two by which weights and activations are multiplied before
// they are narrowed to f16.
type MatMulCMPush struct {
	Rows, K, N           uint32
	XStride              uint32
	YStride, YOffset     uint32
	AddStride, AddOffset uint32
	Eps                  float32
	FirstExpert, Experts uint32
	Used, Sharing        uint32
	PairsAt              uint32
	WScale, XScale       float32
}

// RowScalePush drives "row_scale": a power of two for each row of x.
type RowScalePush struct {
	Rows, Cols, XStride uint32
}

// WeightMaxPush drives "weight_max": word At becomes the greatest magnitude of a matrix's weights.
type WeightMaxPush struct {
	Rows, K, At uint32
}

// MatMulInt8Push drives "mul_mat_vec_i8" and "mul_mat_i8": MatMulPush for activations in bytes, whose rows have no gaps.
type MatMulInt8Push struct {
	Rows, K, N           uint32
	XRows                uint32 // rows of K that the buffer of x holds
	YStride, YOffset     uint32
	AddStride, AddOffset uint32
	Eps                  float32 // not looked at
	FirstExpert, Experts uint32
	Used, Sharing        uint32
	PairsAt              uint32
}

// Int8 is the same product of activations in bytes, of which a buffer holds so many rows.
func (p MatMulPush) Int8(rows int) MatMulInt8Push {
	return MatMulInt8Push{
		p.Rows, p.K, p.N, uint32(rows), p.YStride, p.YOffset, p.AddStride, p.AddOffset, p.Eps,
		p.FirstExpert, p.Experts, p.Used, p.Sharing, p.PairsAt,
	}
}

// RMSNormInt8Push drives "rms_norm_i8": "rms_norm" of rows without gaps, stored as bytes; Cols is a multiple of 32.
type RMSNormInt8Push struct {
	Rows, Cols uint32
	Eps        float32
}

// QuantisePush drives "quantise": Blocks blocks of 32 numbers become bytes.
type QuantisePush struct {
	Blocks uint32
}

// RoutePush drives "route": the chosen experts of each row and their weights.
type RoutePush struct {
	Rows, Experts, Used uint32
	Renormalise         uint32 // 1: the weights sum to one
}

// ExpertTilesPush drives "expert_tiles", which makes the list of ExpertList.
type ExpertTilesPush struct {
	Rows, Used, Experts       uint32
	Width, PairsAt            uint32 // Width: columns of a tile at most
	Groups0, Groups1, Groups2 uint32 // x of the indirect dispatches
}

// CombinePush drives "combine": y = Σ weight·x over the Used rows of each token, plus the addend where Add is 1.
type CombinePush struct {
	Rows, Cols, Used, Add uint32
}

// GatePush drives "gate": y = sigmoid(g)·x, plus the addend where Add is 1.
type GatePush struct {
	Rows, Cols, Add uint32
}

// RoPEKVPush drives "rope_kv": the heads of a fused q|k|v row are normed, rotated and stored.
type RoPEKVPush struct {
	Rows, Heads, KVHeads        uint32
	RowsAt, BlocksAt, MaxBlocks uint32
	FirstPage, Pages            uint32
	WriteQ                      uint32 // 1: this dispatch stores q as well (the first shard's does)
	Eps                         float32
	RopesAt                     uint32
	LogNAt                      uint32 // first pair of the queries' factors by position, in the rope buffer; 0: all are 1
}

// AttentionPush drives "attention".
type AttentionPush struct {
	Rows, Heads, KVHeads        uint32
	SeqsAt, BlocksAt, MaxBlocks uint32
	FirstPage, Pages            uint32
	Splits                      uint32 // logical page p of a sequence belongs to split p mod Splits
	Part                        uint32 // partial results of split s go to part Part+s
	Scale                       float32
	Window                      uint32 // positions that a query sees, its own and those in front of it; 0: all
}

// MergePush drives "attention_merge": Parts partial softmaxes become one row of the output.
type MergePush struct {
	Rows, Heads, Parts uint32
}

// PairPush drives the element-wise kernels "swiglu" (y = silu(a)·b) and "add" (y = a+b).
type PairPush struct {
	Rows, Cols                uint32
	AStride, BStride, YStride uint32
}

// LastRowsPush drives "last_rows": row s of y becomes the last row of sequence s of x.
type LastRowsPush struct {
	Seqs, Cols, SeqsAt uint32
}

// GatherPush drives "gather": y[row, j] = x[row, order[j]].
type GatherPush struct {
	Rows, Cols uint32
}

// CountPush drives "count_tokens": the rows' ids are counted in their slot's history.
type CountPush struct {
	Rows, Vocab, IDsAt, RowsAt uint32
	Prompt                     uint32 // 1: ids of a prompt, 0: generated ids
}

// PenaltyPush drives "penalties" on one row of logits per sequence or, with PerRow, per row of the step.
type PenaltyPush struct {
	Seqs, Vocab, SeqsAt   uint32
	PerRow, IDsAt, RowsAt uint32 // PerRow 1: Seqs counts rows, each has seen those of its sequence up to itself
}

// ArgMaxPush drives "argmax" (each group reduces a slice of one row) and "argmax_final".
type ArgMaxPush struct {
	Vocab, Groups         uint32
	IDsAt, RowsAt, SeqsAt uint32
	Keep                  uint32 // 1: the step buffer does not move on to the next token
}

// TopKPush drives "top_k" and "top_k_final".
type TopKPush struct {
	Vocab, Groups uint32
}

// FillPush drives "fill", which makes a plane of random weights.
type FillPush struct {
	Halves, RowHalves     uint32 // 16-bit halves of the plane, of one of its rows
	FirstRow              uint32 // of the plane, in its pack
	Tensors, Turns, Block uint32 // Turns tensors have alternate rows, in groups of Block rows; 1: tensors follow each other
	Period, Salt          uint32
}

// MeasureReadPush drives "measure_read".
type MeasureReadPush struct {
	Quads uint32 // 16 bytes each
}

// MeasureFMAPush drives "measure_fma", "measure_half", and with elements of the factors "measure_matrix".
type MeasureFMAPush struct {
	Rounds         uint32 // of 64 multiply-adds
	Factor, Addend float32
}

// MeasureDotPush drives "measure_dot".
type MeasureDotPush struct {
	Rounds uint32 // of 64 multiply-adds
	Factor uint32 // four bytes
}
