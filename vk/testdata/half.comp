#version 450
#extension GL_EXT_shader_16bit_storage : require
// Needs 16-bit storage: copies 16-bit words by way of 32-bit ones.
layout(local_size_x = 64) in;
layout(set = 0, binding = 0) buffer X { float16_t x[]; };
void main() { x[gl_GlobalInvocationID.x] = float16_t(float(x[gl_GlobalInvocationID.x]) * 2.0); }
