package shaders

import (
	"maps"
	"slices"
)

// kernel is one row of the table: all that anybody needs to know to compile, bind and dispatch it.
type kernel struct {
	name      string
	source    string   // shaders/source
	weights   []string // weight types it is compiled for, nil: it has none
	kv        []string // cache types it is compiled for, nil: it has none
	buffers   int      // bindings 0 to buffers-1 of set 0
	push      any      // the struct of its push constants
	constants []string // names of the specialization constants by id
	lowest    int      // tier below which there is no module: a kernel of its own for what that tier adds
	gains     [][]gain // what each tier above 0 may use, by tier
	why       string
}

// gain is a capability that makes a kernel faster: its name as vk.Capability spells it, the macro that makes the sources
// use it, and the types of weights or cache that profit. A variant has a module at a tier if any gain there is for it.
type gain struct {
	capability string
	define     string
	types      []string // nil: all
}

var (
	subgroupSums = gain{"subgroup-arithmetic", "SUBGROUPS", nil}
	nativeHalf   = gain{"float16", "NATIVE_HALF", []string{"f16"}}

	// Products of cooperative matrices are defined for whole subgroups and in Vulkan's memory model alone.
	matrixUnits = []gain{
		{"coopmat", "MATRIX_UNITS", nil},
		{"float16", "NATIVE_HALF", nil},
		{"memory-model", "MEMORY_MODEL", nil},
		{"full-subgroups", "FULL_SUBGROUPS", nil},
	}
	integerDot = gain{"integer-dot", "INT8", nil}
)

// unit says for each type of weights how many elements an invocation of a matrix kernel loads at once: UNIT in its GLSL.
var unit = map[string]int{
	"f32": 4, "f16": 8, "bf16": 8, "q8": 16, "q4": 32,
	"q4_1": 32, "q5_0": 32, "q5_1": 32,
	"q2k": 32, "q3k": 32, "q4k": 32, "q5k": 32, "q6k": 32,
	"iq4nl": 32, "iq4xs": 32, "mxfp4": 32,
	"iq1s": 32, "iq1m": 32, "iq2xxs": 32, "iq2xs": 32, "iq2s": 32, "iq3xxs": 32, "iq3s": 32, "tq1": 32, "tq2": 32,
}

var (
	weightTypes = slices.Sorted(maps.Keys(unit))
	int8Types   = []string{"mxfp4", "q2k", "q3k", "q4", "q4_1", "q4k", "q5_0", "q5_1", "q5k", "q6k", "q8"} // whose quants are bytes
	cacheTypes  = []string{"f32", "f16", "q8_0", "q4_0"}
)

