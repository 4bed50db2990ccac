// Cooperative matrices: a subgroup of SUBGROUP invocations computes A[UM,UK]·B[UK,UN] + C[UM,UN], f16 factors and f32 sums,
// in one of the shapes that the device reports. The kernel says where the constants stand.

#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require

#define MATRIX_A coopmat<float16_t, gl_ScopeSubgroup, UM, UK, gl_MatrixUseA>
#define MATRIX_B coopmat<float16_t, gl_ScopeSubgroup, UK, UN, gl_MatrixUseB>
#define MATRIX_SUM coopmat<float, gl_ScopeSubgroup, UM, UN, gl_MatrixUseAccumulator>

// 2^-e of 2^e, exactly: a division need not be.
float inverse(float power) { return uintBitsToFloat(0x7f000000u - floatBitsToUint(power)); }
