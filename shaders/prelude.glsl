// What every kernel begins with. The kernel table compiles a source for several tiers; a tier switches macros on that the
// includes look at: SUBGROUPS (subgroup arithmetic) and NATIVE_HALF (built-in conversion of f16).

#extension GL_EXT_control_flow_attributes : require
#ifdef SUBGROUPS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_arithmetic : require
#endif

layout(local_size_x_id = 0) in;
#define LOCAL_SIZE gl_WorkGroupSize.x