// kernels is the table.
var kernels = []kernel{
	{
		name: "embed", source: "embed.comp", weights: weightTypes, buffers: 6, push: EmbedPush{},
		constants: []string{"LOCAL_SIZE", "GROUP", "ZERO"},
		why:       "a gather of rows; too little work for a faster tier to show",
	},
	{
		name: "rms_norm", source: "rms_norm.comp", buffers: 5, push: RMSNormPush{},
		constants: []string{"LOCAL_SIZE", "ADD"},
		gains:     [][]gain{1: {subgroupSums}},
		why:       "one row per workgroup, the residual added on the way",
	},
	{
		name: "rms_norm_i8", source: "rms_norm_i8.comp", buffers: 3, push: RMSNormInt8Push{},
		constants: []string{"LOCAL_SIZE"},
		gains:     [][]gain{1: {subgroupSums}},
		why:       "a norm that rounds to bytes for the products with integer dots behind it",
	},
	{
		name: "quantise", source: "quantise.comp", buffers: 2, push: QuantisePush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "the same for inputs that do not come from a norm",
	},
	{
		name: "mul_mat_vec", source: "mul_mat_vec.comp", weights: weightTypes, buffers: 8, push: MatMulPush{},
		constants: []string{"LOCAL_SIZE", "ROWS", "COLS", "GROUP", "ZERO", "EPILOGUE", "NORM", "LANES", "STRIP", "EXPERTS"},
		gains:     [][]gain{1: {subgroupSums, nativeHalf}},
		why:       "decode: bound by reading the weights once, for up to 8 columns",
	},
	{
		name: "mul_mat_vec_i8", source: "mul_mat_vec_i8.comp", weights: int8Types, buffers: 8, push: MatMulInt8Push{},
		constants: []string{"LOCAL_SIZE", "ROWS", "COLS", "GROUP", "ZERO", "EPILOGUE", "NORM", "LANES", "STRIP", "EXPERTS"},
		lowest:    2, gains: [][]gain{2: {subgroupSums, integerDot}},
		why: "decode where arithmetic is the limit: four multiplications at once",
	},
	{
		name: "mul_mat", source: "mul_mat.comp", weights: weightTypes, buffers: 7, push: MatMulPush{},
		constants: []string{"LOCAL_SIZE", "BM", "BN", "GROUP", "ZERO", "EPILOGUE", "TM", "TN", "EXPERTS"},
		gains:     [][]gain{1: {nativeHalf}},
		why:       "prefill: bound by arithmetic, tiles reuse each weight for many columns",
	},
	{
		name: "mul_mat_cm", source: "mul_mat_cm.comp", weights: weightTypes, buffers: 8, push: MatMulCMPush{},
		constants: []string{"LOCAL_SIZE", "BM", "BN", "GROUP", "ZERO", "EPILOGUE", "WM", "WN", "EXPERTS", "SCALED", "UM", "UN", "UK", "SUBGROUP"},
		lowest:    3,
		gains:     [][]gain{3: matrixUnits},
		why:       "prefill on matrix units, which multiply ten times as fast as the rest of a card",
	},
	{
		name: "row_scale", source: "row_scale.comp", buffers: 2, push: RowScalePush{},
		constants: []string{"LOCAL_SIZE"},
		gains:     [][]gain{1: {subgroupSums}},
		why:       "brings activations of any magnitude into f16's range for the matrix units",
	},
	{
		name: "weight_max", source: "weight_max.comp", weights: weightTypes, buffers: 5, push: WeightMaxPush{},
		constants: []string{"LOCAL_SIZE", "GROUP", "ZERO"},
		why:       "once after loading, to bring weights of any magnitude into f16's range",
	},
	{
		name: "mul_mat_i8", source: "mul_mat_i8.comp", weights: int8Types, buffers: 7, push: MatMulInt8Push{},
		constants: []string{"LOCAL_SIZE", "BM", "BN", "GROUP", "ZERO", "EPILOGUE", "TM", "TN", "EXPERTS", "BLOCKS"},
		lowest:    2, gains: [][]gain{2: {integerDot}},
		why: "prefill without matrix units: four multiplications at once, and a quarter of the shared memory",
	},
	{
		name: "route", source: "route.comp", buffers: 2, push: RoutePush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "softmax, selection and weights of a router in one dispatch",
	},
	{
		name: "expert_tiles", source: "expert_tiles.comp", buffers: 2, push: ExpertTilesPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "prefill: how many tokens an expert has is known on the device alone",
	},
	{
		name: "combine", source: "combine.comp", buffers: 4, push: CombinePush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "the experts' sum where their last product could not make it",
	},
	{
		name: "gate", source: "gate.comp", buffers: 4, push: GatePush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "the shared expert of Qwen2-MoE, scaled and added in one dispatch",
	},
	{
		name: "rope_kv", source: "rope_kv.comp", kv: cacheTypes, buffers: 8, push: RoPEKVPush{},
		constants: []string{"LOCAL_SIZE", "HEAD_DIM", "QK_NORM"},
		gains:     [][]gain{1: {subgroupSums}},
		why:       "norm, rotation and cache write of all heads in one dispatch",
	},
	{
		name: "attention", source: "attention.comp", kv: cacheTypes, buffers: 8, push: AttentionPush{},
		constants: []string{"LOCAL_SIZE", "HEAD_DIM", "BR", "GQA", "PARTIAL"},
		gains:     [][]gain{1: {nativeHalf}},
		why:       "prefill and decode: heads that share keys are packed, keys and values are read once for them",
	},
	{
		name: "attention_cm", source: "attention_cm.comp", kv: []string{"f16", "q8_0", "q4_0"}, buffers: 6, push: AttentionPush{},
		constants: []string{"LOCAL_SIZE", "HEAD_DIM", "BR", "GQA", "PARTIAL", "UM", "UN", "UK", "SUBGROUP"},
		lowest:    3,
		gains:     [][]gain{3: matrixUnits},
		why:       "prefill on matrix units; a cache of f32 is for those who want no rounding, and stays with \"attention\"",
	},
	{
		name: "attention_merge", source: "attention_merge.comp", buffers: 3, push: MergePush{},
		constants: []string{"LOCAL_SIZE", "HEAD_DIM"},
		why:       "ends an attention that was split over the context or over buffers",
	},
	{
		name: "swiglu", source: "swiglu.comp", buffers: 3, push: PairPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "for gate and up that could not be one matrix",
	},
	{
		name: "add", source: "add.comp", buffers: 3, push: PairPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "a sum that no epilogue took",
	},
	{
		name: "last_rows", source: "last_rows.comp", buffers: 3, push: LastRowsPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "only the last token of a prompt goes through the output matrix",
	},
	{
		name: "gather", source: "gather.comp", buffers: 3, push: GatherPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "activations in the order in which a weight keeps its columns",
	},
	{
		name: "count_tokens", source: "count_tokens.comp", buffers: 2, push: CountPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "the history that penalties look at stays on the device",
	},
	{
		name: "penalties", source: "penalties.comp", buffers: 4, push: PenaltyPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "before the selection, over the whole vocabulary",
	},
	{
		name: "argmax", source: "argmax.comp", buffers: 2, push: ArgMaxPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "greedy sampling: slices of a row in parallel",
	},
	{
		name: "argmax_final", source: "argmax_final.comp", buffers: 3, push: ArgMaxPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "writes the id where the next step reads it",
	},
	{
		name: "top_k", source: "top_k.comp", buffers: 2, push: TopKPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "sampling on the host needs 64 candidates, not the vocabulary",
	},
	{
		name: "top_k_final", source: "top_k_final.comp", buffers: 2, push: TopKPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "merges the slices and the log-sum-exp",
	},
	{
		name: "fill", source: "fill.comp", buffers: 3, push: FillPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "random weights to measure a model of any size by, without its file",
	},
	{
		name: "measure_read", source: "measure_read.comp", buffers: 2, push: MeasureReadPush{},
		constants: []string{"LOCAL_SIZE", "STRIP"},
		why:       "what memory gives: the yardstick of everything that reads weights",
	},
	{
		name: "measure_fma", source: "measure_fma.comp", buffers: 1, push: MeasureFMAPush{},
		constants: []string{"LOCAL_SIZE"},
		why:       "what float32 arithmetic gives: the yardstick of products",
	},
	{
		name: "measure_half", source: "measure_half.comp", buffers: 1, push: MeasureFMAPush{},
		constants: []string{"LOCAL_SIZE"},
		lowest:    1,
		gains:     [][]gain{1: {{"float16", "NATIVE_HALF", nil}}},
		why:       "what float16 arithmetic gives",
	},
	{
		name: "measure_dot", source: "measure_dot.comp", buffers: 1, push: MeasureDotPush{},
		constants: []string{"LOCAL_SIZE"},
		lowest:    2,
		gains:     [][]gain{2: {integerDot}},
		why:       "what integer dot products give: the yardstick of products with activations in bytes",
	},
	{
		name: "measure_matrix", source: "measure_matrix.comp", buffers: 1, push: MeasureFMAPush{},
		constants: []string{"LOCAL_SIZE", "SUBGROUP", "UM", "UN", "UK"},
		lowest:    3,
		gains:     [][]gain{3: matrixUnits},
		why:       "what matrix units give: the yardstick of prefill",
	},
}
