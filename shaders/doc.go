// Package shaders holds the compute kernels: GLSL sources, the table that says what each kernel is, and the SPIR-V that
// scripts/compile_shaders.sh makes of them.
//
// Three nouns. A kernel is one row of the table (kernels.go): a name, a source file, the types it comes in, what it binds
// and what it is told. A [Variant] is one choice of types (weights in q4, cache in f16). A [Module] is the SPIR-V of one
// variant at one tier, ready to become a pipeline:
//
//	row × weights or cache type × tier  →  glslc, spirv-opt  →  spv/mul_mat_vec.q4.t1.spv  →  Find("mul_mat_vec", …)
//
// Three things parametrize a dispatch, and each has one place: specialization constants (tile sizes, fusions; named by
// [Module.Constants], values from [Tuning] and the caller), push constants (shapes; the structs of push.go), and the
// step buffer (what changes from token to token; [Step]).
//
// # Tiers
//
// Tier 0 is core Vulkan 1.1 with 32-bit storage, and works with any subgroup size or none; every kernel has it. A
// tier-1 module is there where subgroup arithmetic or native half floats help; it names the capabilities it uses, and no
// others. Both come from one source: the includes reduce.glsl and half.glsl look at the defines that a tier sets.
//
// # What all kernels keep
//
// At most 128 bytes of push constants, 8 storage buffers in set 0, 256 invocations, 16 KiB of shared memory in tier 0
// and 32 KiB above: the limits of the weakest device that is supported, checked by a test for every module. Buffers are
// declared readonly or writeonly, which is what validation can see. Activations and accumulators are f32 in every tier.
// Sums have an order that does not depend on how many columns or rows share a dispatch.
//
// The package imports nothing of this project and knows no Vulkan: capabilities are strings.
package shaders

//go:generate ../scripts/compile_shaders.sh
