// Plain numbers: one plane [Rows][K] of f32, f16 or bf16.

layout(std430, binding = 0) readonly buffer Plane0 { uvec4 plane0[]; };

#if defined(WEIGHTS_F32)

#define UNIT 4
#define SUBS 1
#define HAS_ZERO false
#define HAS_MINIMUM false
struct Packed { uvec4 q; };

Packed fetch(uint row, uint unit, uint k) { return Packed(plane0[row * (k / UNIT) + unit]); }
vec4 quad(Packed p, uint i) { return uintBitsToFloat(p.q); }

#else

#define UNIT 8
#define SUBS 1
#define HAS_ZERO false
#define HAS_MINIMUM false
#ifdef WEIGHTS_F16
#define WIDEN f16x2_to_f32
#else
#define WIDEN bf16x2_to_f32
#endif
struct Packed { uvec4 q; };

Packed fetch(uint row, uint unit, uint k) { return Packed(plane0[row * (k / UNIT) + unit]); }
vec4 quad(Packed p, uint i) { return vec4(WIDEN(p.q[2 * i]), WIDEN(p.q[2 * i + 1])); }

#endif
