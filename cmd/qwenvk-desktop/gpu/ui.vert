// One quad per instance; four vertices of a strip.
#version 450

layout(location = 0) in vec4 rect;   // x0, y0, x1, y1 in pixels
layout(location = 1) in uvec4 texels; // of the atlas
layout(location = 2) in ivec4 clip;  // x0, y0, x1, y1 in pixels
layout(location = 3) in vec4 color;
layout(location = 4) in uvec4 form;  // radius, border, softness in pixels; kind

layout(push_constant) uniform Push {
  vec2 scale;
  uint encode_linear;
};

layout(location = 0) out vec2 position; // in pixels
layout(location = 1) flat out vec4 box;
layout(location = 2) flat out uvec4 source;
layout(location = 3) flat out ivec4 inside;
layout(location = 4) flat out vec4 tint;
layout(location = 5) flat out uvec4 shape;

void main() {
  vec2 corner = vec2(gl_VertexIndex & 1, gl_VertexIndex >> 1);
  // The edge of a shape is a pixel wide, and a soft one as wide as its softness.
  float margin = form.w == 0u ? float(form.z) + 1.0 : 0.0;
  position = mix(rect.xy - margin, rect.zw + margin, corner);
  box = rect;
  source = texels;
  inside = clip;
  tint = color;
  shape = form;
  gl_Position = vec4(position * scale - 1.0, 0.0, 1.0);
}
