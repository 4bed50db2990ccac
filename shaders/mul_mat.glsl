// What "mul_mat_vec" and "mul_mat" share: bindings 4 to 7, the push constants and the epilogue.

#ifdef INT8
layout(std430, binding = 4) readonly buffer Quants { uvec4 quants[]; }; // signed bytes (int8.glsl): [XRows][K/16]
layout(std430, binding = 4) readonly buffer Scales { uvec2 scales[]; }; // from XRows·K/8 on [XRows][K/32]
#else
layout(std430, binding = 4) readonly buffer X { vec4 x[]; };           // [N][XStride/4]; XStride is a multiple of 4
#endif
layout(std430, binding = 5) writeonly buffer Y { float y[]; };         // [N][YStride]
layout(std430, binding = 6) readonly buffer Addend { float addend[]; }; // [N][AddStride]; may be the buffer of y; SCALE: factors
layout(std430, binding = 6) readonly buffer Choice { uint choice[]; };   // in its place with EXPERTS 1: see the kernels

layout(push_constant) uniform Push {
    uint Rows, K, N;
#ifdef INT8
    uint XRows; // that the buffer of x holds
#else
    uint XStride;
#endif
    uint YStride, YOffset;
    uint AddStride, AddOffset;
    float Eps;
    uint FirstExpert, Experts; // held by the bound planes, Rows rows each
    uint Used, Sharing;        // experts per token; ranks that share a row of x: Used, or 1
    uint PairsAt;
#ifdef MATRIX_UNITS
    float WScale, XScale; // powers of two
#endif
} push;

// What EXPERTS may be: a matrix of its own for each (token, rank) pair, whose experts are chosen on the device; the
// same, weighted and summed over a token's ranks.
#define EACH 1
#define SUMMED 2

#define STORE 0
#define ADD 1
#define SWIGLU 2
#define SCALE 3      // row i is multiplied by a factor of its own, the same for all columns
#define ADD_SWIGLU 4 // gate and up are added to before they are combined

const bool PAIRED = EPILOGUE == SWIGLU || EPILOGUE == ADD_SWIGLU; // two rows make one output

// v·sigmoid(v); exp overflows to Inf for very negative v, and v/Inf is the -0 that it should be.
float silu(float v) { return v / (1.0 + exp(-v)); }

void store(uint n, uint row, float value) {
    if (EPILOGUE == ADD) {
        value += addend[n * push.AddStride + push.AddOffset + row];
    }
    if (EPILOGUE == SCALE) {
        value *= addend[push.AddOffset + row];
    }
    y[n * push.YStride + push.YOffset + row] = value;
}

// Weight rows 2i and 2i+1 hold gate and up of output i.
void store_swiglu(uint n, uint row, float gate, float up) {
    if (EPILOGUE == ADD_SWIGLU) {
        uint at = n * push.AddStride + push.AddOffset + row;
        gate += addend[at];
        up += addend[at + 1];
    }
    y[n * push.YStride + push.YOffset + row / 2] = silu(gate) * up;
}
