#version 450
// y[i] = SCALE * x[i] + add, one invocation per element; constant 0 is the
// workgroup size.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SCALE = 1;
layout(push_constant) uniform Push { uint n; uint add; } p;
layout(set = 0, binding = 0) readonly buffer X { uint x[]; };
layout(set = 0, binding = 1) writeonly buffer Y { uint y[]; };
void main() {
  uint i = gl_GlobalInvocationID.x;
  if (i < p.n) y[i] = SCALE * x[i] + p.add;
}
