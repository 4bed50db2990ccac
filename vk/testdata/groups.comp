#version 450
// Writes the counts of an indirect dispatch: (n + size - 1) / size, 1, 1.
layout(local_size_x = 1) in;
layout(push_constant) uniform Push { uint n; uint size; } p;
layout(set = 0, binding = 0) writeonly buffer Groups { uint groups[3]; };
void main() {
  groups[0] = (p.n + p.size - 1) / p.size;
  groups[1] = 1;
  groups[2] = 1;
}
