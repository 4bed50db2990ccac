// Rounded rectangles, their borders and shadows by distance to the edge; glyphs by the coverage in the atlas.
#version 450

layout(set = 0, binding = 0) uniform sampler2D atlas;

layout(push_constant) uniform Push {
  vec2 scale;
  uint encode_linear;
};

layout(location = 0) in vec2 position;
layout(location = 1) flat in vec4 box;
layout(location = 2) flat in uvec4 source;
layout(location = 3) flat in ivec4 inside;
layout(location = 4) flat in vec4 tint;
layout(location = 5) flat in uvec4 shape;

layout(location = 0) out vec4 color; // premultiplied

float coverage() {
  if (shape.w == 1u) {
    ivec2 texel = ivec2(floor(position - box.xy)) + ivec2(source.xy);
    return texelFetch(atlas, min(texel, ivec2(source.zw) - 1), 0).r;
  }
  vec2 halfSize = 0.5 * (box.zw - box.xy);
  float radius = min(float(shape.x), min(halfSize.x, halfSize.y));
  vec2 from = abs(position - 0.5 * (box.xy + box.zw)) - halfSize + radius;
  float distance = length(max(from, 0.0)) + min(max(from.x, from.y), 0.0) - radius;
  if (shape.z > 0u) {
    return 1.0 - smoothstep(-float(shape.z), float(shape.z), distance);
  }
  float c = clamp(0.5 - distance, 0.0, 1.0);
  if (shape.y > 0u) {
    c *= clamp(0.5 + distance + float(shape.y), 0.0, 1.0);
  }
  return c;
}

void main() {
  if (any(lessThan(position, vec2(inside.xy))) || any(greaterThanEqual(position, vec2(inside.zw)))) {
    discard;
  }
  vec3 rgb = tint.rgb;
  if (encode_linear != 0u) {
    rgb = mix(rgb / 12.92, pow((rgb + 0.055) / 1.055, vec3(2.4)), greaterThan(rgb, vec3(0.04045)));
  }
  float alpha = tint.a * coverage();
  color = vec4(rgb * alpha, alpha);
}
